"""CRC-32C (Castagnoli) of samples and of files.

It finds every change of up to 32 neighbouring bits, and misses one in 2^32 of other changes. Processors compute it
with an instruction of their own, at several GB/s, and TFRecords carry the same.
"""

from __future__ import annotations

from pathlib import Path

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from augment.data.storage import crc32c
from saih.common.files import open_regular

_PIECE_BYTES = 2**20


def sample_crc32c(counts: NDArray[np.int16]) -> int:
    """CRC-32C of contiguous counts as a set holds them, little-endian."""
    stored = counts.astype("<i2", copy=False)
    return crc32c.extend(0, stored.ctypes.data, stored.nbytes)


def file_crc32c(path: Path) -> int:
    """CRC-32C of all bytes of a file. Raises OSError."""
    found = 0
    with open(open_regular(path), "rb") as file:
        while piece := file.read(_PIECE_BYTES):
            found = google_crc32c.extend(found, piece)
    return found
