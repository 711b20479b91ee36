"""Opening HDF5 files that somebody else may have made, and the arrays in them, before any room is made for them.

A file of two kilobytes can claim an array of 30 GB, or point to other files of this host. So an array counts only if it
lies in this very file, and if the file is large enough for what it claims.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from augment.errors import DataError
from saih.common.files import open_regular

DEFLATE_RATIO = 1032
"""The most that deflate can shrink: zlib.net, zlib_tech."""
MOST_CHUNK_BYTES = 2**30
"""A chunk is unpacked whole; the published universes are of 1 GiB."""
SMALL_CHUNK_BYTES = 2**20
"""Of an array that is smaller than its chunks; HDF5's libraries choose no larger ones for it."""


def open_file(path: Path) -> Any:
    """An open h5py.File, without a lock: readers change nothing, and parallel file systems often refuse locks.

    Raises DataError.
    """
    try:
        os.close(open_regular(path))
        return h5py.File(path, "r", locking=False, rdcc_nbytes=0)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: not a readable HDF5 file ({one_line(error)})") from error


def array(file: Any, name: str) -> Any:
    """The h5py.Dataset ``name``, which lies in this file. Raises DataError."""
    if name not in file:
        raise DataError(f"the array {name!r} is missing")
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise DataError(f"{name!r} is a link: must lie in this file under that name")
    found = file[name]
    if not isinstance(found, h5py.Dataset):
        raise DataError(f"the array {name!r} is missing")
    if found.is_virtual or found.external:
        raise DataError(f"{name!r} lies in other files: must lie in this one")
    return found


def check_room(found: Any, name: str, compressed: bool = False) -> None:
    """Raise DataError unless the file holds the bytes that the array claims, or compressed ones that may be them."""
    claimed, stored = int(np.prod(found.shape, dtype=object)) * found.dtype.itemsize, found.id.get_storage_size()
    if claimed > stored * (DEFLATE_RATIO if compressed else 1):
        raise DataError(f"{name!r} claims {claimed} bytes, and the file holds {stored} of it")
    most = min(MOST_CHUNK_BYTES, max(SMALL_CHUNK_BYTES, claimed))
    if found.chunks and int(np.prod(found.chunks, dtype=object)) * found.dtype.itemsize > most:
        raise DataError(f"{name!r} has chunks of {found.chunks}: must be at most {most} bytes each")


def one_line(error: BaseException) -> str:
    """An error's message without line breaks."""
    return " ".join(str(error).split())
