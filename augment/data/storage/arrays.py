"""Arrays in HDF5 files that somebody else may have made: shape, type and storage are checked before room is made.

A file of two kilobytes can claim an array of 30 GB, point to other files of this host, or hold four labels in a chunk
of a gigabyte, which HDF5 unpacks whole. So an array counts only if it lies in this very file, if the file is large
enough for what it claims, and if no chunk is much larger than the array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from augment.errors import DataError

DEFLATE_RATIO = 1032
"""The most that deflate can shrink: zlib.net, zlib_tech."""
MOST_CHUNK_BYTES = 2**30
"""A chunk is unpacked whole; the published universes are of 1 GiB."""
SMALL_BYTES = 2**16
"""A chunk may have so many bytes though its array has fewer, and so may small arrays that are packed."""


def array(file: Any, name: str) -> Any:
    """The h5py.Dataset `name`, which lies in this file. Raises DataError."""
    if name not in file:
        raise DataError(f"the array {name!r} is missing")
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise DataError(f"{name!r} is a link: must lie in this file under that name")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise DataError(f"the array {name!r} is missing")
    if dataset.is_virtual or dataset.external:
        raise DataError(f"{name!r} lies in other files: must lie in this one")
    return dataset


def small_array(
    file: Any, name: str, shape: tuple[int, ...], allowed: str, fits: Callable[[np.dtype[Any]], bool]
) -> NDArray[Any]:
    """The values of the array `name` of this shape and of a type that fits. Raises DataError."""
    dataset = array(file, name)
    if dataset.shape != shape or not fits(dataset.dtype):
        raise DataError(f"{name!r} is {dataset.dtype} {dataset.shape}: must be {allowed}")
    packed = dataset.id.get_create_plist().get_nfilters() > 0
    stored = dataset.id.get_storage_size()
    if packed and stored > SMALL_BYTES:
        raise DataError(f"{name!r} is {stored} bytes packed: must be stored as it is, or have at most {SMALL_BYTES}")
    check_room(dataset, name, packed)
    values: NDArray[Any] = dataset[()]
    return values


def universe(file: Any, redshifts: int) -> Any:
    """The h5py.Dataset of an original universe's counts, int16 (width, width, width, redshifts). Raises DataError."""
    full = array(file, "full")
    shape: tuple[int, ...] = full.shape or ()  # an empty one has none
    if full.dtype != np.int16 or len(shape) != 4 or len(set(shape[:3])) != 1 or shape[3] != redshifts:
        raise DataError(f"'full' is {full.dtype} {shape}: must be int16 (width, width, width, {redshifts})")
    check_room(full, "full", compressed=full.chunks is not None)
    return full


def check_room(dataset: Any, name: str, compressed: bool = False) -> None:
    """Raise DataError unless the file holds the bytes that the array claims, or compressed ones that may be them."""
    claimed, stored = _bytes(dataset.shape, dataset.dtype), dataset.id.get_storage_size()
    if claimed > stored * (DEFLATE_RATIO if compressed else 1):
        raise DataError(f"{name!r} claims {claimed} bytes, and the file holds {stored} of it")
    most = min(MOST_CHUNK_BYTES, max(claimed, SMALL_BYTES))
    if dataset.chunks and _bytes(dataset.chunks, dataset.dtype) > most:
        raise DataError(f"{name!r} has chunks of {dataset.chunks}: must be at most {most} bytes each")


def _bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return int(np.prod(shape, dtype=object)) * dtype.itemsize
