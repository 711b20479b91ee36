"""How a sweep looks while it runs: a live line with time left on a terminal, plain lines in a batch log."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from saih.records import Record

if TYPE_CHECKING:
    from rich.console import Console

HEARTBEAT_S = 30.0
"""Without a terminal, work that lasts longer than this says that it is still alive."""


class Progress:
    """The listener of a sweep; a context manager."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._what = ""
        self._left_s: float | None = None
        self._status = console.status("") if console.is_terminal else None
        self._spoke = time.monotonic()

    def __enter__(self) -> Progress:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._status:
            self._status.stop()

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._spoke = time.monotonic()

    def begin(self, what: str) -> None:
        """A piece of work starts."""
        self._what = what
        self._show("")
        if not self._status and self._done == 0:
            self.say(what)

    def progress(self, what: str, done: float, total: float) -> None:
        """How far it is."""
        self._show(f": {what} {100 * done / total:.0f} %" if total else f": {what}")

    def end(self, record: Record, seconds: float, left_s: float) -> None:
        """A point is done."""
        self._done += 1
        self._left_s = left_s
        left = f"; about {duration(left_s)} left" if self._done < self._total else ""
        self.say(f"[{self._done}/{self._total}] {self._what}: {outcome(record)} ({duration(seconds)}{left})")

    def _show(self, detail: str) -> None:
        left = f" - about {duration(self._left_s)} left" if self._left_s is not None else ""
        line = f"[{min(self._done + 1, self._total)}/{self._total}] {self._what}{detail}{left}"
        if self._status:
            self._status.update(line.replace("[", "\\["))
        elif time.monotonic() - self._spoke > HEARTBEAT_S:
            self.say(line)


def outcome(record: Record) -> str:
    """What became of a point, in a few words."""
    if record.status != "ok":
        message = (record.error or {}).get("message", "")
        return f"{record.status}: {message}"
    rate = record.value("samples_per_s") or 0.0
    percent = record.value("percent_of_measured_peak")
    return f"{rate:.4g} samples/s" + (f", {percent:.3g} % of the measured ceiling" if percent is not None else "")


def duration(seconds: float) -> str:
    """Seconds as people say them: 8 s, 2 min 05 s, 3 h 20 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60) if seconds >= 3600 else int(seconds // 60)
    if seconds < 3600:
        return f"{minutes} min {seconds % 60:02.0f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
