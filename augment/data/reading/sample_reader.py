"""Samples of a data set into memory that is given, by any number of threads, each checked against its CRC-32C.

    reader = SampleReader(UniverseSet("universes"))
    reader.read(17, out)        # out: int16 (edge, edge, edge, redshifts)

No sample leaves here unchecked: a bit that flipped on its way, a file that was cut short, replaced or removed is a
DataError which names file and sample. With direct=True reads pass the operating system's page cache by; where a file
system refuses that, its pages are dropped after each read, and `bytes_read` tells how much came which way.
"""

from __future__ import annotations

import os
import threading
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment.data.reading.codecs import DECODERS, Stored
from augment.data.reading.direct_io import BLOCK_BYTES, Memory
from augment.data.reading.open_files import OpenFiles
from augment.data.storage.data_set import UniverseSet
from augment.data.storage.manifest import HDF5_UNIVERSE
from augment.data.storage.universe_file import DEFLATE, RAW
from augment.errors import DataError


@dataclass(frozen=True)
class BytesRead:
    """Stored bytes that were asked for, and how many of them passed the page cache by."""

    all: int
    direct: int


class SampleReader:
    """Reads samples of an open set; `close` it when no thread reads any more."""

    def __init__(self, universes: UniverseSet, direct: bool = False) -> None:
        self.universes = universes
        self._codec, self._drops = DECODERS[universes.codec], direct
        # HDF5 reads by its own means, which are not direct.
        self._files = OpenFiles(universes.files, direct and universes.codec != HDF5_UNIVERSE)
        self._counting = threading.Lock()
        self._all_bytes = self._direct_bytes = 0
        self._threads: set[int] = set()

    @property
    def bytes_read(self) -> BytesRead:
        """What was read so far, by all threads."""
        with self._counting:
            return BytesRead(self._all_bytes, self._direct_bytes)

    @property
    def threads(self) -> frozenset[int]:
        """Native ids of the threads that have read."""
        with self._counting:
            return frozenset(self._threads)

    def read(self, sample: int, out: NDArray[np.int16]) -> None:
        """Fills `out`, contiguous int16 (edge, edge, edge, redshifts), with the counts of `sample`.

        Raises DataError that names file and sample, ValueError for an `out` that does not fit, IndexError.
        """
        universes = self.universes
        if not 0 <= sample < universes.samples:
            raise IndexError(f"{universes.path}: no sample {sample} among {universes.samples}")
        shape = universes.header.sample_shape
        if out.shape != shape or out.dtype != np.int16 or not out.flags.c_contiguous:
            raise ValueError(f"out is {out.dtype} {out.shape}: must be contiguous int16 {shape}")
        try:
            self._checked(sample, Memory(out))
        except (DataError, OSError, KeyError, RuntimeError, zlib.error) as error:
            path = universes.files[universes.file[sample]]
            where = f"{path}: sample {sample} (universe {universes.universe[sample]})"
            raise DataError(f"{where}: {_reason(error)}") from error

    def close(self) -> None:
        """Lets go of the files. May be called twice."""
        self._files.close()

    def _checked(self, sample: int, out: Memory) -> None:
        universes = self.universes
        index, offset = int(universes.file[sample]), int(universes.offset[sample])
        with self._files.borrow(index) as file:
            stored = Stored(universes.files[index], file, offset, int(universes.stored_bytes[sample]))
            found = self._codec(stored, out, universes.edge)
            if self._drops and not file.direct:
                whole = universes.codec not in (RAW, DEFLATE)  # then a sample is no range of the file
                place = (0, 0) if whole else (stored.offset, stored.length)
                os.posix_fadvise(file.fd, *place, os.POSIX_FADV_DONTNEED)
            with self._counting:
                self._threads.add(threading.get_native_id())
                self._all_bytes += stored.length
                self._direct_bytes += stored.length if file.direct else 0
        expected = int(universes.crc32c[sample])
        if found != expected:
            raise DataError(f"it is damaged: its CRC-32C is {found:08x}, and was {expected:08x}")


def empty_batch(samples: int, shape: tuple[int, ...]) -> NDArray[np.int16]:
    """Uninitialised int16 (samples, *shape) that begins where a direct read may: at a multiple of BLOCK_BYTES."""
    length = 2 * samples * int(np.prod(shape))
    memory = np.empty(length + BLOCK_BYTES, np.uint8)
    begin = -memory.ctypes.data % BLOCK_BYTES
    return memory[begin : begin + length].view(np.int16).reshape(samples, *shape)


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is gone"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return " ".join(str(error).split())
