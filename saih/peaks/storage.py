"""The ceiling of a file system: the rate at which all ranks together read a file that is in no cache of this host.

Reads are direct (O_DIRECT), several at a time, and each byte is read once, so that it is neither in the page cache nor
known from an earlier repeat. A file system that refuses direct reads is read through the page cache, after its pages
were dropped. In a folder every rank writes a file of random bytes first; the storage's own caches may keep parts of it,
and cannot be dropped from here. A file of one's own that was not accessed for long is colder.
"""

from __future__ import annotations

import errno
import mmap
import os
import queue
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

from saih.errors import InputError
from saih.interference.background_reader import takes_direct
from saih.measure.blocks import Ranks
from saih.peaks.timing import REPEATS, best, together

REQUEST_BYTES = 4 * 2**20
THREADS = 8
LEAST_BYTES = REPEATS * REQUEST_BYTES


def measure(ranks: Ranks, path: str, bytes_a_rank: int) -> dict[str, Any]:
    """Measure reading; return {"read_bytes_per_s" of all ranks together, "direct", "bytes", "method", "path_is", ...}.

    `path`: a folder, where each rank writes `bytes_a_rank` and reads its own file; or a file, which the ranks share
    out. Raises InputError if it is neither, too small, or cannot be read or written.
    """
    target = Path(path)
    try:
        made = target.is_dir()
        source = _Source.written(target, bytes_a_rank, ranks) if made else _Source.of_file(target, ranks)
        with source, ThreadPoolExecutor(THREADS) as pool:
            return _read(source, pool, ranks) | {"path_is": "folder" if made else "file"}
    except OSError as error:
        raise InputError(f"--storage {path}: {error.strerror or error}") from error


def require_size(path: Path, ranks: int) -> None:
    """Raise InputError unless an existing file is large enough for every repeat of every rank."""
    size, least = path.stat().st_size, ranks * LEAST_BYTES
    if size < least:
        many = f"{ranks} rank{' needs' if ranks == 1 else 's need'} {least / 2**20:.0f} MiB"
        raise InputError(f"--storage {path}: holds {size} bytes, but {many} to read")


def _read(source: _Source, pool: ThreadPoolExecutor, ranks: Ranks) -> dict[str, Any]:
    """Read another part in each repeat; no byte is read twice, so that there is no warm-up either."""
    times_s, part = [], source.requests // REPEATS
    for repeat in range(REPEATS):
        ranks.progress("measuring storage", repeat, REPEATS)
        wanted = range(repeat * part, (repeat + 1) * part)
        times_s.append(together(partial(_read_all, pool, source, wanted), 1, ranks))
    total = sum(ranks.gather(part * REQUEST_BYTES))
    direct = all(ranks.gather(source.direct))
    how = "direct" if direct else "through the page cache, pages dropped before"
    method = f"bytes read once by all ranks / time, {how}, {THREADS} requests of {REQUEST_BYTES} B a rank at a time"
    rate = best("read_bytes_per_s", total, times_s)
    return {**rate, "direct": direct, "bytes": total * REPEATS, "method": method}


def _read_all(pool: ThreadPoolExecutor, source: _Source, requests: Sequence[int]) -> None:
    for _ in pool.map(source.read, requests):  # iterated, so that an error is raised
        pass


class _Source:
    """An open file, of which this rank reads `requests` of `REQUEST_BYTES` from byte `start` on; a context manager."""

    def __init__(self, path: Path, start: int, requests: int) -> None:
        self.requests, self._start = requests, start
        self.direct = takes_direct(path)
        self._fd = os.open(path, os.O_RDONLY | (os.O_DIRECT if self.direct else 0))
        os.fdatasync(self._fd)  # dirty pages cannot be dropped
        os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)
        if not self.direct:
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_RANDOM)  # no read-ahead
        self._buffers: queue.SimpleQueue[mmap.mmap] = queue.SimpleQueue()
        for _ in range(THREADS):
            self._buffers.put(mmap.mmap(-1, REQUEST_BYTES))  # page-aligned, as direct reads require

    @classmethod
    def of_file(cls, path: Path, ranks: Ranks) -> Self:
        """Open this rank's share of an existing file."""
        all_ranks = len(ranks.gather(None))
        require_size(path, all_ranks)
        share = path.stat().st_size // REQUEST_BYTES // all_ranks // REPEATS * REPEATS
        return cls(path, ranks.rank * share * REQUEST_BYTES, share)

    @classmethod
    def written(cls, folder: Path, size: int, ranks: Ranks) -> Self:
        """Write a file of this rank alone, and remove its name at once, so that nothing is left in any case."""
        requests = max(LEAST_BYTES, size) // LEAST_BYTES * REPEATS
        fd, name = tempfile.mkstemp(prefix="saih-peaks-", dir=folder)
        try:
            with os.fdopen(fd, "wb") as file:
                for done in range(requests):
                    ranks.progress("writing what is read then", done, requests)
                    file.write(os.urandom(REQUEST_BYTES))
                file.flush()
                os.fsync(file.fileno())
            return cls(Path(name), 0, requests)
        finally:
            with suppress(OSError):
                Path(name).unlink()

    def read(self, request: int) -> None:
        """Read all bytes of a request. Raises OSError if the file ends early."""
        pages = self._buffers.get()
        with memoryview(pages) as buffer:
            done, offset = 0, self._start + request * REQUEST_BYTES
            while done < REQUEST_BYTES:
                got = os.preadv(self._fd, [buffer[done:]], offset + done)
                if not got:
                    raise OSError(errno.EIO, "the file ends early")
                done += got
        self._buffers.put(pages)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
