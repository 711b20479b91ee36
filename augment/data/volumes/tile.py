"""A larger volume from copies of a periodic box, side by side."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from augment.data.volumes.symmetries import edge_of
from augment.errors import DataError

_Kind = TypeVar("_Kind", bound=np.generic)


def tile(counts: NDArray[_Kind], repeats: int, *, periodic: bool) -> NDArray[_Kind]:
    """Return `repeats` copies along each axis of counts (edge, edge, edge, channels); the outcome is periodic too.

    The box becomes `repeats` times as wide in voxels of the same size; mean, histogram and labels stay. A wave exp(2 pi
    i n x / L) of the box becomes wave n * repeats of the wide one, and there are no others: no structure longer than
    the original box, and no more independent volume, so nothing about cosmic variance. Valid as load and for properties
    local to a voxel's surroundings; not as a larger universe, which needs `simulate` (growth fixed_voxel). Copies of a
    cut cube would be discontinuous at the faces: without periodic=True this raises DataError.
    """
    edge_of(counts)
    if not periodic:
        raise DataError("tile: the volume is not periodic; only whole universes (cuts: 1) can be tiled")
    check_repeats(repeats)
    return np.tile(counts, (repeats, repeats, repeats, 1))


def check_repeats(repeats: int) -> None:
    """Raise DataError unless `repeats` is an integer of at least 1."""
    if isinstance(repeats, bool) or not isinstance(repeats, (int, np.integer)) or repeats < 1:
        raise DataError(f"repeats = {repeats!r}: must be an integer of at least 1")
