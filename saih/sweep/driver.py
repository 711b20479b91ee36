"""The sweep: which point next, until all have a record; resume is the same walk again.

The driver is no MPI rank and imports no torch. It has the machine, the data and the ceilings seen to (setup.py) and
one attempt (attempt.py) made at each point, by worker groups that it starts and ends (saih/groups/). What is known
stands in state.py, in memory and on disk. A matrix is walked in shuffled order, the points of one rank count together,
so that one group serves them; a growing sweep asks growth.py after every point which one comes next.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from saih import emulate, launch
from saih.app import App, Point
from saih.config.points import Points
from saih.config.schema import Config, Grow
from saih.errors import InputError
from saih.groups.pool import Groups
from saih.records.record import Record
from saih.records.run_folder import Folder
from saih.sweep import growth, times_so_far
from saih.sweep.attempt import Attempts
from saih.sweep.memory_fit import Room
from saih.sweep.record_of_point import skipped
from saih.sweep.setup import Preparation
from saih.sweep.state import State
from saih.sweep.time_estimate import total


class Listener(Protocol):
    """Observer of a sweep."""

    def stage(self, what: str) -> None:
        """A stage of the set-up starts."""

    def begin(self, point: Point, number: int, total: int | None, left_s: float | None) -> None:
        """Point `number` of `total` starts; about `left_s` seconds remain, this one included. None: unknown."""

    def progress(self, what: str, done: float, total: float) -> None:
        """Progress of the current piece of work."""

    def note(self, text: str) -> None:
        """Something keeps the work from going on."""

    def end(self, record: Record, seconds: float, left_s: float | None) -> None:
        """A point has its record; about `left_s` seconds remain. None: unknown."""


@dataclass
class Sweep:
    """One configuration, measured into one folder."""

    config: Config
    app: App
    points: Points
    folder: Folder
    listener: Listener
    retry: frozenset[str] = frozenset()

    def run(self) -> list[Record]:
        """Measure the remaining points; return the record of every point asked for or grown to, in their order.

        Raises InputError before anything is written if the folder, the machine or the data does not suit, and
        Interrupted after the record of the point in flight was written.
        """
        self.folder.check_method(self.config)
        growing = self.config.sweep.kind == "grow"
        with self.folder.lock():
            self.folder.check_method(self.config)  # another sweep may have begun and ended here since
            for file in self.folder.set_aside():
                self.listener.stage(f"{file.path} cannot be used and is left out: {file.why}")
            self._state = State(self.folder)
            for point in self.points.excluded:
                self._state.keep(skipped(self.app, point, "excluded by sweep.exclude"))
            pending = self._unfinished() if growing else self._pending()
            if pending:
                launcher = launch.find(self.config.launch)
                disturbed = self.config.emulate.settings()
                emulate.require(disturbed)
                groups = Groups(self.config.launch, launcher, self.folder.logs, self.listener.progress)
                groups.emulated, groups.say = disturbed.wrapper(), self.listener.note
                with groups as self._groups:
                    self._preparation = self._preparing(groups)
                    fitting = self._preparation.run(pending)
                    copies = {point.run.ranks: self._preparation.copies(point.run.ranks) for point in fitting}
                    self._attempts = Attempts(self.config, self.app, self._state, groups, self._room(), copies)
                    if growing:
                        self._grow_all(fitting)
                    else:
                        self._measure_all(fitting)
            else:
                self.folder.write_config(self.config)
        kept = self._state.records
        asked = list(kept) if growing else [point.id for point in (*self.points.wanted, *self.points.excluded)]
        return [kept[id_] for id_ in asked]

    def _preparing(self, groups: Groups) -> Preparation:
        return Preparation(self.config, self.app, self._state, groups, self.points.wanted, self.listener.stage)

    def _pending(self) -> list[Point]:
        decided = self._state.decided(self.retry)
        return [point for point in self.points.wanted if point.id not in decided]

    # the points

    def _measure_all(self, points: list[Point]) -> None:
        order = list(_in_turn(points, random.Random(self.config.name)))
        loads = [times_so_far.load_of(self.app, point) for point in order]
        known = list(self._state.records.values())
        (estimate,) = times_so_far.estimates(self.config, self.app, self._state.system, known).values()
        group: tuple[int, int] = (-1, 0)  # none that serves points yet
        left_s = total(estimate.in_turn(loads, group)).middle
        for number, point in enumerate(order, 1):
            self.listener.begin(point, number, len(order), left_s)
            started = time.monotonic()
            record = self._attempts.measure(point)
            took_s = time.monotonic() - started
            first, group = group != (point.repeat, point.run.ranks), (point.repeat, point.run.ranks)
            if taken := times_so_far.taken_of(self.app, record, first):
                estimate = estimate.learning([taken])
            left_s = total(estimate.in_turn(loads[number:], group)).middle
            self.listener.end(record, took_s, left_s)

    # growing

    def _unfinished(self) -> list[Point]:
        """The first points of growth series that have not ended, by the records alone."""
        if not self._state.system:
            return list(self.points.wanted)
        decided = self._state.decided(self.retry)
        ends = [
            (start, growth.decide(self.app, self._growth, self._lane(start), decided)) for start in self.points.wanted
        ]
        return [start for start, decision in ends if decision.point]

    def _grow_all(self, starts: Sequence[Point]) -> None:
        prepared = [start.size for start in starts]
        for start in starts:
            why = self._grow(self._lane(start), prepared)
            self.listener.stage(f"{start.label}: growth ended: {why}")
            ended = {"along": dict(self._growth.along), "why": why}
            self._state.update_system(growth={**self._state.system["growth"], start.id: ended})

    def _grow(self, lane: growth.Lane, prepared: list[Mapping[str, Any]]) -> str:
        """Measure a lane's points, one by one, until it ends; why it did."""
        tried: dict[str, Record] = {}
        while (decision := growth.decide(self.app, self._growth, lane, self._state.decided(self.retry) | tried)).point:
            point = decision.point
            if point.data and point.size not in prepared:  # without data there is nothing to prepare
                prepared.append(point.size)
                try:
                    self._preparation.more_data(point)
                except InputError as error:
                    self._state.keep(skipped(self.app, point, str(error)))
                    return str(error)
            self.listener.begin(point, len(tried) + 1, None, None)
            started = time.monotonic()
            tried[point.id] = self._attempts.measure(point)
            self.listener.end(tried[point.id], time.monotonic() - started, None)
        if decision.beyond:
            self._state.keep(skipped(self.app, decision.beyond, f"growth ended before it: {decision.why}"))
        return decision.why

    def _lane(self, start: Point) -> growth.Lane:
        return growth.lane(self.app, self.config, start, self._state.system)

    def _room(self) -> Room:
        system = self._state.system
        return Room(self.app, system["machine"], system["cores_per_rank"], self.config.limits.memory_gib)

    @property
    def _growth(self) -> Grow:
        assert self.config.sweep.grow is not None
        return self.config.sweep.grow


def _in_turn(points: Sequence[Point], chance: random.Random) -> Iterator[Point]:
    """The points in an order in which a machine that drifts does not look like a trend.

    Repeat after repeat; within one the rank counts in random order, each with its points in random order.
    """
    for repeat in sorted({point.repeat for point in points}):
        counts = sorted({point.run.ranks for point in points})
        for ranks in chance.sample(counts, len(counts)):
            block = [point for point in points if (point.repeat, point.run.ranks) == (repeat, ranks)]
            yield from chance.sample(block, len(block))
