"""A light thread that takes samples at a steady pace, and says what that cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any


class Sampler:
    """Calls each of `take` at `begin`, every `every_s` seconds after it, and at `stop`.

    The thread is started before it is needed: a measurement may leave no memory to start one.
    """

    def __init__(self, take: Sequence[Callable[[], None]], every_s: float) -> None:
        self._take, self._every_s = take, every_s
        self._wanted, self._first, self._stopped = threading.Event(), threading.Event(), threading.Event()
        self._begun = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="telemetry")
        self._samples, self._cpu_s, self._longest_s = 0, 0.0, 0.0

    def start(self) -> None:
        """Start the thread, which waits."""
        self._thread.start()

    def begin(self) -> None:
        """Begin to sample; the first sample is taken when this returns."""
        self._begun = True
        self._wanted.set()
        self._first.wait()

    def stop(self) -> None:
        """Take the last sample, where any were taken, and end; harmless after the end."""
        self._stopped.set()
        self._wanted.set()
        self._thread.join()

    def to_dict(self) -> dict[str, Any]:
        """Samples taken, the thread's processor time, and how long one sample took at most."""
        return {
            "every_s": self._every_s,
            "samples": self._samples,
            "cpu_s": self._cpu_s,
            "longest_s": self._longest_s,
        }

    def _run(self) -> None:
        self._wanted.wait()
        last = False
        try:
            while self._begun:
                self._sample()
                if last:
                    return
                last = self._stopped.wait(self._every_s)
        finally:
            self._first.set()  # nobody waits for a thread that has ended

    def _sample(self) -> None:
        start = time.perf_counter()
        for take in self._take:
            take()
        self._samples += 1
        self._first.set()
        self._cpu_s = time.thread_time()
        self._longest_s = max(self._longest_s, time.perf_counter() - start)
