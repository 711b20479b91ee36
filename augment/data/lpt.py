"""Second-order Lagrangian perturbation theory (2LPT): where gravity has carried the matter.

Matter that started at q is found at

    x(q, z) = q + D(z) psi1(q) + D2(z) psi2(q)

    psi1 = -grad phi1,   laplace phi1 = delta
    psi2 = +grad phi2,   laplace phi2 = sum over i < j of phi1_ii phi1_jj - phi1_ij^2

where delta is the linear density contrast today. The first order is Zel'dovich's (1970, A&A 5, 84), the
second that of Bouchet et al. (1995, A&A 296, 575), in the notation of Scoccimarro (1998, MNRAS 299,
1097). Derivatives are products in Fourier space, exact for all that the grid holds.

Modes have norm="forward": delta(x) = sum over k of delta_k exp(i k x), so <|delta_k|^2> = P(k) / V.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from augment.data.cosmology import Cosmology
from augment.data.noise import white_modes

_Waves = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def initial_modes(
    cosmology: Cosmology, edge: int, box_mpc_h: float, seed: int, device: str | torch.device = "cpu"
) -> torch.Tensor:
    """Gaussian modes of the linear density contrast today: white noise times sqrt(P / V).

    Returns complex64 (edge, edge, edge // 2 + 1), norm="forward". The mean and the Nyquist planes are zero: a
    Nyquist wave has no direction, so it cannot displace anything.
    """
    # Every |k|^2 is a whole number times (2 pi / L)^2, so a short table holds the power of each mode exactly.
    wave_squared = _squared(wave_indices(edge, device))
    longest = 3 * (edge // 2) ** 2
    k_h_mpc = 2 * math.pi / box_mpc_h * np.sqrt(np.arange(1, longest + 1))
    rms = np.concatenate([[0.0], np.sqrt(cosmology.linear_power(k_h_mpc) / box_mpc_h**3)])
    table = torch.from_numpy(rms.astype(np.float32)).to(device)
    return _without_nyquist(white_modes(edge, seed, device) * table[wave_squared])


def displacements(delta_modes: torch.Tensor, box_mpc_h: float) -> tuple[torch.Tensor, torch.Tensor]:
    """psi1 and psi2 in Mpc/h, each float32 (3, edge, edge, edge), of a linear density contrast.

    delta_modes: complex (edge, edge, edge // 2 + 1), norm="forward", with mean zero and no Nyquist waves
    """
    psi1 = _with_divergence(-delta_modes, box_mpc_h)
    source: torch.Tensor = torch.fft.rfftn(_second_order_source(delta_modes), norm="forward")
    return psi1, _with_divergence(_without_nyquist(source), box_mpc_h)


def to_grid(modes: torch.Tensor) -> torch.Tensor:
    """The real field (edge, edge, edge) of modes with norm="forward"."""
    edge = modes.shape[0]
    field: torch.Tensor = torch.fft.irfftn(modes, s=(edge, edge, edge), norm="forward")
    return field


def wave_indices(edge: int, device: str | torch.device = "cpu") -> _Waves:
    """Whole waves a box along x, y, z: int64, shaped to broadcast over modes; k = 2 pi / box * index."""
    full = torch.fft.fftfreq(edge, 1 / edge, device=device).round().long()
    half = torch.arange(edge // 2 + 1, device=device)
    return full[:, None, None], full[None, :, None], half[None, None, :]


def _with_divergence(modes: torch.Tensor, box_mpc_h: float) -> torch.Tensor:
    # f = grad phi with laplace phi = s, so f_k = -i k / k^2 s_k.
    waves = wave_indices(modes.shape[0], modes.device)
    scaled = modes / _squared(waves).clamp(min=1) * (-1j * box_mpc_h / (2 * math.pi))
    return torch.stack([to_grid(scaled * index) for index in waves])


def _second_order_source(delta_modes: torch.Tensor) -> torch.Tensor:
    waves = wave_indices(delta_modes.shape[0], delta_modes.device)
    scaled = delta_modes / _squared(waves).clamp(min=1)

    def second_derivative(i: int, j: int) -> torch.Tensor:
        return to_grid(scaled * (waves[i] * waves[j]))

    xx, yy, zz = (second_derivative(i, i) for i in range(3))
    source = xx * yy + yy.add_(xx).mul_(zz)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        source -= second_derivative(i, j).square_()
    return source


def _squared(waves: _Waves) -> torch.Tensor:
    # Where this divides, clamp(min=1) spares the mean (index 0) a division by zero: its mode is zero anyway.
    x, y, z = waves
    return x.square() + y.square() + z.square()


def _without_nyquist(modes: torch.Tensor) -> torch.Tensor:
    edge = modes.shape[0]
    if edge % 2 == 0:
        for axis in range(3):
            modes.select(axis, edge // 2).zero_()
    return modes
