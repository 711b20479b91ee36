"""Gravity on a mesh: the pull g = -grad laplace^-1 delta of the particles' density contrast.

Densities are painted and pulls are read by clouds in cells (mesh.py) on a mesh as fine as the particles, and in between
the Poisson equation is solved with -1/k^2, all as in pyCOLA, which made the published CosmoFlow universes. pyCOLA
differentiates the potential at the particle's place: along the derivative by the cubic through 4 nodes, across it
linearly. On average over places in a cell, a wave of k radians a cell is thereby pulled

    C(k_i) / sinc^2(k_i / 2),    C(k) = sinc^4(k / 2) (1 + k^2 / 6),    sinc(x) = sin(x) / x

times as hard along axis i as if g itself were read by clouds in cells: C is the transform of cubic Lagrange
interpolation, sinc^2 that of linear. Here the gradient is taken in Fourier space with this factor, and then read by
clouds in cells. The pull is the same but for its dependence on the place in the cell, and it conserves momentum:
reading is the transpose of painting and the kernel is odd, so the pulls of all particles sum to zero. Differentiating
in place does not conserve it.
"""

from __future__ import annotations

import torch

from augment.data.universe.fourier import Waves, to_grid, to_modes, wave_indices
from augment.data.universe.mesh import UNITS, pad, paint
from augment.errors import DataError


def attraction(displacement: torch.Tensor) -> torch.Tensor:
    """Return the pull g in cells on the nodes of the mesh, padded: float32 (edge + 1, edge + 1, edge + 1, 3).

    displacement: float32 (edge^2, edge, 3), in cells, of particles that started on the nodes
    """
    edge = displacement.shape[1]
    waves = wave_indices(edge, displacement.device)
    potential = _potential(to_modes(_density(displacement)), waves)
    pull = torch.empty((edge + 1,) * 3 + (3,), dtype=displacement.dtype, device=displacement.device)
    for axis, index in enumerate(waves):
        pull[:-1, :-1, :-1, axis] = to_grid(potential * _gradient(index, edge))
    pad(pull)
    return pull


def _density(displacement: torch.Tensor) -> torch.Tensor:
    mass = paint(displacement)
    if int(mass.min()) < 0:  # int32 has overflowed
        raise DataError("more than 32767 particles meet in one cell of the mesh; use smaller voxels")
    return mass.to(displacement.dtype, memory_format=torch.contiguous_format)


def _potential(mass: torch.Tensor, waves: Waves) -> torch.Tensor:
    # laplace phi = delta, phi_k = -delta_k / k^2, in place; the mean exerts no pull.
    edge = mass.shape[0]
    x, y, z = (_radians(index, edge).square_().mul_(-UNITS) for index in waves)
    squared = x + y + z
    squared[0, 0, 0] = 1
    mass[0, 0, 0] = 0
    return mass.div_(squared)


def _gradient(index: torch.Tensor, edge: int) -> torch.Tensor:
    # -i k C / sinc^2. A wave at the Nyquist frequency has no direction.
    k = _radians(index, edge)
    sharpness = torch.sinc(k / (2 * torch.pi)).square() * (1 + k.square() / 6)
    return torch.where(index.abs() * 2 == edge, 0.0, k * sharpness) * -1j


def _radians(index: torch.Tensor, edge: int) -> torch.Tensor:
    return index.to(torch.float32) * (2 * torch.pi / edge)
