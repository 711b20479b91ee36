"""Reads files at a set rate while others work: a process in the role of a file system's other users.

Started by saih.interference.background_load. The first line on stdin is the task, {"parent", "paths", "bytes_per_s",
"cores"}; the answer is one line about the files. Every further line is answered by the bytes read so far and the time;
end of file ends the process. A line with "error" means that reading has ended.

Requests of up to 4 MiB go to random, aligned places of random files, drawn in proportion to their size. They are direct
(O_DIRECT), so that each reaches the file system and none leaves anything in the page cache. A file system that refuses
direct reads is read through the page cache, and the pages are dropped before and after each request (posix_fadvise).
The rate is held by a token bucket: request i may start when the bytes of the requests before it are due, and at most a
quarter of a second may be made up for.
"""

from __future__ import annotations

import errno
import itertools
import json
import mmap
import os
import random
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from saih.errors import InputError
from saih.processes import die_with_parent

REQUEST_BYTES = 4 * 2**20
SMALLEST_REQUEST_BYTES = 64 * 2**10
REQUESTS_PER_S = 10
"""At low rates requests get smaller rather than fewer than this, so that the load is even in a short measurement."""
ALIGNMENT = 4096
THREADS = 8
MOST_FILES = 256
MOST_FILES_LOOKED_AT = 10_000
BURST_S = 0.25
_NOT_DIRECT = (errno.EINVAL, errno.EOPNOTSUPP)


def files_below(paths: Sequence[str]) -> list[Path]:
    """Return the files at or below `paths` that are not empty, evenly thinned out to `MOST_FILES`.

    Raises InputError if there is none.
    """
    every = list(itertools.islice(_files(paths), MOST_FILES_LOOKED_AT))
    if not every:
        raise InputError(f"{', '.join(paths)}: there is no file to read")
    step = max(1, -(-len(every) // MOST_FILES))
    return every[::step]


def _files(paths: Iterable[str]) -> Iterator[Path]:
    for path in map(Path, paths):
        below = [path] if path.is_file() else sorted(path.rglob("*"))
        yield from (file for file in below if file.is_file() and file.stat().st_size)


class Source:
    """An open file, read directly if its file system allows that."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.direct = True
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECT) if takes_direct(path) else -1
        if self._fd < 0:
            self.direct = False
            self._fd = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self._fd).st_size

    def read(self, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` from `offset` on, or up to the end of the file; return the bytes read.

        Raises OSError if the file ends before `offset`.
        """
        if not self.direct:
            os.posix_fadvise(self._fd, offset, len(buffer), os.POSIX_FADV_DONTNEED)
        done = os.preadv(self._fd, [buffer], offset)
        if not self.direct:
            os.posix_fadvise(self._fd, offset, len(buffer), os.POSIX_FADV_DONTNEED)
        if not done:
            raise OSError(errno.EIO, f"ends before byte {offset}")
        return done


def takes_direct(path: Path) -> bool:
    """True if a direct read of the file works: some file systems refuse it at opening, some at reading."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    except OSError as error:
        if error.errno in _NOT_DIRECT:
            return False
        raise
    try:
        with mmap.mmap(-1, ALIGNMENT) as page:
            os.preadv(fd, [page], 0)
    except OSError as error:
        if error.errno in _NOT_DIRECT:
            return False
        raise
    finally:
        os.close(fd)
    return True


class Pacer:
    """A token bucket over all threads, which schedules the next request."""

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._due = time.monotonic()
        self._lock = threading.Lock()

    def delay_s(self, size: int, now: float) -> float:
        """Return the seconds that a request of `size` bytes must wait. Budget older than a burst is lost."""
        with self._lock:
            due = max(self._due, now - BURST_S)
            self._due = due + size / self._bytes_per_s
        return max(0.0, due - now)


class Readers:
    """Threads that read `sources` at `bytes_per_s` together."""

    def __init__(self, sources: Sequence[Source], bytes_per_s: float) -> None:
        self.error: str | None = None
        self._sources, self._pacer = sources, Pacer(bytes_per_s)
        self._shares = list(itertools.accumulate(source.size for source in sources))
        even = int(bytes_per_s / REQUESTS_PER_S) // ALIGNMENT * ALIGNMENT
        self._request = min(REQUEST_BYTES, max(SMALLEST_REQUEST_BYTES, even))
        self._bytes = [0] * THREADS
        for i in range(THREADS):
            threading.Thread(target=self._run, args=(i,), daemon=True).start()

    def bytes(self) -> int:
        """Return the bytes read so far."""
        return sum(self._bytes)

    def _run(self, place: int) -> None:
        buffer = memoryview(mmap.mmap(-1, self._request))  # page-aligned, as direct reads require
        draw = random.Random(place)
        while self.error is None:
            (source,) = draw.choices(self._sources, cum_weights=self._shares)
            pages = max(0, source.size - self._request) // ALIGNMENT
            time.sleep(self._pacer.delay_s(min(self._request, source.size), time.monotonic()))
            try:
                self._bytes[place] += source.read(buffer, ALIGNMENT * draw.randint(0, pages))
            except OSError as error:
                self.error = f"{source.path}: {error.strerror}"


def serve() -> None:
    """Serve the task on stdin until its end of file."""
    line = sys.stdin.readline()
    if not line:
        return
    task = json.loads(line)
    die_with_parent(task["parent"])
    os.sched_setaffinity(0, task["cores"])
    try:
        sources = [Source(path) for path in files_below(task["paths"])]
    except InputError as error:
        _answer({"error": str(error)})
        return
    except OSError as error:
        _answer({"error": f"{error.filename or task['paths'][0]}: {error.strerror}"})
        return
    readers = Readers(sources, task["bytes_per_s"])
    direct = sum(source.direct for source in sources)
    file_bytes = sum(source.size for source in sources)
    _answer({"files": len(sources), "direct_files": direct, "file_bytes": file_bytes, "threads": THREADS})
    for _ in sys.stdin:
        state = {"bytes": readers.bytes(), "at_s": time.monotonic()}
        _answer(state if readers.error is None else {"error": readers.error})


def _answer(content: Mapping[str, Any]) -> None:
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    serve()
