"""Progress of a sweep: a live line with time left on a terminal, plain lines in a batch log."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from saih.app import Point
from saih.common.terminal import printable
from saih.records.record import Record

if TYPE_CHECKING:
    from rich.console import Console

HEARTBEAT_S = 30.0
"""Without a terminal, work that lasts longer than this says that it is still alive."""


class Line:
    """A live line on a terminal; otherwise a plain one now and then. A context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("") if console.is_terminal else None
        self._spoke_s = time.monotonic()

    @property
    def is_live(self) -> bool:
        """Return True if the output is a terminal."""
        return self._status is not None

    def __enter__(self) -> Line:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._status:
            self._status.stop()

    def show(self, text: str) -> None:
        """The state of things."""
        if self._status:
            from rich.text import Text  # late, so that planning starts without rich

            self._status.update(Text(printable(text)))
        elif time.monotonic() - self._spoke_s > HEARTBEAT_S:
            self.say(text)

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
        self._spoke_s = time.monotonic()


class Progress:
    """The listener of a sweep; a context manager."""

    def __init__(self, console: Console) -> None:
        self._line = Line(console)
        self._what = ""
        self._left = ""

    def __enter__(self) -> Progress:
        self._line.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._line.__exit__(*exception)

    def stage(self, what: str) -> None:
        """A stage of the set-up starts."""
        self._what = what
        self._show("")
        if not self._line.is_live:
            self._line.say(what)

    def begin(self, point: Point, number: int, total: int | None, left_s: float | None) -> None:
        """Point `number` of `total` starts; about `left_s` seconds remain, this one included. None: unknown."""
        self._what = f"[{number}{f'/{total}' if total else ''}] {point.label}"
        self._left = f" - about {duration(left_s)} left" if left_s else ""
        self._show("")

    def progress(self, what: str, done: float, total: float) -> None:
        """Show the progress of the current piece of work."""
        self._show(f": {what} {100 * done / total:.0f} %" if total else f": {what}")

    def note(self, text: str) -> None:
        """Say something that stays: what keeps the work from going on."""
        self._line.say(f"{self._what}: {text}" if self._what else text)

    def end(self, record: Record, seconds: float, left_s: float | None) -> None:
        """The point has its record; about `left_s` seconds remain. None: unknown."""
        left = f"; about {duration(left_s)} left" if left_s else ""
        self._line.say(f"{self._what}: {outcome(record)} ({duration(seconds)}{left})")

    def _show(self, detail: str) -> None:
        self._line.show(f"{self._what}{detail}{self._left}")


def outcome(record: Record) -> str:
    """Describe the outcome of a point in a few words."""
    if record.status != "ok":
        message = (record.error or {}).get("message", "")
        return f"{record.status}: {message}"
    rate = record.value("samples_per_s") or 0.0
    percent = record.value("percent_of_measured_peak")
    if percent is None:
        return f"{rate:.4g} samples/s"
    beyond = ", which does not hold for this work" if record.metrics["percent_of_measured_peak"].get("beyond") else ""
    return f"{rate:.4g} samples/s, {percent:.3g} % of the measured ceiling{beyond}"


def duration(seconds: float) -> str:
    """Seconds as people say them: 8 s, 2 min 05 s, 3 h 20 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def roughly(seconds: float) -> str:
    """An estimate as people say it, without digits that mean nothing: 15 s, 3 min 20 s, 25 min, 6 h, 3 days."""
    steps = ((60, 5), (600, 10), (3600, 60), (4 * 3600, 600), (72 * 3600, 3600))
    for below, step in steps:
        whole = max(step, step * round(seconds / step))
        if whole < below or (whole, step) == (below, 3600):
            return duration(whole).replace(" 00 s", "").replace(" 00 min", "") if whole >= 60 else f"{whole} s"
    return f"{round(seconds / 86400)} days"
