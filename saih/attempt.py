"""One attempt at a point: a fresh worker group measures it, and a record says what became of it, whatever that is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import saih
from saih import background, metrics, provenance, records
from saih import peaks as ceilings
from saih.app import App, Point
from saih.config import Config
from saih.diagnose import diagnose
from saih.errors import GroupDied, GroupError, GroupTimeout, Interrupted
from saih.folder import Folder
from saih.group import Group, OnProgress
from saih.measure import METHOD_VERSION
from saih.records import Record


@dataclass
class Attempts:
    """What every attempt of a sweep shares. ``start`` starts a worker group of so many ranks under a name."""

    config: Config
    app: App
    folder: Folder
    start: Callable[[int, str], Group]
    on_progress: OnProgress

    def measure(self, point: Point) -> Record:
        """Measure a point and keep its record. Raises Interrupted once a record of that is kept."""
        measure, limits, system = self.config.measure, self.config.limits, self.folder.system()
        request = {
            "do": "measure",
            "point": point.to_dict(),
            "target_percent": measure.target_percent,
            "max_s": measure.max_s,
            "memory_gib": limits.memory_gib,
            "paths": background.paths_named(system["data"]),
        }
        started = provenance.now(), time.monotonic()
        blank = Record(point.id, "failed", point.to_dict(), system=_own_system(system))
        group = self.start(point.run.ranks, point.id)
        try:
            with group:
                answer = group.ask(request, limits.point_timeout_s, self.on_progress)
            record = self._judge(point, answer, system, blank)
        except (GroupDied, GroupTimeout) as error:
            record = self._fallen(blank, group, error)
        except Interrupted as error:
            stopped = {"kind": "preempted", "message": str(error), "log_end": None}
            self._keep(replace(blank, status="preempted", error=stopped))
            raise
        record = replace(record, provenance=self._provenance(started, system))
        self._keep(record)
        return record

    def skip(self, point: Point, why: str) -> Record:
        """Keep a record of a point that is not measured."""
        error = {"kind": "skipped", "message": why, "log_end": None}
        record = Record(point.id, "skipped", point.to_dict(), provenance=self._versions(), error=error)
        self._keep(record)
        return record

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

    def _provenance(self, started: tuple[str, float], system: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **self._versions(),
            "measure": self.config.measure.model_dump(),
            "started": started[0],
            "wall_s": time.monotonic() - started[1],
            "git": system["git"],
            "slurm": system["slurm"],
            "data": system["data"],
        }

    def _versions(self) -> dict[str, Any]:
        return {"saih": saih.__version__, "app_version": self.app.version, "method_version": METHOD_VERSION}

    def _keep(self, record: Record) -> None:
        records.write(self.folder.points, record)


def _own_system(system: Mapping[str, Any]) -> dict[str, Any]:
    return {"machine": system["machine"], "software": system["software"]}
