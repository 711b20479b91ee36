"""The sweep: which point next, a worker group for it, a record of what became of it; resume is the same walk again.

The driver is no MPI rank and imports no torch. It asks a group of one rank what machine this is and has it prepare the
data, groups of every rank count for the ceilings, and one group a point for the measurement. Whatever ends a point,
its record is on disk before the next one starts.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import saih
from saih import launch, metrics, provenance, records
from saih import peaks as ceilings
from saih.app import App, Point
from saih.config import Config
from saih.diagnose import diagnose
from saih.errors import GroupDied, GroupError, GroupTimeout, InputError, Interrupted
from saih.folder import Folder
from saih.group import Group
from saih.measure import METHOD_VERSION
from saih.points import Points
from saih.records import Record

SETUP_TIMEOUT_S = 24 * 3600.0
"""Making a data set may take long, and shows its progress; only a sign of life could tell a hang from work."""
CEILING_TIMEOUT_S = 600.0
START_S = 8.0
"""What starting a group and warming up add to a point, in order of magnitude, until points have told."""


class Listener(Protocol):
    """Who watches the sweep."""

    def stage(self, what: str) -> None:
        """A stage of the set-up starts."""

    def begin(self, point: Point, number: int, total: int, left_s: float) -> None:
        """Point ``number`` of ``total`` starts; about ``left_s`` seconds remain, this one included."""

    def progress(self, what: str, done: float, total: float) -> None:
        """How far the piece of work is."""

    def end(self, record: Record, seconds: float, left_s: float) -> None:
        """A point has its record; about ``left_s`` seconds remain."""


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
        """Measure what is not measured yet; returns the record of every point asked for, in the points' order.

        Raises InputError before anything is written if the folder, the machine or the data does not suit, and
        Interrupted after the record of the point in flight was written.
        """
        self.folder.check_method(self.config)
        self._cores_per_rank = 0  # all that there are, until the machine is known
        with self.folder.lock():
            for point in self.points.excluded:
                self._keep(self._skipped(point, "excluded by sweep.exclude"))
            pending = self._pending()
            if pending:
                self._launcher = launch.find(self.config.launch)
                self._measure_all(self._set_up(pending))
            else:
                self.folder.write_config(self.config)
        kept = self.folder.records()
        return [kept[point.id] for point in (*self.points.wanted, *self.points.excluded)]

    def _pending(self) -> list[Point]:
        kept = self.folder.records()
        again = {*records.UNDECIDED, *self.retry}
        return [p for p in self.points.wanted if p.id not in kept or kept[p.id].status in again]

    # set-up: the machine, the data, the ceilings

    def _set_up(self, pending: list[Point]) -> list[Point]:
        """Learn the machine, prepare the data, measure the ceilings; returns the points that fit the machine."""
        self.listener.stage("looking at the machine")
        with self._group(1, "setup") as group:
            described = self._ask(group, {"do": "describe"}, CEILING_TIMEOUT_S)
            self._cores_per_rank = self._share(described["machine"])
            self.folder.check_machine(described, self.app.version, self._cores_per_rank)
            fitting = self._fitting(pending, described["machine"])
            if fitting:
                self.listener.stage("preparing the data")
            request = {"do": "prepare", "app": self.config.app, "points": [p.to_dict() for p in fitting]}
            data = self._ask(group, request, SETUP_TIMEOUT_S)["data"] if fitting else {}
        self.folder.write_config(self.config)
        self._write_system(described, data)
        self._measure_ceilings(fitting)
        return fitting

    def _share(self, machine: Mapping[str, Any]) -> int:
        """Cores of a rank: the same at every point, so that a device is the same at every point."""
        ranks = [p.run.ranks for p in self.points.wanted if p.run.ranks <= machine["devices"]]
        return self.config.launch.cores_per_rank or max(1, machine["cores"] // max(ranks, default=1))

    def _fitting(self, points: Sequence[Point], machine: Mapping[str, Any]) -> list[Point]:
        slots = machine["devices"]
        has = f"{slots} CUDA device{'' if slots == 1 else 's'}, one a rank"
        if machine["device_kind"] == "cpu":
            slots = machine["cores"] // self._cores_per_rank
            has = f"{machine['cores']} cores, {self._cores_per_rank} a rank"
        beyond = [point for point in points if point.run.ranks > slots]
        if beyond and self.config.sweep.beyond_slots == "refuse":
            most = max(point.run.ranks for point in beyond)
            advice = "sweep.beyond_slots: skip leaves such points out"
            raise InputError(f"run.ranks = {most}: this machine has {has}; {advice}")
        for point in beyond:
            self._keep(self._skipped(point, f"{point.run.ranks} ranks, but this machine has {has}"))
        return [point for point in points if point.run.ranks <= slots]

    def _write_system(self, described: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        known = self.folder.system()
        self.folder.write_system(
            {
                "schema": records.SCHEMA,
                "method_version": METHOD_VERSION,
                "app_version": self.app.version,
                "cores_per_rank": self._cores_per_rank,
                **described,
                "created": known.get("created", provenance.now()),
                "git": provenance.git(),
                "data": {**known.get("data", {}), **data},
                "peaks": known.get("peaks", []),
            }
        )

    def _measure_ceilings(self, points: Sequence[Point]) -> None:
        """One ceiling for each rank count and precision, since ranks share a host's memory and power."""
        for ranks in sorted({point.run.ranks for point in points}):
            system = self.folder.system()
            known = {peak["precision"] for peak in system["peaks"] if peak["ranks"] == ranks}
            wanted = sorted({point.run.precision for point in points if point.run.ranks == ranks} - known)
            if not wanted:
                continue
            self.listener.stage(f"measuring what {ranks} {'rank' if ranks == 1 else 'ranks'} can reach")
            with self._group(ranks, f"peaks-ranks{ranks}") as group:
                for precision in wanted:
                    request = {"do": "peaks", "precision": precision, "seconds_each": self._ceiling_s()}
                    system["peaks"].append(self._ask(group, request, CEILING_TIMEOUT_S))
            self.folder.write_system(system)

    def _ceiling_s(self) -> float:
        """Time for each operation: half a second, or a tenth of what a point may take where that is less."""
        return min(0.5, self.config.measure.max_s / 10)

    def _ask(self, group: Group, request: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """A set-up request: without its answer there is no sweep, so that any failure is the user's to mend."""
        try:
            return group.ask(request, timeout_s, self.listener.progress)
        except GroupError as error:
            fault = group.fault() or {"kind": "failed", "message": str(error)}
            where = "" if fault["kind"] == "input" else f" (see {group.log})"
            raise InputError(f"{fault['message']}{where}") from error

    # the points

    def _measure_all(self, points: list[Point]) -> None:
        order = list(points)
        random.Random(self.config.name).shuffle(order)  # a machine that drifts must not look like a trend
        took_s: list[float] = []
        expected_s = self.config.measure.max_s + START_S
        for point in order:
            self.listener.begin(point, len(took_s) + 1, len(order), expected_s * (len(order) - len(took_s)))
            started = time.monotonic()
            record = self._measure(point)
            self._keep(record)
            took_s.append(time.monotonic() - started)
            expected_s = statistics.mean(took_s)
            self.listener.end(record, took_s[-1], expected_s * (len(order) - len(took_s)))

    def _measure(self, point: Point) -> Record:
        measure, limits = self.config.measure, self.config.limits
        request = {
            "do": "measure",
            "point": point.to_dict(),
            "target_percent": measure.target_percent,
            "max_s": measure.max_s,
            "memory_gib": limits.memory_gib,
        }
        system = self.folder.system()
        started = provenance.now(), time.monotonic()
        blank = Record(point.id, "failed", point.to_dict(), system=_own_system(system))
        group = self._group(point.run.ranks, point.id)
        try:
            with group:
                answer = group.ask(request, limits.point_timeout_s, self.listener.progress)
            record = self._judge(point, answer, system, blank)
        except (GroupDied, GroupTimeout) as error:
            record = self._fallen(blank, group, error)
        except Interrupted as error:
            stopped = {"kind": "preempted", "message": str(error), "log_end": None}
            self._keep(replace(blank, status="preempted", error=stopped))
            raise
        return replace(record, provenance=self._provenance(started, system))

    def _judge(self, point: Point, answer: Mapping[str, Any], system: Mapping[str, Any], blank: Record) -> Record:
        """The record of a point that answered: ok, or invalid where its figures cannot be believed."""
        run = point.run
        at = [p for p in system["peaks"] if p["ranks"] == run.ranks and p["precision"] == run.precision]
        ceiling = at[0] if at else None
        quoted = ceilings.datasheet(system["machine"]["device"], run.precision)
        samples = answer["samples"]
        found = metrics.compute(samples, self.app.cost(point), run, ceiling, quoted)
        found["peak_mem_bytes"] = metrics.peak_memory(answer["peak_mem_bytes"], system["machine"]["device_kind"])
        found |= metrics.declared(self.app.metrics, samples["values"])
        doubt = answer["doubt"] or metrics.invalid_because(found, ceiling)
        record = replace(blank, samples=samples, system={**blank.system, "ranks": answer["ranks"]})
        if doubt:
            error = {"kind": "invalid", "message": doubt, "log_end": None}
            return replace(record, status="invalid", metrics=metrics.withheld(found, doubt), error=error)
        return replace(record, status="ok", metrics=found, diagnosis=diagnose(found))

    def _fallen(self, blank: Record, group: Group, error: GroupError) -> Record:
        """The record of a point whose group gave no answer: oom, timeout or failed, with the reason."""
        if isinstance(error, GroupTimeout):
            fault = {"kind": "timeout", "message": str(error)}
        else:
            fault = group.fault() or {"kind": "failed", "message": str(error)}
        status = fault["kind"] if fault["kind"] in records.STATUSES else "failed"
        return replace(blank, status=status, error={**fault, "log_end": group.log_end()})

    def _group(self, ranks: int, name: str) -> Group:
        config, log = self.config.launch, self.folder.logs / f"{name}.log"
        return Group(self._launcher, ranks, config.device, config.wrapper, self._cores_per_rank, log)

    def _keep(self, record: Record) -> None:
        records.write(self.folder.points, record)

    def _skipped(self, point: Point, why: str) -> Record:
        error = {"kind": "skipped", "message": why, "log_end": None}
        return Record(point.id, "skipped", point.to_dict(), provenance=self._versions(), error=error)

    def _provenance(self, started: tuple[str, float], system: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **self._versions(),
            "measure": self.config.measure.model_dump(),
            "started": started[0],
            "wall_s": time.monotonic() - started[1],
            "git": system["git"],
            "data": system["data"],
        }

    def _versions(self) -> dict[str, Any]:
        return {"saih": saih.__version__, "app_version": self.app.version, "method_version": METHOD_VERSION}


def _own_system(system: Mapping[str, Any]) -> dict[str, Any]:
    return {"machine": system["machine"], "software": system["software"]}
