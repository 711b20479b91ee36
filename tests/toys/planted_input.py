"""The input of the planted toy: a thread that reads, inflates and parses one step ahead. No torch."""

from __future__ import annotations

import mmap
import os
import threading
import time
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from augment.data.host.fetched_bytes import storage_bytes
from augment.data.reading.direct_io import BLOCK_BYTES, Memory, read_into
from augment.data.reading.open_files import OpenFiles
from saih.app import Point

MB = 10**6
FILE = "planted.bin"
STREAM_BYTES = MB  # what a stream inflates to
PHASES = ("input_wait_s", "storage_wait_s", "decode_wait_s", "read_s", "decode_s")


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


def parsed(text: bytes) -> int:
    """The sum of the text's bytes, one by one in Python: a parser that holds the interpreter."""
    total = 0
    for byte in text:
        total += byte
    return total


class Thread:
    """What a loader's thread does: for each step, read from the file, inflate, parse. One step ahead, while steps run.

    Nothing is under way between two runs, so that no run finds what it has not waited for. The thread takes a core that
    is not the step's where there is one: then it competes with the step for the interpreter only.
    """

    def __init__(self, point: Point) -> None:
        self.read_bytes, self._streams = MB * point.size["reads_mb"], point.size["inflate_mb"] * MB // STREAM_BYTES
        self._text = bytes(1000 * point.size["parse_kb"])
        counts = np.random.default_rng(1).poisson(1.0, STREAM_BYTES // 2).astype("<i2")
        self._stream = zlib.compress(counts.tobytes()) if self._streams else b""
        if self.read_bytes:
            file = Path(point.data["folder"], FILE)
            self._files = OpenFiles([file], direct=True)
            self._memory, self._length, self._at = Memory(mmap.mmap(-1, self.read_bytes)), file.stat().st_size, 0
        self._pool = ThreadPoolExecutor(1, initializer=self._begin)
        self._ahead: Future | None = None
        self._spent, self._fetched = dict.fromkeys(PHASES, 0.0), 0

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
        self._ahead = self._pool.submit(self._work)

    def drop(self) -> None:
        """Drops the input of this step, if it is there, and begins the next one's."""
        if self._ahead is None or self._ahead.done():
            self._ahead = self._pool.submit(self._work)

    def settle(self) -> None:
        """Lets what is under way end, in nobody's time."""
        if self._ahead:
            self._ahead.result()

    def collect(self) -> dict[str, float]:
        """Seconds since the last call. Not while the thread works."""
        found, self._spent = self._spent, dict.fromkeys(PHASES, 0.0)
        return found

    def fetched(self) -> int | None:
        """Bytes that the kernel fetched from storage for the thread since the last call."""
        now = storage_bytes([self._thread]) if self.read_bytes else 0
        before, self._fetched = self._fetched, now or 0
        return None if now is None else now - before

    def close(self) -> None:
        self._pool.shutdown()
        if self.read_bytes:
            self._files.close()

    def _begin(self) -> None:
        self._thread = threading.get_native_id()
        others = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
        with suppress(OSError):  # none of them may be had
            os.sched_setaffinity(0, others)

    def _wait(self, ahead: Future) -> None:
        """The thread has worked on nothing else: its wait divides as its work does."""
        begin = time.perf_counter()
        read_s, decode_s = ahead.result()
        waited_s = time.perf_counter() - begin
        self._spent["input_wait_s"] += waited_s
        self._spent["storage_wait_s"] += waited_s * read_s / (read_s + decode_s)
        self._spent["decode_wait_s"] += waited_s * decode_s / (read_s + decode_s)

    def _work(self) -> tuple[float, float]:
        """Seconds of reading, and of inflating and parsing."""
        begin = time.perf_counter()
        if self.read_bytes:
            self._read()
        read = time.perf_counter()
        for _ in range(self._streams):
            zlib.decompress(self._stream, bufsize=STREAM_BYTES)
        parsed(self._text)
        spent = read - begin, time.perf_counter() - read
        self._spent["read_s"] += spent[0]
        self._spent["decode_s"] += spent[1]
        return spent

    def _read(self) -> None:
        with self._files.borrow(0) as file:
            read_into(file, self._memory, 0, self.read_bytes, self._at)
        self._at += -(-self.read_bytes // BLOCK_BYTES) * BLOCK_BYTES
        if self._at + self.read_bytes > self._length:
            self._at = 0


class Unwaited:
    """A thread's work beside steps that never wait for it."""

    read_bytes = 0

    def __init__(self, thread: Thread) -> None:
        self._thread = thread

    @contextmanager
    def reading(self):
        yield

    def next(self) -> None:
        self._thread.drop()

    def stop(self) -> None:
        pass

    def settle(self) -> None:
        self._thread.settle()
        self._thread.collect()

    def fetched(self) -> int | None:
        return self._thread.fetched()

    def collect(self) -> dict[str, float]:
        return dict.fromkeys(PHASES, 0.0)

    def close(self) -> None:
        pass


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

    def settle(self) -> None:
        pass

    def fetched(self) -> int:
        return 0

    def collect(self) -> dict[str, float]:
        return dict.fromkeys(PHASES, 0.0)
