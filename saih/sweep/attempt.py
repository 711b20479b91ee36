"""One attempt at a point: a worker group measures it, and a record says what became of it, whatever that is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import saih
from saih import emulate, metrics, records
from saih.app import App, Point
from saih.config.schema import Config
from saih.diagnosis import out_of_memory
from saih.errors import GroupError, InputError, Interrupted
from saih.groups.log_file import last_words
from saih.groups.pool import Groups
from saih.groups.worker_group import Patience
from saih.interference import background_load
from saih.judge import Measured, judge
from saih.measure.blocks import METHOD_VERSION
from saih.metrics.soundness import not_finite, storable
from saih.peaks.highest import highest
from saih.profile.costs import with_costs
from saih.records import provenance
from saih.records.record import Record
from saih.records.run_folder import SECTIONS, Folder
from saih.sweep.memory_fit import Room


@dataclass
class Attempts:
    """Measures points of a sweep, one attempt after the other."""

    config: Config
    app: App
    folder: Folder
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
        self._keep(record)
        return record

    def _measure(self, point: Point) -> Record:
        measure, limits, system = self.config.measure, self.config.limits, self.folder.system()
        request = {
            "do": "measure",
            "point": point.to_dict(),
            "target_percent": measure.target_percent,
            "max_s": measure.max_s,
            "soak_s": measure.soak_s,
            "memory_gib": limits.memory_gib,
            "environment": system.get("environment"),
            "paths": background_load.paths_named(system["data"]),
            "no_profile": None if measure.profile else "measure.profile = false",
        }
        started = provenance.now(), time.monotonic()
        blank = Record(point.id, "failed", point.to_dict(), system=_own_system(system) | self._emulated(point))
        copies = self.copies[point.run.ranks]
        ranks = copies * point.run.ranks
        served_before = self.groups.served(ranks, point.repeat, copies)
        patience = Patience(limits.point_timeout_s, limits.silence_s)
        remarks: list[str] = []
        try:
            answer = self._ask(request, ranks, point, patience, copies)
            remarks = answer["remarks"]
            record = self._judge(point, answer, system, blank)
        except GroupError as error:
            record = self._fallen(blank, error, point)
        except Interrupted as error:
            stopped = {"kind": "preempted", "message": str(error), "log_end": None}
            self._keep(replace(blank, status="preempted", error=stopped))
            raise
        told = self._provenance(started, system) | {"served_before": served_before, "remarks": remarks}
        return replace(record, provenance=told)

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

    def _judge(self, point: Point, answer: Mapping[str, Any], system: Mapping[str, Any], blank: Record) -> Record:
        """The record of a point that answered: ok, or invalid where its figures cannot be believed."""
        samples, places = answer["samples"], answer["ranks"]
        if samples.get("profile"):
            samples = samples | {"profile": with_costs(samples["profile"], self.app, point)}
        reached = highest(system, len(places), point.run.precision)
        everywhere = bool(self.config.sweep.everywhere)
        try:
            cost = self.app.cost(point)
        except InputError as why:
            told = {"kind": "failed", "message": str(why), "log_end": None}
            return replace(blank, status="failed", samples=storable(samples), error=told)
        environment = system.get("environment") or {}
        judged = judge(Measured(samples, point.run, cost, places, system["machine"], reached, everywhere, environment))
        found = dict(judged.metrics)
        if found:
            found["peak_mem_bytes"] = metrics.peak_memory(answer["peak_mem_bytes"], system["machine"]["device_kind"])
            found |= metrics.declared(self.app.metrics, samples["values"])
        disturbed = emulate.together(rank["emulated"] for rank in places)  # by launch.wrapper, too
        about = {"ranks": places, "ceilings": reached, "emulated": disturbed}
        record = replace(blank, samples=storable(samples), system={**blank.system, **about})
        doubt = answer["doubt"] or judged.doubt or not_finite(found)
        if doubt:
            error = {"kind": "invalid", "message": doubt, "log_end": None}
            return replace(record, status="invalid", metrics=metrics.withheld(found, doubt), error=error)
        return replace(record, status="ok", metrics=found, diagnosis=judged.diagnosis)

    def _fallen(self, blank: Record, error: GroupError, point: Point, most: int = 2000) -> Record:
        """The record of a point whose group gave no answer: oom, timeout or failed, why, and the log's end."""
        status = error.fault["kind"] if error.fault["kind"] in records.STATUSES else "failed"
        log_end = last_words(error.log, most)
        found = replace(blank, status=status, error={**error.fault, "log_end": log_end})
        if status != "oom":
            return found
        ranks = point.run.ranks
        needed, there, by = self.room.needed_bytes(point), self.room.most_bytes(ranks), self.room.limited_by(ranks)
        told = out_of_memory(str(error), needed, there, point.to_dict()["run"], by)
        return replace(found, diagnosis=told | {"suspect": []})

    def _emulated(self, point: Point) -> dict[str, Any]:
        """The disturbances that were asked for, which a group that gives no answer cannot tell."""
        asked, ranks = self.config.emulate.settings(), self.copies[point.run.ranks] * point.run.ranks
        return {"emulated": emulate.together(asked.at(rank, ranks) for rank in range(ranks))}

    def _provenance(self, started: tuple[str, float], system: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **_versions(self.app),
            "measure": self.config.measure.model_dump(),
            "started": started[0],
            "wall_s": time.monotonic() - started[1],
            "git": system["git"],
            "slurm": system["slurm"],
            "data": system["data"],
        }

    def _keep(self, record: Record) -> None:
        records.write(self.folder.points, record)


def skip(app: App, folder: Folder, point: Point, why: str) -> None:
    """Keep a record of a point that is not measured."""
    error = {"kind": "skipped", "message": why, "log_end": None}
    record = Record(point.id, "skipped", point.to_dict(), provenance=_versions(app), error=error)
    records.write(folder.points, record)


def _versions(app: App) -> dict[str, Any]:
    return {"saih": saih.__version__, "app_version": app.version, "method_version": METHOD_VERSION}


def _own_system(system: Mapping[str, Any]) -> dict[str, Any]:
    return {section: system[section] for section in SECTIONS if section in system}


def _was_profiling(error: GroupError) -> bool:
    return error.fault.get("during") == "profiling" or "while profiling" in error.fault["message"]
