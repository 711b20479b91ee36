"""One attempt at a point: a worker group measures it, and a record says what became of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from saih import emulate
from saih.app import App, Point
from saih.config.schema import Config
from saih.errors import GroupError, Interrupted
from saih.groups import failures
from saih.groups.pool import Groups
from saih.groups.worker_group import Patience
from saih.interference import background_load
from saih.records import provenance
from saih.records.record import Record
from saih.sweep import record_of_point
from saih.sweep.memory_fit import Room
from saih.sweep.record_of_point import RunContext
from saih.sweep.state import State


@dataclass
class Attempts:
    """Measures points of a sweep, one attempt after the other."""

    config: Config
    app: App
    state: State
    groups: Groups
    room: Room
    copies: Mapping[int, int]
    """Ranks of a point -> how many copies of it are measured at once, each with so many ranks."""

    def measure(self, point: Point) -> Record:
        """Measure a point and keep its record. Raises Interrupted once a record of that is kept.

        Where memory ends in a group that has served other points, although tensors alone fit, they may have left too
        little: a fresh one decides.
        """
        record = self._measure(point)
        if record.status == "oom" and record.provenance["served_before"] and self.room.holds(point):
            record = self._measure(point)
        self.state.keep(record)
        return record

    def _measure(self, point: Point) -> Record:
        system, limits = self.state.system, self.config.limits
        run = RunContext(self.app, system, bool(self.config.sweep.everywhere))
        started = provenance.now(), time.monotonic()
        blank = record_of_point.blank(run, point, self._emulated(point))
        copies = self.copies[point.run.ranks]
        ranks = copies * point.run.ranks
        served_before = self.groups.served(ranks, point.repeat, copies)
        patience = Patience(limits.point_timeout_s, limits.silence_s)
        remarks: list[str] = []
        try:
            answer = self._ask(self._request(point), ranks, point, patience, copies)
            remarks = answer["remarks"]
            record = record_of_point.of_answer(run, point, answer, blank)
        except GroupError as error:
            record = record_of_point.of_group_error(error, point, self.room, blank)
        except Interrupted as error:
            self.state.keep(record_of_point.of_failure(blank, "preempted", str(error)))
            raise
        about = self._provenance(started) | {"served_before": served_before, "remarks": remarks}
        return replace(record, provenance=about)

    def _request(self, point: Point) -> dict[str, Any]:
        measure = self.config.measure
        return {
            "do": "measure",
            "point": point.to_dict(),
            "target_percent": measure.target_percent,
            "max_s": measure.max_s,
            "soak_s": measure.soak_s,
            "memory_gib": self.config.limits.memory_gib,
            "environment": self.state.system.get("environment"),
            "settings": self.state.system.get("settings"),
            "paths": background_load.paths_named(self.state.system["data"]),
            "no_profile": None if measure.profile else "measure.profile = false",
        }

    def _ask(
        self, request: Mapping[str, Any], ranks: int, point: Point, patience: Patience, copies: int
    ) -> dict[str, Any]:
        """A group's answer. One that was lost in the profiled pass is asked for again without it."""
        try:
            return self.groups.ask(request, ranks, point.id, patience, point.repeat, copies)
        except GroupError as error:
            if not _was_profiling(error):
                raise
            without = {**request, "no_profile": f"the profiled pass ended the worker group: {error}"}
            return self.groups.ask(without, ranks, point.id, patience, point.repeat, copies)

    def _emulated(self, point: Point) -> dict[str, Any] | None:
        """The configured disturbances, for records of groups without an answer."""
        asked, ranks = self.config.emulate.settings(), self.copies[point.run.ranks] * point.run.ranks
        return emulate.together(asked.at(rank, ranks) for rank in range(ranks))

    def _provenance(self, started: tuple[str, float]) -> dict[str, Any]:
        return {
            **record_of_point.versions(self.app),
            "measure": self.config.measure.model_dump(),
            "started": started[0],
            "wall_s": time.monotonic() - started[1],
            **{key: self.state.system[key] for key in ("git", "slurm", "data")},
        }


def _was_profiling(error: GroupError) -> bool:
    failure = error.failure
    return failure.during == failures.PROFILING or f"while {failures.PROFILING}" in failure.message
