"""Particles into voxels: how many of them each voxel holds.

One particle starts at the centre of every voxel, so the mean count is exactly 1 whatever happens later. A
displaced particle counts in the voxel that holds it ("nearest grid point"; Hockney & Eastwood 1988, Computer
Simulation Using Particles), and one that leaves the periodic box returns on the other side.
"""

from __future__ import annotations

import torch

from augment.errors import DataError

MOST = torch.iinfo(torch.int16).max


def count_particles(displacement_voxels: torch.Tensor) -> torch.Tensor:
    """Counts, int16 (edge, edge, edge), of particles displaced from the centres of all voxels.

    displacement_voxels: (3, edge, edge, edge), in units of a voxel
    Raises DataError where a voxel holds more particles than int16 can say.
    """
    edge = displacement_voxels.shape[1]
    voxel = torch.zeros((edge, edge, edge), dtype=torch.int64, device=displacement_voxels.device)
    for axis in range(3):
        # Whole voxels moved, before the start is added: no precision is lost far from the origin.
        moved = torch.floor(displacement_voxels[axis] + 0.5).long()
        start = torch.arange(edge, device=voxel.device).view([-1 if i == axis else 1 for i in range(3)])
        voxel.mul_(edge).add_(moved.add_(start).remainder_(edge))
    counts = torch.bincount(voxel.view(-1), minlength=edge**3)
    most = int(counts.max())
    if most > MOST:
        raise DataError(f"a voxel holds {most} particles: int16 counts end at {MOST}; use smaller voxels")
    return counts.to(torch.int16).view(edge, edge, edge)
