"""Progress of data-set generation: files finished by all ranks, GB, GB/s and the time left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from saih.cli.progress import Line, duration

LOOK_S = 0.5
"""How often the folder is looked at; never so often that looking takes more than a twentieth of the time."""


class Tally:
    """Counts of what is done, `found` of it before this run began, and the line that tells of them."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total = what, total
        self.done = self.bytes = self.found = 0
        self._begin_s = time.monotonic()

    def line(self) -> str:
        """[3/8] universes: 1.6 GB, 0.41 GB/s, about 2 min 05 s left."""
        elapsed_s, new = time.monotonic() - self._begin_s, self.done - self.found
        parts = [f"{self.bytes / 1e9:.3g} GB"] if self.bytes else []
        if self.bytes and elapsed_s:
            parts.append(f"{self.bytes / 1e9 / elapsed_s:.3g} GB/s")
        if new and self.done < self.total:
            parts.append(f"about {duration(elapsed_s / new * (self.total - self.done))} left")
        return f"[{self.done}/{self.total}] {self.what}" + (f": {', '.join(parts)}" if parts else "")


class Watch:
    """Looks which files are there by now, whoever makes them, in a thread; a context manager."""

    def __init__(self, line: Line, what: str, outputs: Sequence[Path], size: Callable[[int], int]) -> None:
        self._line, self._size = line, size
        self._missing = {path.name: number for number, path in enumerate(outputs) if not path.exists()}
        self._folder = outputs[0].parent
        self.tally = Tally(what, len(outputs))
        self.tally.done = self.tally.found = len(outputs) - len(self._missing)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    def _look_on(self) -> None:
        pause_s = LOOK_S
        while not self._ended.wait(pause_s):
            begin_s = time.monotonic()
            self._look()
            self._line.show(self.tally.line())
            pause_s = max(LOOK_S, 20 * (time.monotonic() - begin_s))

    def _look(self) -> None:
        try:
            there = [path.name for path in self._folder.iterdir() if path.name in self._missing]
            for name in there:
                self.tally.bytes += self._size(self._missing.pop(name))
                self.tally.done += 1
        except OSError:  # the folder is not there yet; what has gone for good, the ranks will tell
            return
