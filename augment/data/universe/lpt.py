"""Second-order Lagrangian perturbation theory (2LPT): the first displacement of matter by gravity.

Matter that started at q is found at

    x(q, z) = q + D(z) psi1(q) + D2(z) psi2(q)

    psi1 = -grad phi1,   laplace phi1 = delta
    psi2 = +grad phi2,   laplace phi2 = sum over i < j of phi1_ii phi1_jj - phi1_ij^2

where delta is the linear density contrast today. The first order is Zel'dovich's (1970, A&A 5, 84), the second that of
Bouchet et al. (1995, A&A 296, 575), in the notation of Scoccimarro (1998, MNRAS 299, 1097). Derivatives are products in
Fourier space, exact for all waves of the grid.

<|delta_k|^2> = P(k) / V, with modes as in fourier.py.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from augment.data.universe.cosmology import Cosmology
from augment.data.universe.fourier import squared, to_grid, to_modes, wave_indices, without_nyquist
from augment.data.universe.noise import white_modes


def initial_modes(
    cosmology: Cosmology, edge: int, box_mpc_h: float, seed: int, device: str | torch.device = "cpu"
) -> torch.Tensor:
    """Return Gaussian modes of the linear density contrast today: white noise times sqrt(P / V).

    They are complex64 (edge, edge, edge // 2 + 1). The mean and the Nyquist planes are zero.
    """
    # Every |k|^2 is a whole number times (2 pi / L)^2, so a short table holds the power of each mode exactly.
    wave_squared = squared(wave_indices(edge, device))
    longest = 3 * (edge // 2) ** 2
    k_h_mpc = 2 * math.pi / box_mpc_h * np.sqrt(np.arange(1, longest + 1))
    rms = np.concatenate([[0.0], np.sqrt(cosmology.linear_power(k_h_mpc) / box_mpc_h**3)])
    table = torch.from_numpy(rms.astype(np.float32)).to(device)
    return without_nyquist(white_modes(edge, seed, device).mul_(table[wave_squared]))


def displacements(delta_modes: torch.Tensor, box_mpc_h: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return psi1 and psi2 in Mpc/h, each (3, edge, edge, edge), of a linear density contrast.

    delta_modes: complex (edge, edge, edge // 2 + 1), with mean zero and no Nyquist waves
    In memory the three components of a particle are neighbours: .permute(1, 2, 3, 0) is contiguous.
    """
    source = without_nyquist(to_modes(_second_order_source(delta_modes)))
    psi2 = _gradient(_inverse_laplacian(source), box_mpc_h)
    del source
    return _gradient(_inverse_laplacian(delta_modes), -box_mpc_h), psi2


def _gradient(potential: torch.Tensor, box_mpc_h: float) -> torch.Tensor:
    # i k phi_k; the potential, in units of the longest wave, is overwritten. A negative width flips the sign.
    edge = potential.shape[0]
    potential.mul_(1j * box_mpc_h / (2 * math.pi))
    field = torch.empty((edge, edge, edge, 3), dtype=potential.real.dtype, device=potential.device)
    for axis, index in enumerate(wave_indices(edge, potential.device)):
        field[..., axis] = to_grid(potential * index)
    return field.permute(3, 0, 1, 2)


def _second_order_source(delta_modes: torch.Tensor) -> torch.Tensor:
    waves, scaled = wave_indices(delta_modes.shape[0], delta_modes.device), _inverse_laplacian(delta_modes)

    def second_derivative(i: int, j: int) -> torch.Tensor:
        return to_grid(scaled * (waves[i] * waves[j]))

    xx, yy = second_derivative(0, 0), second_derivative(1, 1)
    source = xx * yy
    source += yy.add_(xx).mul_(second_derivative(2, 2))
    del xx, yy
    for i, j in ((0, 1), (1, 2), (2, 0)):
        source -= second_derivative(i, j).square_()
    return source


def _inverse_laplacian(modes: torch.Tensor) -> torch.Tensor:
    # In units of the longest wave. The mean's mode is zero anyway; clamp(min=1) avoids a division by zero.
    return modes / squared(wave_indices(modes.shape[0], modes.device)).clamp_(min=1).neg_()
