"""The second half of an application, its values checked when they are given: on each rank, after a block's time.

What is wrong ends no group: the block's times stay, what cannot be believed is left out, and the first fault is what
the work then answers when it is asked whether it can be believed, unless it says itself that it cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from saih.app import Ran, Work
from saih.common import given
from saih.common.shapes import Wrong
from saih.errors import AppFault

PARTS = ("run", "without", "check", "close")
MOST_KEYS = 64
"""Of phases, and of values."""
ROUNDING_S = 1e-9
"""A difference of clock readings may come out this far below zero."""
MOST_SAID = 500
"""Characters of what a check says."""


@dataclass
class _Heard:
    """Answers of a point's work so far, its variants included."""

    app: str
    batch: int
    declared: Collection[str]
    steps: int = 0
    fault: str | None = None
    phases: tuple[str, ...] | None = None
    undeclared: set[str] = field(default_factory=set)

    def blame(self, what: object) -> None:
        """The first fault counts."""
        if self.fault is None:
            self.fault = f"app = {self.app}: by step {self.steps} {what}"


class CheckedWork:
    """Work (`saih.app.Work`) whose answers are checked. Calls that only some have are there if the work has them."""

    def __init__(self, work: Work, app: str, batch: int, declared: Collection[str]) -> None:
        """`declared`: names of the application's metrics. Raises AppFault for what is no work."""
        self._work, self._heard, self._is_full = work, _Heard(app, batch, declared), True
        _require_work(work, app, "build")

    @property
    def phases(self) -> tuple[str, ...]:
        """The names of the phases that this rank times."""
        return self._heard.phases or ()

    @property
    def remarks(self) -> list[str]:
        """Remarks on values that no metric declares."""
        names = sorted(self._heard.undeclared)
        return [f"the application gave values that its metrics do not declare: {', '.join(names)}"] if names else []

    def run(self, n: int) -> Ran:
        """`n` steps; what they give is looked at once the device has finished."""
        return Ran(0, finish=partial(self._finished, n, self._work.run(n)))

    def without(self, part: str) -> CheckedWork | None:
        """The same work lacking `part`, likewise checked."""
        lacking = self._work.without(part)
        if lacking is None:
            return None
        heard = self._heard
        _require_work(lacking, heard.app, f'without("{part}")')
        found = CheckedWork(lacking, heard.app, heard.batch, heard.declared)
        found._heard, found._is_full = heard, False
        return found

    def check(self) -> str | None:
        """Return why the result cannot be believed: the work's own reason, else the first wrong value."""
        said: object = self._work.check()
        if said is not None and not isinstance(said, str):
            self._heard.blame(f"check returned {given.short(said)}: must be None, or why not")
            said = None
        if said is not None:
            return " ".join(said.split())[:MOST_SAID] or "no reason given"
        return self._heard.fault

    def close(self) -> None:
        """Let go of files, threads and memory."""
        self._work.close()

    def __getattr__(self, part: str) -> Any:
        return getattr(self._work, part)

    def _finished(self, n: int, ran: Any) -> Ran:
        """Return the answer as plain numbers."""
        heard = self._heard
        heard.steps += n * self._is_full
        ran = ran.finished() if isinstance(ran, Ran) else ran
        if not isinstance(ran, Ran):
            heard.blame(f"run({n}) returned {given.short(ran)}: must be a saih.app.Ran")
            return Ran(0)
        phases = self._each(ran.phases, "phases", _phase)
        values = self._each(ran.values, "values", _value)
        if self._is_full:
            self._same_phases(tuple(sorted(phases)))
            heard.undeclared |= set(values) - set(heard.declared)
        return Ran(
            self._one(_samples(n * heard.batch), ran.samples, "samples", 0),
            phases,
            self._one(given.counted, ran.read_bytes, "read_bytes", 0),
            values,
            None if ran.storage_bytes is None else self._one(given.counted, ran.storage_bytes, "storage_bytes", None),
        )

    def _same_phases(self, phases: tuple[str, ...]) -> None:
        before = self._heard.phases
        self._heard.phases = phases if before is None else before
        if before is not None and before != phases:
            told, now = (", ".join(names) or "none" for names in (before, phases))
            self._heard.blame(f"it timed the phases {now}, but before {told}: must be the same in every run")

    def _one(self, check: Callable[[Any, str], Any], value: Any, where: str, otherwise: Any) -> Any:
        try:
            return check(value, where)
        except Wrong as wrong:
            self._heard.blame(f"it gave {wrong}")
            return otherwise

    def _each(self, held: Any, where: str, check: Callable[[Any, Any, str], tuple[str, float]]) -> dict[str, float]:
        """The entries that are as they must be."""
        if not isinstance(held, Mapping) or len(held) > MOST_KEYS:
            kind = "a dictionary" if not isinstance(held, Mapping) else f"of {MOST_KEYS} keys at most"
            self._heard.blame(f"it gave {where} = {given.short(held)}: must be {kind}")
            return {}
        found = {}
        for key, value in held.items():
            try:
                name, taken = check(key, value, f"{where}[{given.short(key)}]")
            except Wrong as wrong:
                self._heard.blame(f"it gave {wrong}")
            else:
                found[name] = taken
        return found


def doubt_of(told: Sequence[tuple[str | None, tuple[str, ...]]]) -> str | None:
    """Return why a point must not be believed, from the check and the phases of each rank, or None."""
    for doubt, _ in told:
        if doubt:
            return doubt
    for rank, (_, phases) in enumerate(told):
        if phases != told[0][1]:
            first, own = (", ".join(names) or "none" for names in (told[0][1], phases))
            return f"rank 0 timed the phases {first}, rank {rank} {own}: must be the same on every rank"
    return None


def _require_work(work: Any, app: str, call: str) -> None:
    for part in PARTS:
        if not callable(getattr(work, part, None)):
            what = given.short(work)
            raise AppFault(f"app = {app}: {call} returned {what}, which has no {part}; see docs/adding-an-app.md")


def _samples(expected: int) -> Callable[[Any, str], int]:
    """The count of samples that so many steps serve: rates rest on it."""

    def check(value: Any, where: str) -> int:
        if given.counted(value, where) != expected:
            raise Wrong(f"{where} = {given.short(value)}: must be {expected}, the steps times run.batch")
        return expected

    return check


def _phase(key: Any, value: Any, where: str) -> tuple[str, float]:
    if not given.name(key, f"{where}: the key").endswith("_s"):
        raise Wrong(f"{where}: its key must end in _s, as it is in seconds")
    if isinstance(value, float) and -ROUNDING_S < value < 0:
        value = 0.0
    return key, given.amount(value, where)


def _value(key: Any, value: Any, where: str) -> tuple[str, float]:
    return given.name(key, f"{where}: the key"), given.figure(value, where)
