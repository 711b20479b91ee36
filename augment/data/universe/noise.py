"""White noise with large scales independent of the resolution.

A universe simulated on a finer grid should be the same universe in more detail. So noise is drawn for a coarse grid
first, and each doubling of the grid draws new noise but keeps the modes of the coarser grid. The modes of white noise
are independent of one another, so the mixture is again exactly white.

The numbers come from numpy on the CPU (one stream a grid) and only then move to the device: every device starts from
the same bytes.
"""

from __future__ import annotations

import numpy as np
import torch

from augment.data.universe.fourier import to_modes

# Smaller grids are not halved any further.
_COARSEST = 8


def white_modes(edge: int, seed: int, device: str | torch.device = "cpu") -> torch.Tensor:
    """Return Fourier modes of unit-variance white noise on an edge^3 grid, <|w_k|^2> = 1.

    They are complex64 (edge, edge, edge // 2 + 1) in the layout of torch.fft.rfftn. If edge is even, the modes with all
    wave indices below edge / 4 are those of white_modes(edge // 2, seed).
    """
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(edge,)))
    noise = stream.standard_normal((edge, edge, edge), dtype=np.float32)
    modes = to_modes(torch.from_numpy(noise).to(device)).mul_(edge**1.5)
    if edge % 2 == 0 and edge >= _COARSEST:
        _copy_low_modes(white_modes(edge // 2, seed, device), modes)
    return modes


def _copy_low_modes(coarse: torch.Tensor, fine: torch.Tensor) -> None:
    # All waves of the coarse grid but its Nyquist planes, in which two waves share one number.
    half = (coarse.shape[0] + 1) // 2
    positive_and_negative = (slice(0, half), slice(1 - half, None))
    for x in positive_and_negative:
        for y in positive_and_negative:
            fine[x, y, :half] = coarse[x, y, :half]
