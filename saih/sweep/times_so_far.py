"""The time estimate of a configuration (time_estimate.py), with what its run has measured so far."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from saih.app import App, Point
from saih.common.host import affinity
from saih.config.schema import Config
from saih.metrics.soundness import completed, unsound, width
from saih.records.record import Record
from saih.sweep.time_estimate import Estimate, Load, Taken

DEVICES = {"cuda": "GPU", "cpu": "CPU"}


def estimates(config: Config, app: App, system: Mapping[str, Any], records: Iterable[Record]) -> Mapping[str, Estimate]:
    """Return the estimates by kind of device: the run's, else the configured one, else each possible one.

    `system` as in system.json, empty before the sweep has looked at its machine.
    """
    kind = (system.get("machine") or {}).get("device_kind")
    if kind is None or "cores_per_rank" not in system:
        cores, asked = cores_per_rank(config), config.launch.device
        return {kind: Estimate(config.measure, kind, cores) for kind in DEVICES if asked in (kind, "auto")}
    ceilings = {(peak["ranks"], peak["precision"]): peak["flop_per_s"] for peak in system.get("peaks") or []}
    return {kind: Estimate(config.measure, kind, system["cores_per_rank"], ceilings, all_taken(app, records))}


def all_taken(app: App, records: Iterable[Record]) -> list[Taken]:
    """Return the times of the points measured so far."""
    served: set[tuple[int, int]] = set()
    found = []
    for record in sorted(records, key=lambda each: each.provenance.get("started") or ""):
        if each := taken_of(app, record):
            group = (each.load.repeat, each.load.run.ranks)
            found.append(replace(each, first=group not in served))
            served.add(group)
    return found


def cores_per_rank(config: Config) -> int:
    """The cores that a rank has on a CPU: as configured, else as on this host."""
    most = max(config.run.ranks)
    return config.launch.cores_per_rank or max(1, len(affinity.own()) // most)


def load_of(app: App, point: Point) -> Load:
    """A point as the estimate sees it."""
    return Load(app.cost(point).flop_per_sample * point.run.batch, point.run, point.repeat)


def taken_of(app: App, record: Record, first: bool = False) -> Taken | None:
    """Return the time of a record; None if its point was not measured. `first`: of its worker group."""
    wall_s, point = record.provenance.get("wall_s"), _point_of(record)
    if record.status not in ("ok", "invalid") or not wall_s or point is None:
        return None
    samples = completed(record.samples)
    if unsound(samples, width(samples, point.run.ranks)):
        return None
    blocks = samples["block_s"]
    step_s = statistics.median(max(ranks) for ranks in blocks["full"]) / samples["block_steps"]
    return Taken(load_of(app, point), wall_s, step_s, len(blocks), first)


def _point_of(record: Record) -> Point | None:
    """The record's point; None where it is not the one that the id was made of."""
    try:
        point = Point.from_dict(record.point)
        return point if point.id == record.id else None
    except (KeyError, TypeError, ValueError):
        return None
