"""Bytes of an open file into memory that is already there, through the page cache or past it.

Past it (O_DIRECT, open(2)) the place in the file, the place in memory and the length must be multiples of the device's
block, 4096 bytes at most on what is common. Whatever is not goes through a buffer of the thread's own. A file system
that refuses direct reads only when they are made is read through the cache.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import threading
import time

from augment.data.reading import wait_clock
from augment.data.reading.open_files import OpenFile
from augment.errors import DataError

BLOCK_BYTES = 4096
BOUNCE_BYTES = 4 * 2**20

_mine = threading.local()


class Memory:
    """Writable bytes and where they lie; `buffer` stays alive with it."""

    def __init__(self, buffer: object) -> None:
        self.bytes = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        # A view of no bytes has no address that could be asked for.
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.bytes)) if self.bytes.nbytes else 0

    def __len__(self) -> int:
        return self.bytes.nbytes


def read_into(file: OpenFile, memory: Memory, begin: int, end: int, offset: int) -> None:
    """Fills memory[begin:end] from `offset` of the file on. Raises DataError where the file ends before, OSError."""
    started = time.perf_counter()
    if file.direct:
        begin, offset = _direct(file, memory, begin, end, offset)
    _cached(file, memory, begin, end, offset)
    wait_clock.waited_since(started)


def scratch(name: str, length: int) -> Memory:
    """At least `length` bytes that belong to the calling thread, aligned for direct reads; kept for its next call."""
    found: Memory | None = getattr(_mine, name, None)
    if found is None or len(found) < length:
        found = Memory(mmap.mmap(-1, max(BLOCK_BYTES, length)))
        setattr(_mine, name, found)
    return found


def _cached(file: OpenFile, memory: Memory, begin: int, end: int, offset: int) -> None:
    while begin < end:
        read = os.preadv(file.fd, [memory.bytes[begin:end]], offset)
        if not read:
            raise DataError(f"the file ends at byte {offset}, {end - begin} bytes too early")
        begin, offset = begin + read, offset + read


def _direct(file: OpenFile, memory: Memory, begin: int, end: int, offset: int) -> tuple[int, int]:
    """Reads what it can; the rest, from (begin, offset) on, is for the page cache where direct reads are refused."""
    try:
        while begin < end:
            aligned = not (offset | (memory.address + begin)) % BLOCK_BYTES
            whole = (end - begin) // BLOCK_BYTES * BLOCK_BYTES
            read = _straight(file, memory, begin, begin + whole, offset) if aligned and whole else None
            if read is None:
                read = _bounced(file, memory, begin, end, offset)
            if not read:
                raise DataError(f"the file ends at byte {offset}, {end - begin} bytes too early")
            begin, offset = begin + read, offset + read
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        file.stop_direct()
    return begin, offset


def _straight(file: OpenFile, memory: Memory, begin: int, end: int, offset: int) -> int | None:
    """Bytes that the device put there by itself; None where it cannot, as with some memory that a driver has mapped."""
    try:
        return os.preadv(file.fd, [memory.bytes[begin:end]], offset)
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise
        return None


def _bounced(file: OpenFile, memory: Memory, begin: int, end: int, offset: int) -> int:
    bounce = scratch("bounce", BOUNCE_BYTES)
    before = offset % BLOCK_BYTES
    blocks = -(-(before + end - begin) // BLOCK_BYTES) * BLOCK_BYTES
    read = os.preadv(file.fd, [bounce.bytes[: min(blocks, BOUNCE_BYTES)]], offset - before)
    useful = min(read - before, end - begin)
    if useful <= 0:
        return 0
    memory.bytes[begin : begin + useful] = bounce.bytes[before : before + useful]
    return useful
