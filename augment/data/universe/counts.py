"""Particles into voxels: the number of particles in each voxel.

One particle starts at the centre of every voxel, so the mean count is exactly 1 whatever happens later. A displaced
particle counts in the voxel that contains it ("nearest grid point"; Hockney & Eastwood 1988, Computer Simulation Using
Particles), and one that leaves the periodic box returns on the other side.
"""

from __future__ import annotations

import torch

from augment.data.universe.mesh import batches, index_type, wrapped
from augment.errors import DataError

MOST = torch.iinfo(torch.int16).max


def count_particles(displacement: torch.Tensor) -> torch.Tensor:
    """Return counts, int16 (edge, edge, edge), of particles displaced from the centres of all voxels.

    displacement: (edge^2, edge, 3), in units of a voxel
    Raises DataError if a voxel holds more particles than int16 can represent.
    """
    edge, device = displacement.shape[1], displacement.device
    counts = torch.zeros(edge**3, dtype=torch.int32, device=device)
    for lines in batches(edge, device):
        voxel = wrapped(displacement[lines].add(0.5).floor_(), lines.start)
        x, y, z = voxel.view(-1, 3).to(index_type(edge)).unbind(-1)
        counts.index_add_(0, x.mul(edge).add_(y).mul_(edge).add_(z), counts.new_ones(len(x)))
    most = int(counts.max())
    if most > MOST:
        raise DataError(f"a voxel holds {most} particles: int16 counts end at {MOST}; use smaller voxels")
    return counts.to(torch.int16).view(edge, edge, edge)
