"""The log of what a worker group prints: one open file of bounded size, and output read in bounded pieces.

A rank can print a gigabyte in a line or a million lines a second. The log holds the first megabyte as it comes and the
last megabyte; the end is brought up to date every few seconds, and once nothing more is printed (`LogFile.update`), so
that a killed driver leaves most of it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO

from saih.common import files

KEPT_BYTES = 2**20
"""At each end of the log."""
UPDATE_S = 2.0
"""Interval at which the end is written to disk during output."""
PIECE_BYTES = 2**16
LONGEST_MESSAGE_BYTES = 2**28
"""A line that begins like a message may be so long: an answer of thousands of ranks is tens of megabytes."""


class LogFile:
    """A log that several threads write to. Errors of the disk are passed over: a full disk must not end a group."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self.begin(path)

    def begin(self, path: Path) -> None:
        """Let what is written from now on go to `path`, which begins empty. Raises OSError."""
        self.close()
        with self._lock:
            self.path = path
            self._end, self._head_bytes, self._left_out_bytes, self._updated_s = bytearray(), 0, 0, time.monotonic()
            self._is_behind = False
            self._file = files.begin_empty(path)

    def write(self, piece: bytes) -> None:
        """Append `piece`."""
        with self._lock:
            if self._file is None:
                return
            room = KEPT_BYTES - self._head_bytes
            if room > 0:
                self._put(piece[:room])
                self._head_bytes += len(piece[:room])
                piece = piece[room:]
            if piece:
                self._keep(piece)

    def update(self) -> None:
        """Bring the end on disk up to date."""
        with self._lock:
            self._update()

    def close(self) -> None:
        """Bring the end up to date and close the file."""
        with self._lock:
            self._update()
            if self._file is not None:
                with contextlib.suppress(OSError):
                    self._file.close()
                self._file = None

    def _keep(self, piece: bytes) -> None:
        """Hold the last `KEPT_BYTES` in memory, and put them on disk now and then."""
        self._end += piece
        self._is_behind = True
        if len(self._end) > 2 * KEPT_BYTES:
            self._left_out_bytes += len(self._end) - KEPT_BYTES
            del self._end[:-KEPT_BYTES]
        if time.monotonic() - self._updated_s > UPDATE_S:
            self._update()

    def _update(self) -> None:
        if self._file is None or not self._is_behind:
            return
        left_out = self._left_out_bytes + max(0, len(self._end) - KEPT_BYTES)
        note = f"\n... {left_out} bytes left out ...\n".encode() if left_out else b""
        with contextlib.suppress(OSError):
            self._file.seek(self._head_bytes)
            self._file.truncate()
        self._put(note + bytes(self._end[-KEPT_BYTES:]))
        self._updated_s, self._is_behind = time.monotonic(), False

    def _put(self, piece: bytes) -> None:
        assert self._file is not None
        with contextlib.suppress(OSError):
            self._file.write(piece)


def last_words(path: Path, most_bytes: int) -> str:
    """The end of a log as text; empty if it cannot be read."""
    try:
        with open(path, "rb", opener=files.no_link) as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - most_bytes))
            return log.read(most_bytes).decode("utf-8", "replace")
    except OSError:
        return ""


def lines(stream: IO[bytes], holds_message: Callable[[bytes], bool] = lambda _: False) -> Iterator[bytes]:
    """The lines of a stream, each with its end; long ones in pieces, unless a message begins in the first."""
    while line := stream.readline(PIECE_BYTES):
        if not line.endswith(b"\n") and holds_message(line):
            line += stream.readline(LONGEST_MESSAGE_BYTES)
        yield line
