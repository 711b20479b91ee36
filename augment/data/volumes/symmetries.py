"""More views of the same universe: the 48 symmetries of the cube, and shifts of a periodic box.

Physics has no preferred direction, no handedness and no preferred place. A universe that is turned, mirrored or
(where opposite faces touch) shifted is as likely as the original and has the same labels: each voxel keeps its
count, so the histogram stays, and so does the power averaged over a shell of |k|.

Two limits. Comoving snapshots in real space have these symmetries; a light cone, or redshifts distorted along
the line of sight, would not. And a view is no new universe: it teaches a network symmetry and nothing about
cosmic variance, so all views of a universe belong on one side of a split.

A symmetry is an index, 0 to 47: 8 * permutation + reflections. The permutation of the axes, in lexical order,
comes first; then axis i is reversed if bit i of the reflections is set. 0 is the identity.

Arrays are NumPy's, (edge, edge, edge, channels); all channels move together, as snapshots of one universe must.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from augment.errors import DataError

SYMMETRIES = 48

_Kind = TypeVar("_Kind", bound=np.generic)
_PERMUTATIONS = tuple(permutations(range(3)))
_BITS = range(3)


def symmetric(counts: NDArray[_Kind], which: int) -> NDArray[_Kind]:
    """Return symmetry `which` of counts (edge, edge, edge, channels), as a view without any copy.

    Valid for every volume, periodic or cut: labels, histogram and P(k) stay. Strides of the view may be negative, which
    torch.from_numpy refuses: copy (np.ascontiguousarray) before such a use.
    """
    edge_of(counts)
    axes, reversed_axes = parts(which)
    steps = tuple(slice(None, None, -1 if is_reversed else 1) for is_reversed in reversed_axes)
    return counts.transpose(*axes, 3)[steps]


def compose(second: int, first: int) -> int:
    """Return the symmetry that applies `first`, and `second` to the outcome.

    Axis i of the outcome reads axis a[i] of the outcome of `first`, which reads axis b[a[i]] of the original; two
    reversals on the way cancel.
    """
    (a, a_reversed), (b, b_reversed) = parts(second), parts(first)
    axes = tuple(b[axis] for axis in a)
    bits = sum((a_reversed[i] ^ b_reversed[a[i]]) << i for i in _BITS)
    return 8 * _PERMUTATIONS.index(axes) + bits


def inverse(which: int) -> int:
    """Return the inverse of symmetry `which`."""
    axes, reversed_axes = parts(which)
    back = tuple(axes.index(i) for i in _BITS)
    return 8 * _PERMUTATIONS.index(back) + sum(reversed_axes[back[i]] << i for i in _BITS)


def shifted(counts: NDArray[_Kind], by_voxels: tuple[int, int, int], *, periodic: bool) -> NDArray[_Kind]:
    """Return counts (edge, edge, edge, channels) moved by whole voxels, periodically.

    Voxels that leave the box return on the other side. Valid for periodic boxes only (`Recipe.periodic`,
    `Header.periodic`): there every wave exp(ikx) only changes its phase. In a cube cut from a universe it would create
    a discontinuity at the faces, so without periodic=True this raises DataError. Returns a copy.
    """
    edge_of(counts)
    if not periodic:
        raise DataError("shifted: the volume is not periodic; only whole universes (cuts: 1) can be shifted")
    if len(by_voxels) != 3 or not all(isinstance(step, (int, np.integer)) for step in by_voxels):
        raise DataError(f"by_voxels = {by_voxels!r}: must be three integers")
    return np.roll(counts, by_voxels, axis=(0, 1, 2))


def edge_of(volume: NDArray[Any]) -> int:
    """Return the voxels a side of a volume (edge, edge, edge, channels). Raises DataError for any other shape."""
    shape = volume.shape
    if len(shape) != 4 or not shape[0] == shape[1] == shape[2] or 0 in shape:
        raise DataError(f"a volume of shape {shape}: must be (edge, edge, edge, channels)")
    return int(shape[0])


def parts(which: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the axis that each axis reads, and 1 for each that is reversed. Raises DataError for another index."""
    if isinstance(which, bool) or not isinstance(which, (int, np.integer)) or not 0 <= which < SYMMETRIES:
        raise DataError(f"symmetry {which!r}: must be an integer from 0 to {SYMMETRIES - 1}")
    permutation, bits = divmod(int(which), 8)
    return _PERMUTATIONS[permutation], tuple(bits >> i & 1 for i in _BITS)
