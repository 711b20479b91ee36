"""Growing: which size comes next, given what the sizes before came to. Pure: records in, a decision out.

A lane is one way of running (ranks, precision, ...) whose size grows step by step along one dial or several at once:
size_k = start x factor^k, rounded to what the application allows. It grows until

    memory ends       a size did not run. The frontier between the largest that ran and the smallest that did not is
                      narrowed by bisection (in the geometric mean), and the largest is run once more in a fresh group
    the gain flattens two steps running gained less than `flat_percent` in FLOP/s a device
    the time is spent the points of the lane took `budget_s`
    the steps are     `steps` sizes were run, or the application allows no larger one

The decision depends on the records alone, so that a sweep that was stopped goes on where it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from saih.app import App, Number, Point
from saih.config.schema import Config, Grow
from saih.errors import AppFault, InputError
from saih.records.record import Record
from saih.sweep.memory_fit import Room

MOST_BATCH = 4096
REACH = 1024
"""How many multiples of a dial's step away a legal value is looked for."""

LARGEST = 2**53
"""Whole numbers up to here are exact as floats; no dial means anything beyond."""

Size = Mapping[str, Number]


@dataclass(frozen=True)
class Lane:
    """A growth series: its first point and, if the batch is free, the memory it must fit into."""

    start: Point
    device_bytes: int | None = None
    taken_bytes: Callable[[Point], int] | None = None


@dataclass(frozen=True)
class Decision:
    """The point to measure next; or none, why the lane ended, and the first size that it did not come to.

    `stands`: how far the lane is, in words, while it has not ended.
    """

    point: Point | None
    why: str = ""
    beyond: Point | None = None
    stands: str = ""


@dataclass(frozen=True)
class _Outcome:
    """Outcome of a size: the decisive record, or the point to measure first."""

    record: Record | None
    pending: Point | None = None

    @property
    def ran(self) -> bool:
        return self.record is not None and self.record.status in ("ok", "invalid")


def decide(app: App, grow: Grow, lane: Lane, records: Mapping[str, Record]) -> Decision:
    """Return the next step of a growth series. `records`: the decided ones by id, none to be measured again."""
    return _Growth(app, grow, lane, records).decide()


def lane(app: App, config: Config, start: Point, system: Mapping[str, Any]) -> Lane:
    """The lane from `start` on the machine of `system` (system.json), which counts where the batch is free."""
    if config.sweep.grow is None or config.sweep.grow.batch == "fixed":
        return Lane(start)
    room = Room(app, system["machine"], system["cores_per_rank"], config.limits.memory_gib)
    return Lane(start, room.most_bytes(start.run.ranks), room.taken_bytes)


def sizes(app: App, grow: Grow, start: Point) -> Iterable[Point]:
    """The points that a lane comes to if nothing stops it, from the first to the last step."""
    point: Point | None = start
    for step in range(1, grow.steps + 1):
        if point is None:
            return
        yield point
        point = _stepped(app, grow, start, point, step)


class _Growth:
    def __init__(self, app: App, grow: Grow, lane: Lane, records: Mapping[str, Record]) -> None:
        self._app, self._grow, self._lane, self._records = app, grow, lane, records
        self._spent_s = 0.0

    def decide(self) -> Decision:
        ran: list[Point] = []
        rates: list[float | None] = []
        for point in sizes(self._app, self._grow, self._lane.start):
            outcome = self._outcome(point)
            if outcome.pending:
                return self._measure(outcome.pending, f"{in_words(ran[-1])} ran" if ran else "at its first size")
            assert outcome.record is not None
            if not outcome.ran:
                return self._frontier(ran[-1] if ran else None, point, outcome.record)
            ran.append(point)
            rates.append(outcome.record.value("flop_per_s_per_device"))
            if self._is_flat(rates):
                why = f"the last two steps gained less than {self._grow.flat_percent:g} % each in FLOP/s a device"
                return Decision(None, why, self._after(point, len(ran)))
        beyond = self._after(ran[-1], len(ran))
        why = f"sweep.grow.steps = {self._grow.steps} sizes were run" if beyond else "no larger size is legal"
        return Decision(None, why, beyond)

    def _frontier(self, low: Point | None, high: Point, ended: Record) -> Decision:
        """Narrow the frontier between a size that ran and one that did not, then run the largest once more."""
        if low is None:
            return Decision(None, f"the first size already {_came_to(ended)}")
        for _ in range(self._grow.bisections):
            middle = _between(self._app, low, high)
            if middle is None:
                break
            outcome = self._outcome(middle)
            if outcome.pending:
                between = f"between {in_words(low)}, which ran, and {in_words(high)}, which {_came_to(ended)}"
                return self._measure(outcome.pending, between)
            assert outcome.record is not None
            if outcome.ran:
                low = middle
            else:
                high, ended = middle, outcome.record
        confirmed = self._outcome(replace(low, repeat=low.repeat + 1))
        if confirmed.pending:
            largest = f"{in_words(low)} is the largest that ran, as {in_words(high)} {_came_to(ended)}"
            return self._measure(confirmed.pending, f"{largest}; it is run a second time")
        again = "" if confirmed.ran else "; but that did not run a second time"
        return Decision(None, f"{in_words(low)} is the largest that ran{again}: {in_words(high)} {_came_to(ended)}")

    def _outcome(self, point: Point) -> _Outcome:
        """Return the outcome of a size; with a free batch, that of the largest power of two that ran."""
        record = None
        for candidate in self._batches(point):
            record = self._records.get(candidate.id)
            if record is None:
                return _Outcome(None, candidate)
            self._spent_s += float(record.provenance.get("wall_s", 0.0))
            if _Outcome(record).ran:
                break
        return _Outcome(record)

    def _batches(self, point: Point) -> Iterable[Point]:
        if self._lane.device_bytes is None:
            yield point
            return
        batch = 1
        while batch < MOST_BATCH and self._memory_bytes(point, batch) <= self._lane.device_bytes:
            batch *= 2
        while batch:
            yield _with_batch(point, batch)
            batch //= 2

    def _memory_bytes(self, point: Point, batch: int) -> int:
        larger, taken = _with_batch(point, batch), self._lane.taken_bytes
        return taken(larger) if taken else self._app.cost(larger).memory_bytes

    def _measure(self, point: Point, stands: str) -> Decision:
        budget_s = self._grow.budget_s
        if budget_s is not None and self._spent_s >= budget_s:
            return Decision(None, f"the time budget of {budget_s:g} s is spent", point)
        return Decision(point, stands=stands)

    def _is_flat(self, rates: list[float | None]) -> bool:
        flat = self._grow.flat_percent
        if flat is None or len(rates) < 3:
            return False
        a, b, c = rates[-3:]
        if a is None or b is None or c is None:
            return False
        return b < a * (1 + flat / 100) and c < b * (1 + flat / 100)

    def _after(self, point: Point, step: int) -> Point | None:
        return _stepped(self._app, self._grow, self._lane.start, point, step)


def _stepped(app: App, grow: Grow, start: Point, before: Point, step: int) -> Point | None:
    """The size of this step: start x factor^step, each dial at a legal value above the one before; None if none is."""
    size = dict(before.size)
    for name, factor in grow.along.items():
        if math.log2(max(1, start.size[name])) + step * math.log2(factor) > math.log2(LARGEST):
            return None
        value = _nearest(app, before, name, start.size[name] * factor**step, before.size[name], math.inf)
        if value is None:
            return None
        size[name] = value
    return _legal(app, replace(before, size=size))


def _between(app: App, low: Point, high: Point) -> Point | None:
    """A legal size between two, near their geometric mean; None where there is none."""
    size = dict(low.size)
    for name, value in low.size.items():
        if high.size[name] != value:
            mean = math.sqrt(value * high.size[name])
            found = _nearest(app, low, name, mean, value, high.size[name])
            size[name] = value if found is None else found
    return None if size == dict(low.size) else _legal(app, replace(low, size=size))


def _nearest(app: App, point: Point, name: str, target: float, low: float, high: float) -> Number | None:
    """The legal value of a dial nearest to `target`, strictly between `low` and `high`; None if none is near."""
    dial = app.dials[name]
    step = dial.step or 1
    first = round(target / step)
    for offset in range(REACH):
        for multiple in (first + offset, first - offset):
            value = dial.kind(multiple * step) if dial.step or dial.kind is int else target
            if low < value < high and _legal(app, replace(point, size={**point.size, name: value})):
                return value
    return None


def _legal(app: App, point: Point) -> Point | None:
    try:
        app.validate(point)
    except AppFault:
        raise
    except InputError:
        return None
    return point


def _with_batch(point: Point, batch: int) -> Point:
    return replace(point, run=replace(point.run, batch=batch))


def _came_to(record: Record) -> str:
    message = record.error["message"] if record.error else ""
    return f"ended as {record.status}{f' ({message})' if message else ''}"


def in_words(point: Point) -> str:
    """A size for people: "n=8 power=1"."""
    return " ".join(f"{name}={value:g}" for name, value in point.size.items())
