"""A profiled step in detail: by phase, by class of operation, by layer. Pure.

To keep the report readable, only some points have these tables: of each growth path the smallest, the middle and the
largest profiled point. The records hold all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.analysis import diagnosis
from reports.analysis.cases import Case, Quantity
from reports.analysis.trend import Trend
from reports.tables.form import Cell, Head, Notes, Table, words
from reports.tables.layers import layers
from reports.words.text import percent, quantity

MOST_POINTS = 12
NO_LAYER = "outside all layers"


@dataclass(frozen=True)
class Detail:
    """The tables of one point below a summary line; a click opens them unless they are `open`."""

    case: int
    summary: str
    open: bool
    tables: tuple[Table, ...]


def chosen(trend: Trend) -> list[list[Case]]:
    """Return the smallest, middle and largest profiled case of each growth path, the path that grows farthest first."""
    paths = [[case for case in series.cases if diagnosis.profile(case)] for series in trend.series]
    paths = sorted((sorted(path, key=_work) for path in paths if path), key=_reach, reverse=True)
    return [[path[place] for place in sorted({0, (len(path) - 1) // 2, len(path) - 1})] for path in paths]


def _work(case: Case) -> float:
    return case.flop_per_step or 0.0


def _reach(path: Sequence[Case]) -> float:
    return _work(path[-1]) / _work(path[0]) if _work(path[0]) else 0.0


def details(trend: Trend) -> list[Detail]:
    """Return the tables of the chosen points; those of the first path are open."""
    paths = chosen(trend)
    return [_detail(case, trend, path is paths[0]) for path in paths for case in path][:MOST_POINTS]


def _detail(case: Case, trend: Trend, is_open: bool) -> Detail:
    profile = diagnosis.profile(case)
    tables = (_phases(case, profile), _classes(case, profile), layers(case, profile))
    top = str(max(profile["classes"], key=lambda entry: float(entry.get("busy_s") or 0.0))["class"])
    busy = _share(profile, "busy_s", case)
    busy_share = f", busy time {percent(busy)} of it" if busy is not None else ""
    took = quantity(case.value("step_s"), "s")
    of = f" (one of {len(case.ok)} processes)" if len(case.ok) > 1 else ""
    summary = f"#{case.number} {trend.where(case)}: {took} a step{busy_share}, most in {top}{of}"
    return Detail(case.number, summary, is_open, tuple(table for table in tables if table))


def _share(entry: Mapping[str, Any], key: str, case: Case) -> float | None:
    value, step = entry.get(key), case.value("step_s")
    return None if value is None or not step else float(value) / step


def _phases(case: Case, profile: Mapping[str, Any]) -> Table | None:
    """Return the table of busy time by phase."""
    phases = {str(name): value for name, value in (profile.get("phases") or {}).items() if value is not None}
    if not phases:
        return None
    head = (Head("phase", number=False), Head("busy"), Head("of the step"))
    rows = tuple(
        (words(name), Cell(quantity(value, "s")), Cell(percent(_share(phases, name, case) or 0.0)))
        for name, value in phases.items()
    )
    return Table(f"phases-{case.number}", "By phase", head, rows)


def _classes(case: Case, profile: Mapping[str, Any]) -> Table:
    """Return the table of busy time by class of operation, with the rate of its least traffic."""
    notes = Notes()
    head = (
        Head("class of operation", number=False),
        Head("busy"),
        Head("of the step"),
        Head("operations", "a step"),
        Head("least traffic", "over its time"),
        Head(NO_LAYER, "busy"),
    )
    outside = {str(entry["class"]): entry for entry in profile.get("outside") or []}
    rows = tuple(_class(entry, outside, case, notes) for entry in profile["classes"] if entry.get("busy_s"))
    return Table(f"classes-{case.number}", "By class of operation", head, rows, notes.listed())


def _class(entry: Mapping[str, Any], outside: Mapping[str, Any], case: Case, notes: Notes) -> tuple[Cell, ...]:
    seconds, bytes_ = float(entry["busy_s"]), entry.get("bytes")
    rate = None if bytes_ is None else float(bytes_) / seconds
    alone = (outside.get(str(entry["class"])) or {}).get("busy_s") if outside else None
    return (
        words(str(entry["class"])),
        Cell(quantity(seconds, "s")),
        Cell(percent(_share(entry, "busy_s", case) or 0.0)),
        Cell("" if entry.get("count") is None else f"{entry['count']:,.6g}"),
        notes.cell(Quantity(rate, "B/s", why="the shapes of its operations are not all known")),
        Cell(quantity(float(alone), "s") if alone else "0\u00a0s" if outside else ""),
    )
