"""Files in the operating system's page cache: dropping them, loading them, and querying their share of it.

The queries are cachestat(2) if the kernel supports it (Linux 6.5), else mincore(2). A kernel answers neither for files
that the process may not write to; then the result is None.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from augment.errors import DataError

PIECE_BYTES = 2**20
_Found = TypeVar("_Found")

_CACHESTAT = 451  # the same number on every architecture since Linux 5.0's common table
_libc = ctypes.CDLL(None, use_errno=True)


class _Range(ctypes.Structure):
    _fields_ = (("off", ctypes.c_uint64), ("len", ctypes.c_uint64))


class _Pages(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("cached", "dirty", "writeback", "evicted", "recently"))


def drop(paths: Sequence[Path]) -> None:
    """Remove the files from the page cache, as far as no other process holds their pages. Raises DataError."""
    for path in paths:
        _with(path, _drop)


def warm(paths: Sequence[Path], threads: int, progress: Callable[[int, int], None] | None = None) -> None:
    """Read every byte, so that the page cache holds it, if there is room. Raises DataError.

    progress(done, total) is called after each file.
    """
    with ThreadPoolExecutor(threads) as pool:
        for done, _ in enumerate(pool.map(lambda path: _with(path, _read_through), paths), 1):
            if progress:
                progress(done, len(paths))


def resident_fraction(paths: Sequence[Path]) -> float | None:
    """Return the share of the files' pages in the page cache, 0 to 1; None if the kernel does not report it."""
    cached = pages = 0
    for path in paths:
        resident = _with(path, _resident_pages)
        if resident is None:
            return None
        cached += resident
        pages += -(-path.stat().st_size // mmap.PAGESIZE)
    return cached / pages if pages else None


def total_bytes(paths: Sequence[Path]) -> int:
    """Return the bytes of the files. Raises DataError."""
    return sum(_with(path, lambda fd: os.fstat(fd).st_size) for path in paths)


def _with(path: Path, act: Callable[[int], _Found]) -> _Found:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return act(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _drop(fd: int) -> None:
    os.fdatasync(fd)  # dirty pages cannot be dropped
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def _read_through(fd: int) -> None:
    piece, offset = bytearray(PIECE_BYTES), 0
    while read := os.preadv(fd, [piece], offset):
        offset += read


def _resident_pages(fd: int) -> int | None:
    pages = _Pages()
    whole = _Range(0, 0)  # a length of 0: to the end
    if _libc.syscall(_CACHESTAT, fd, ctypes.byref(whole), ctypes.byref(pages), 0) == 0:
        return int(pages.cached)
    return _resident_by_mincore(fd)


def _resident_by_mincore(fd: int) -> int | None:
    status = os.fstat(fd)
    # For a file that the process may not write to, mincore reports every page as resident.
    if os.geteuid() not in (0, status.st_uid) and not os.access(f"/proc/self/fd/{fd}", os.W_OK, effective_ids=True):
        return None
    if not status.st_size:
        return 0
    # A private mapping that is never written to: ctypes gives addresses of writable buffers only.
    with mmap.mmap(fd, status.st_size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as mapped:
        first = ctypes.c_char.from_buffer(mapped)
        resident = (ctypes.c_ubyte * -(-status.st_size // mmap.PAGESIZE))()
        failed = _libc.mincore(ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(status.st_size), resident)
        del first
    return None if failed else sum(byte & 1 for byte in bytes(resident))
