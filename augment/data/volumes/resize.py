"""The same box in fewer voxels, which is exact, or in more, which is for load only.

coarsen          sums neighbouring voxels: the very counts of the same particles on a coarser mesh
refine_for_load  splits voxels: volumes of any size to load a machine with, without a simulation. Not physics.

Neither keeps the mean count: it grows by factor^3, or shrinks by as much. Arrays are NumPy's, (edge, edge, edge,
channels); `coarsen` treats periodic and cut volumes alike, and `refine_for_load` has an argument for it.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from augment.data.volumes.symmetries import edge_of
from augment.errors import DataError

_Kind = TypeVar("_Kind", bound=np.generic)
_Whole = TypeVar("_Whole", bound=np.integer[Any])


def coarsen(counts: NDArray[_Kind], factor: int) -> NDArray[_Kind]:
    """Return counts in voxels `factor` times as wide: the sum over each block of factor^3, in the same type.

    Valid for every volume: a particle is in the wide voxel that contains its narrow one, so this equals counting the
    same particles on the coarser mesh, and labels stay. A simulation at that edge is different: it moves factor^3 times
    fewer particles and has more shot noise. Raises DataError if the edge is not a multiple of the factor, or a sum
    exceeds the type.
    """
    edge = edge_of(counts)
    check_factor(factor)
    if edge % factor:
        raise DataError(f"factor = {factor}: must divide the edge, {edge}")
    few = edge // factor
    blocks = counts.reshape(few, factor, few, factor, few, factor, counts.shape[3])
    sums = blocks.sum(axis=(1, 3, 5), dtype=np.int64 if np.issubdtype(counts.dtype, np.integer) else None)
    _check_fits(sums, counts.dtype)
    coarse: NDArray[_Kind] = sums.astype(counts.dtype, copy=False)
    return coarse


def refine_for_load(
    counts: NDArray[_Whole], factor: int, *, periodic: bool, seed: int | np.random.Generator = 1
) -> NDArray[_Whole]:
    """Return counts in voxels `factor` times as narrow, FOR LOAD ONLY: made up by interpolation and chance.

    Every particle of a voxel falls into one of its factor^3 children, independently, with a probability in proportion
    to the trilinear interpolation of the counts at the child's centre (across the faces of a periodic box; at other
    faces the outermost counts continue). Each parent's sum stays, so exactly

        coarsen(refine_for_load(counts, factor, ...), factor) == counts

    Physically valid: nothing below the original voxel. Such volumes have the shape, type and memory traffic of larger
    ones and keep the long waves, but no structure of their own: small scales are shot noise, factor^3 times that of a
    simulation of this edge, and the mean count is factor^3 times smaller. docs/physics.md has figures. Use them to time
    a network; to train one, simulate. Raises DataError for counts other than integers of at least 0.
    """
    edge = edge_of(counts)
    check_factor(factor)
    if not np.issubdtype(counts.dtype, np.integer) or counts.min() < 0:
        raise DataError("refine_for_load: counts must be integers of at least 0")
    padded = np.pad(counts, [(1, 1)] * 3 + [(0, 0)], mode="wrap" if periodic else "edge")
    fine = np.empty((edge, factor, edge, factor, edge, factor, counts.shape[3]), counts.dtype)
    rng = np.random.default_rng(seed)
    for x in range(edge):  # a layer at a time: weights take 27 + 2 factor^3 numbers a voxel
        fine[x] = _children(padded[x : x + 3], factor, rng).transpose(3, 0, 4, 1, 5, 2)
    return fine.reshape(edge * factor, edge * factor, edge * factor, counts.shape[3])


def _children(layers: NDArray[np.integer[Any]], factor: int, rng: np.random.Generator) -> NDArray[np.integer[Any]]:
    # The middle of three padded layers (3, edge + 2, edge + 2, channels), split: (edge, edge, channels, children...).
    around = np.lib.stride_tricks.sliding_window_view(layers, (3, 3, 3), axis=(0, 1, 2))[0]
    parents = around[..., 1, 1, 1]
    children = np.zeros((*parents.shape, factor, factor, factor), layers.dtype)
    occupied = parents > 0
    axis = _interpolation(factor)
    weights = np.einsum("nabc,ia,jb,kc->nijk", around[occupied], axis, axis, axis, optimize=True)
    weights = weights.reshape(-1, factor**3)
    drawn = rng.multinomial(parents[occupied], weights / weights.sum(axis=1, keepdims=True))
    children[occupied] = drawn.reshape(-1, factor, factor, factor)
    return children


def _interpolation(factor: int) -> NDArray[np.float64]:
    # (factor, 3): the weights of the left neighbour, the voxel itself and the right one at each child's centre.
    offset = (np.arange(factor) + 0.5) / factor - 0.5
    return np.stack([np.maximum(-offset, 0), 1 - np.abs(offset), np.maximum(offset, 0)], axis=1)


def _check_fits(sums: NDArray[Any], dtype: np.dtype[Any]) -> None:
    if np.issubdtype(dtype, np.integer) and sums.max() > np.iinfo(dtype).max:
        raise DataError(f"a coarse voxel holds {sums.max()} particles: {dtype} counts end at {np.iinfo(dtype).max}")


def check_factor(factor: int) -> None:
    """Raise DataError unless `factor` is an integer of at least 1."""
    if isinstance(factor, bool) or not isinstance(factor, (int, np.integer)) or factor < 1:
        raise DataError(f"factor = {factor!r}: must be an integer of at least 1")
