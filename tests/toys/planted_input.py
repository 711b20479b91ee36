"""The input of the planted toy: a thread that reads and inflates one step ahead. No torch."""

from __future__ import annotations

import mmap
import os
import time
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from augment.data.storage.files import OpenFiles
from augment.data.storage.transfer import BLOCK_BYTES, Memory, read_into
from saih.app import Point

MB = 10**6
FILE = "planted.bin"
STREAM_BYTES = MB  # what a stream inflates to


def write(file: Path, length: int) -> None:
    """Makes a file of random bytes that lies on the disk when this returns."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".tmp")
    with open(unfinished, "wb") as out:
        for begin in range(0, length, 8 * MB):
            out.write(os.urandom(min(8 * MB, length - begin)))
        out.flush()
        os.fsync(out.fileno())
    unfinished.replace(file)


class Thread:
    """What a loader's thread does: for each step, read from the file and then inflate. One step ahead, while steps run.

    Nothing is under way between two runs, so that no run finds what it has not waited for.
    """

    def __init__(self, point: Point) -> None:
        self.read_bytes, self._streams = MB * point.size["reads_mb"], point.size["inflate_mb"] * MB // STREAM_BYTES
        counts = np.random.default_rng(1).poisson(1.0, STREAM_BYTES // 2).astype("<i2")
        self._stream = zlib.compress(counts.tobytes()) if self._streams else b""
        if self.read_bytes:
            file = Path(point.data["folder"], FILE)
            self._files = OpenFiles([file], direct=True)
            self._memory, self._length, self._at = Memory(mmap.mmap(-1, self.read_bytes)), file.stat().st_size, 0
        self._pool, self._ahead = ThreadPoolExecutor(1), None
        self._spent = {"input_wait_s": 0.0, "read_s": 0.0, "decode_s": 0.0}

    @contextmanager
    def reading(self):
        yield
        self.stop()

    def stop(self) -> None:
        """Waits for what is under way. May be called twice."""
        if self._ahead:
            self._wait(self._ahead)

    def next(self) -> None:
        """Waits for the input of this step; that of the next one is begun."""
        self._wait(self._ahead or self._pool.submit(self._work))
        self._ahead: Future | None = self._pool.submit(self._work)

    def collect(self) -> dict[str, float]:
        """Seconds since the last call. Not while the thread works."""
        found, self._spent = self._spent, dict.fromkeys(self._spent, 0.0)
        return found

    def close(self) -> None:
        self._pool.shutdown()
        if self.read_bytes:
            self._files.close()

    def _wait(self, ahead: Future) -> None:
        begin = time.perf_counter()
        ahead.result()
        self._spent["input_wait_s"] += time.perf_counter() - begin

    def _work(self) -> None:
        begin = time.perf_counter()
        if self.read_bytes:
            self._read()
        read = time.perf_counter()
        for _ in range(self._streams):
            zlib.decompress(self._stream, bufsize=STREAM_BYTES)
        self._spent["read_s"] += read - begin
        self._spent["decode_s"] += time.perf_counter() - read

    def _read(self) -> None:
        with self._files.borrow(0) as file:
            read_into(file, self._memory, 0, self.read_bytes, self._at)
        self._at += -(-self.read_bytes // BLOCK_BYTES) * BLOCK_BYTES
        if self._at + self.read_bytes > self._length:
            self._at = 0


class Nothing:
    """Input that costs nothing."""

    read_bytes = 0

    @contextmanager
    def reading(self):
        yield

    def close(self) -> None:
        pass

    def next(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def collect(self) -> dict[str, float]:
        return {"input_wait_s": 0.0, "read_s": 0.0, "decode_s": 0.0}
