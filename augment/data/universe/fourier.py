"""Fields as sums of waves, on a periodic mesh.

Modes have norm="forward": field(x) = sum over k of modes_k exp(i k x), stored in the half space of torch.fft.rfftn,
complex (edge, edge, edge // 2 + 1). The index of a wave is its number of whole waves a box along x, y, z.
"""

from __future__ import annotations

import torch

Waves = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

_SMALL = 16  # edges below it; see to_modes


def to_modes(field: torch.Tensor) -> torch.Tensor:
    """Return the modes of a real field (edge, edge, edge).

    Transforms of small meshes go through double precision: one thread takes another path than several do (MKL), and
    differs in the last bit of single precision. In double precision the number of threads changes no bit of the result.
    """
    if field.shape[0] < _SMALL and field.dtype == torch.float32:
        return to_modes(field.double()).to(torch.complex64)
    modes: torch.Tensor = torch.fft.rfftn(field, norm="forward")
    return modes


def to_grid(modes: torch.Tensor) -> torch.Tensor:
    """Return the real field (edge, edge, edge) of its modes."""
    edge = modes.shape[0]
    field: torch.Tensor = torch.fft.irfftn(modes, s=(edge, edge, edge), norm="forward")
    return field


def wave_indices(edge: int, device: str | torch.device = "cpu") -> Waves:
    """Return whole waves a box along x, y, z: int64, shaped to broadcast over modes; k = 2 pi / box * index."""
    full = torch.fft.fftfreq(edge, 1 / edge, device=device).round().long()
    half = torch.arange(edge // 2 + 1, device=device)
    return full[:, None, None], full[None, :, None], half[None, None, :]


def squared(waves: Waves) -> torch.Tensor:
    """Return x^2 + y^2 + z^2 of every wave."""
    x, y, z = waves
    return x.square() + y.square() + z.square()


def without_nyquist(modes: torch.Tensor) -> torch.Tensor:
    """Remove, in place, waves of two nodes a period, which have no direction and so cannot displace anything."""
    edge = modes.shape[0]
    if edge % 2 == 0:
        for axis in range(3):
            modes.select(axis, edge // 2).zero_()
    return modes
