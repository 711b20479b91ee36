"""Views of samples on the training device: the 48 symmetries of the cube and shifts of a periodic box, in torch.

`symmetries` has the physics, the meaning of the numbers and the same in NumPy; the tests require both to be equal. The
view of a sample follows from (seed, epoch, sample) alone, whatever rank, thread or order reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from augment.data.volumes.symmetries import SYMMETRIES, parts


@dataclass(frozen=True)
class View:
    """A symmetry, 0 to 47, and then a shift by whole voxels."""

    symmetry: int = 0
    shift: tuple[int, int, int] = (0, 0, 0)


def choose(kinds: Sequence[str], seed: int, epoch: int, sample: int, edge: int) -> View:
    """Return the view of `sample` in `epoch`, drawn with equal chances.

    kinds: symmetries, shifts (periodic boxes), or both.
    """
    random = np.random.default_rng([seed, epoch, sample])
    symmetry, *shift = (int(i) for i in random.integers((SYMMETRIES, edge, edge, edge)))
    view = View(symmetry if "symmetries" in kinds else 0)
    return View(view.symmetry, (shift[0], shift[1], shift[2])) if "shifts" in kinds else view


def seen(counts: Tensor, view: View) -> Tensor:
    """Return counts (edge, edge, edge, channels) in a view; they share the memory of `counts` if nothing moves."""
    turned = symmetric(counts, view.symmetry)
    return torch.roll(turned, view.shift, (0, 1, 2)) if any(view.shift) else turned


def symmetric(counts: Tensor, which: int) -> Tensor:
    """Return symmetry `which` of counts (edge, edge, edge, channels)."""
    axes, is_reversed = parts(which)
    turned = counts.permute(*axes, 3)
    reversed_axes = [axis for axis in range(3) if is_reversed[axis]]
    return turned.flip(reversed_axes) if reversed_axes else turned
