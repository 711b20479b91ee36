"""Opening HDF5 files that somebody else may have made; their arrays: augment/data/storage/arrays.py."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py

from augment.errors import DataError
from saih.common.files import open_regular


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


def one_line(error: BaseException) -> str:
    """An error's message without line breaks."""
    return " ".join(str(error).split())
