"""The outcome of a point -> its record: measured, invalid, ended by a failure, or never attempted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import saih
from saih import emulate, metrics
from saih.app import App, Point
from saih.diagnosis import out_of_memory
from saih.errors import GroupError, InputError
from saih.groups import failures
from saih.groups.log_file import last_words
from saih.judge import Measured, judge
from saih.measure.blocks import METHOD_VERSION
from saih.metrics.soundness import not_finite, storable
from saih.peaks.highest import highest
from saih.profile.costs import with_costs
from saih.records.record import Record
from saih.records.run_folder import SECTIONS
from saih.sweep.memory_fit import Room

LOG_CHARACTERS = 2000
"""Of a log's end that a record keeps."""


@dataclass(frozen=True)
class RunContext:
    """The application, machine and mode that all records of a run share. `system`: the content of system.json."""

    app: App
    system: Mapping[str, Any]
    everywhere: bool = False
    """True if points are measured on every device or node at once."""


def blank(run: RunContext, point: Point, emulated: Mapping[str, Any] | None) -> Record:
    """The record of a point of which nothing is known yet. `emulated`: the disturbances that were asked for."""
    system = {section: run.system[section] for section in SECTIONS if section in run.system}
    return Record(point.id, "failed", point.to_dict(), system={**system, "emulated": emulated})


def of_answer(run: RunContext, point: Point, answer: Mapping[str, Any], blank: Record) -> Record:
    """The record of a point that was measured: `ok`, or `invalid` if its figures cannot be believed.

    What the work costs joins the samples; metrics and diagnosis follow from them, held against the ceilings that so
    many ranks reach; the application's own metrics and the peak memory join; then the doubts are heard.
    """
    samples, places, machine = answer["samples"], answer["ranks"], run.system["machine"]
    try:
        cost = run.app.cost(point)
        if samples.get("profile"):
            samples = samples | {"profile": with_costs(samples["profile"], run.app, point)}
    except InputError as error:
        return of_failure(replace(blank, samples=storable(samples)), "failed", str(error))

    ceilings = highest(run.system, len(places), point.run.precision)
    around = {section: run.system.get(section) or {} for section in ("environment", "settings")}
    judged = judge(Measured(samples, point.run, cost, places, machine, ceilings, run.everywhere, **around))

    figures = dict(judged.metrics)
    if figures:
        figures["peak_mem_bytes"] = metrics.peak_memory(answer["peak_mem_bytes"], machine["device_kind"])
        figures |= metrics.declared(run.app.metrics, samples["values"])

    emulated = emulate.together(rank["emulated"] for rank in places)  # by launch.wrapper, too
    about = {**blank.system, "ranks": places, "ceilings": ceilings, "emulated": emulated}
    record = replace(blank, samples=storable(samples), system=about)

    if doubt := answer["doubt"] or judged.doubt or not_finite(figures):
        return of_failure(replace(record, metrics=metrics.withheld(figures, doubt)), "invalid", doubt)
    return replace(record, status="ok", metrics=figures, diagnosis=judged.diagnosis)


def of_group_error(error: GroupError, point: Point, room: Room, blank: Record) -> Record:
    """The record of a point whose group gave no answer: its status by the kind of failure, and the end of its log."""
    status = failures.STATUS[error.failure.kind]
    about = failures.to_dict(error.failure) | {"log_end": last_words(error.log, LOG_CHARACTERS)}
    record = replace(blank, status=status, error=about)
    if status != "oom":
        return record
    ranks = point.run.ranks
    needed, there, by = room.needed_bytes(point), room.most_bytes(ranks), room.limited_by(ranks)
    diagnosis = out_of_memory(str(error), needed, there, point.to_dict()["run"], by)
    return replace(record, diagnosis=diagnosis | {"suspect": []})


def of_failure(record: Record, status: str, message: str) -> Record:
    """The record with a status other than `ok`, and why."""
    return replace(record, status=status, error={"kind": status, "message": message, "log_end": None})


def skipped(app: App, point: Point, why: str) -> Record:
    """The record of a point that is not measured."""
    return of_failure(Record(point.id, "failed", point.to_dict(), provenance=versions(app)), "skipped", why)


def versions(app: App) -> dict[str, Any]:
    """The versions that every record names."""
    return {"saih": saih.__version__, "app_version": app.version, "method_version": METHOD_VERSION}
