"""Stored bytes -> the int16 counts of one sample, in memory that is given, with their CRC-32C on the way.

    raw            the counts themselves, little-endian
    deflate        a zlib stream (RFC 1950), which is what HDF5's gzip filter stores for a chunk
    tfrecord-gzip  a file that is one gzip stream (RFC 1952); the counts lie `offset` bytes into what it unpacks to
    hdf5-universe  a universe of the original data set, of which a sample is the `offset`-th cube; see `published`

What was just read is checked while it lies in the processor's cache, piece by piece: that takes half as long as a pass
over the whole sample afterwards. All but hdf5-universe runs in several threads at once: HDF5 has one lock.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augment.data.reading import wait_clock
from augment.data.reading.direct_io import Memory, read_into, scratch
from augment.data.reading.open_files import OpenFile
from augment.data.storage.arrays import universe
from augment.data.storage.crc32c import extend
from augment.data.storage.hdf5 import open_file
from augment.data.storage.manifest import HDF5_UNIVERSE, TFRECORD_GZIP
from augment.data.storage.universe_file import DEFLATE, RAW
from augment.errors import DataError

CACHED_PIECE_BYTES = 2**20  # fits the second-level cache
DIRECT_PIECE_BYTES = 4 * 2**20  # a device wants larger requests
INFLATED_PIECE_BYTES = 2**16  # of the stored stream; counts unpack to some six times that
ZLIB_STREAM, GZIP_STREAM = 15, 31  # zlib's wbits

_hdf5 = threading.Lock()


@dataclass(frozen=True)
class Stored:
    """The place of a sample's bytes: in `file`, opened from `path`."""

    path: Path
    file: OpenFile
    offset: int
    length: int


Decoder = Callable[[Stored, Memory, int], int]
"""(where, into what, voxels a side) -> CRC-32C of what was filled in."""


def raw(stored: Stored, out: Memory, edge: int) -> int:
    """The bytes as they are."""
    if stored.length != len(out):
        raise DataError(f"its index says {stored.length} bytes: must be {len(out)}")
    piece = DIRECT_PIECE_BYTES if stored.file.direct else CACHED_PIECE_BYTES
    crc = 0
    for begin in range(0, len(out), piece):
        end = min(begin + piece, len(out))
        read_into(stored.file, out, begin, end, stored.offset + begin)
        crc = extend(crc, out.address + begin, end - begin)
    return crc


def deflate(stored: Stored, out: Memory, edge: int) -> int:
    """A zlib stream of the sample."""
    packed = scratch("packed", stored.length)
    read_into(stored.file, packed, 0, stored.length, stored.offset)
    return _inflate(packed.bytes[: stored.length], ZLIB_STREAM, 0, out)


def tfrecord_gzip(stored: Stored, out: Memory, edge: int) -> int:
    """The part of an unpacked gzip file that is the sample."""
    started = time.perf_counter()
    size = stored.path.stat().st_size
    wait_clock.waited_since(started)
    packed = scratch("packed", size)
    read_into(stored.file, packed, 0, size, 0)
    return _inflate(packed.bytes[:size], GZIP_STREAM, stored.offset, out)


def hdf5_universe(stored: Stored, out: Memory, edge: int) -> int:
    """One cube of a universe."""
    counts = np.frombuffer(out.bytes, np.int16).reshape(edge, edge, edge, -1)
    started = time.perf_counter()
    with _hdf5, open_file(stored.path) as file:
        full = universe(file, counts.shape[3])
        cuts = full.shape[0] // edge
        if stored.offset >= cuts**3:
            raise DataError(f"its index says cube {stored.offset}: must be below {cuts**3}")
        corner = np.unravel_index(stored.offset, (cuts, cuts, cuts))
        full.read_direct(counts, tuple(slice(int(i) * edge, (int(i) + 1) * edge) for i in corner))
    wait_clock.waited_since(started)  # for its turn, too: others read meanwhile
    return extend(0, out.address, len(out))


DECODERS: dict[str, Decoder] = {RAW: raw, DEFLATE: deflate, TFRECORD_GZIP: tfrecord_gzip, HDF5_UNIVERSE: hdf5_universe}


def _inflate(packed: memoryview, stream: int, skip: int, out: Memory) -> int:
    """Fills `out` from byte `skip` of what the stream unpacks to; gzip members follow one another."""
    inflater: Any = zlib.decompressobj(stream)
    crc = filled = 0
    for begin in range(0, len(packed), INFLATED_PIECE_BYTES):
        rest: Any = packed[begin : begin + INFLATED_PIECE_BYTES]
        while rest and filled < len(out):
            # A limit, so that a damaged stream cannot unpack to more than memory holds.
            piece = inflater.decompress(rest, skip + len(out) - filled)
            useful, skip = piece[skip:], max(0, skip - len(piece))
            out.bytes[filled : filled + len(useful)] = useful
            crc = extend(crc, out.address + filled, len(useful))
            filled += len(useful)
            rest = inflater.unused_data
            if inflater.eof:
                inflater = zlib.decompressobj(stream)
    if filled < len(out):
        raise DataError(f"its stream ends after {filled} of {len(out)} bytes")
    return crc
