"""Files and the operating system's page cache: take them out of it, bring them into it, ask how much of them is there.

The questions are cachestat(2) where the kernel knows it (Linux 6.5), else mincore(2). A kernel tells neither for files
that the asker could not write to; then the answer is None.
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
    """Takes the files out of the page cache, as far as nobody else holds their pages. Raises DataError."""
    for path in paths:
        _with(path, _drop)


def warm(paths: Sequence[Path], threads: int, progress: Callable[[int, int], None] | None = None) -> None:
    """Reads every byte, so that the page cache holds it, if there is room. Raises DataError.

    progress(done, total) is called after each file.
    """
    with ThreadPoolExecutor(threads) as pool:
        for done, _ in enumerate(pool.map(lambda path: _with(path, _read_through), paths), 1):
            if progress:
                progress(done, len(paths))


def resident_fraction(paths: Sequence[Path]) -> float | None:
    """Share of the files' pages that the page cache holds, 0 to 1; None where the kernel does not tell."""
    cached = pages = 0
    for path in paths:
        found = _with(path, _resident_pages)
        if found is None:
            return None
        cached += found
        pages += -(-path.stat().st_size // mmap.PAGESIZE)
    return cached / pages if pages else None


def total_bytes(paths: Sequence[Path]) -> int:
    """Bytes of the files. Raises DataError."""
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
    os.fdatasync(fd)  # pages that are not yet on the disk cannot go
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
    found = os.fstat(fd)
    # Of a file that the asker may not write to, mincore says that all of it is there.
    if os.geteuid() not in (0, found.st_uid) and not os.access(f"/proc/self/fd/{fd}", os.W_OK, effective_ids=True):
        return None
    if not found.st_size:
        return 0
    # A private mapping that is never written to: ctypes tells addresses of writable buffers only.
    with mmap.mmap(fd, found.st_size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as mapped:
        first = ctypes.c_char.from_buffer(mapped)
        resident = (ctypes.c_ubyte * -(-found.st_size // mmap.PAGESIZE))()
        failed = _libc.mincore(ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(found.st_size), resident)
        del first
    return None if failed else sum(byte & 1 for byte in bytes(resident))
