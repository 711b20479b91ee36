"""Files of a data set, opened when they are wanted, a bounded number at a time, and shared by threads.

A file that was removed or replaced while it is open can still be read, but what is measured then is no longer the data
set that is named; so a file that has lost its name is an error. It is looked for at most once a second a file, because
on a parallel file system the question may travel.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from augment.data.reading import wait_clock
from augment.errors import DataError
from saih.common.files import open_regular

MOST_OPEN = 128  # processes may usually open 1024
LOOK_AGAIN_S = 1.0


@dataclass
class OpenFile:
    """A descriptor; `direct`: its reads pass the page cache by. `users` threads hold it just now."""

    fd: int
    direct: bool
    looked_s: float = 0.0
    users: int = 0

    def stop_direct(self) -> None:
        """Reads go through the page cache from here on, and bring no more into it than was asked for."""
        self.direct = False
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_RANDOM)
        fcntl.fcntl(self.fd, fcntl.F_SETFL, fcntl.fcntl(self.fd, fcntl.F_GETFL) & ~os.O_DIRECT)


class OpenFiles:
    """Descriptors of `paths` by their index; the least recently used are closed where there are too many."""

    def __init__(self, paths: Sequence[Path], direct: bool, most_open: int = MOST_OPEN) -> None:
        self._paths, self._direct, self._most_open = paths, direct, most_open
        self._open: OrderedDict[int, OpenFile] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def borrow(self, index: int) -> Iterator[OpenFile]:
        """The open file, which stays open within. Raises OSError, or DataError where its name is gone."""
        file = self._take(index)
        try:
            _look(file)
            yield file
        finally:
            with self._lock:
                file.users -= 1
                self._close_unused(0 if self._closed else self._most_open)

    def close(self) -> None:
        """Closes what no thread holds now; the rest is closed when it is given back."""
        with self._lock:
            self._closed = True
            self._close_unused(0)

    def _take(self, index: int) -> OpenFile:
        with self._lock:
            file = self._used(index)
        if file is None:
            started = time.perf_counter()
            opened = _open(self._paths[index], self._direct)  # outside the lock: it may take long
            wait_clock.waited_since(started)
            with self._lock:
                file = self._used(index)
                if file is None:
                    opened.users, self._open[index] = 1, opened
                    return opened
            os.close(opened.fd)  # another thread was faster
        return file

    def _used(self, index: int) -> OpenFile | None:
        if self._closed:
            raise ValueError("the reader is closed")
        file = self._open.get(index)
        if file is not None:
            self._open.move_to_end(index)
            file.users += 1
        return file

    def _close_unused(self, keep: int) -> None:
        if len(self._open) > keep:
            unused = [index for index, file in self._open.items() if not file.users]
            for index in unused[: len(self._open) - keep]:
                os.close(self._open.pop(index).fd)


def _open(path: Path, direct: bool) -> OpenFile:
    if not direct:
        return OpenFile(open_regular(path), False)
    try:
        return OpenFile(open_regular(path, os.O_RDONLY | os.O_DIRECT), True)
    except OSError as error:  # some file systems know no direct reads
        if error.errno != errno.EINVAL:
            raise
    file = OpenFile(open_regular(path), False)
    file.stop_direct()
    return file


def _look(file: OpenFile) -> None:
    now_s = time.perf_counter()
    if now_s - file.looked_s < LOOK_AGAIN_S:
        return
    links = os.fstat(file.fd).st_nlink
    wait_clock.waited_since(now_s)
    if not links:
        raise DataError("the file was removed or replaced while it was in use")
    file.looked_s = now_s
