"""One universe, from its cosmology to the counts that a network reads.

Gaussian noise becomes a linear density field (lpt.initial_modes), the field displaces particles
(lpt.displacements), and the particles are counted at each redshift (counts.count_particles). All
redshifts share the initial field, as snapshots of one universe must.

The chain follows github.com/NERSC/cosmoflow-sims, with 2LPT alone in place of COLA's steps; docs/data.md says
what that costs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from augment.data.cosmology import Cosmology
from augment.data.counts import count_particles
from augment.data.lpt import displacements, initial_modes, to_grid
from augment.data.recipe import REDSHIFTS


def simulate(
    cosmology: Cosmology,
    edge: int,
    box_mpc_h: float,
    redshifts: Sequence[float] = REDSHIFTS,
    seed: int = 1,
    device: str | torch.device = "cpu",
) -> NDArray[np.int16]:
    """Particle counts of one periodic universe, int16 (edge, edge, edge, redshifts); the mean is exactly 1.

    The same arguments give the same bytes on one device. Devices differ by rounding: a particle on a
    voxel's border may count in the neighbour. Channels come last, so a view permuted to (C, D, H, W) is
    channels_last_3d at no cost. Raises DataError where a count exceeds int16.
    """
    psi1, psi2 = displacements(initial_modes(cosmology, edge, box_mpc_h, seed, device), box_mpc_h)
    voxels_per_mpc_h = edge / box_mpc_h
    counts = torch.empty((edge, edge, edge, len(redshifts)), dtype=torch.int16, device=device)
    for channel, redshift in enumerate(redshifts):
        first = cosmology.growth(redshift) * voxels_per_mpc_h
        second = cosmology.second_growth(redshift) * voxels_per_mpc_h
        counts[..., channel] = count_particles((first * psi1).add_(psi2, alpha=second))
    return counts.cpu().numpy()


def initial_density(
    cosmology: Cosmology, edge: int, box_mpc_h: float, seed: int = 1, device: str | torch.device = "cpu"
) -> NDArray[np.float32]:
    """The linear density contrast today `simulate` starts from, float32 (edge, edge, edge), mean zero."""
    modes = initial_modes(cosmology, edge, box_mpc_h, seed, device)
    return np.asarray(to_grid(modes).cpu().numpy(), dtype=np.float32)
