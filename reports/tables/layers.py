"""The table of a profiled step by layer: time, rate, share of the limiting ceiling, and its own shape alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.analysis.cases import Case
from reports.analysis.layers import BACKWARD, FORWARD, Half, halves
from reports.tables.form import Cell, Head, Notes, Table, words
from reports.words.text import number, percent, quantity


def layers(case: Case, profile: Mapping[str, Any]) -> Table | None:
    """Return the table with a row a layer, its parts side by side, and a last row for work outside all layers."""
    found = halves(case)
    if not found:
        return None
    notes = Notes()
    ceiling = Head("of its ceiling", "which")
    alone = Head("its shape alone", "of its time")
    part = (Head(FORWARD, "arithmetic"), ceiling, alone, Head(BACKWARD, "arithmetic"), ceiling, alone)
    head = (Head("layer", number=False), Head("of the step"), *part)
    names = dict.fromkeys(each.layer for each in found)
    rows = [_row(name, [each for each in found if each.layer == name], case, notes) for name in names]
    rest = sum(float(each.get("busy_s") or 0.0) for each in profile.get("outside") or [])
    if rest:
        share = Cell(percent(rest / (case.value("step_s") or rest)))
        rows.append((words("no layer", "optimiser, loss and the like"), share, *[Cell("")] * 6))
    return Table(f"layers-{case.number}", "By layer", head, tuple(rows), notes.listed())


def _row(name: str, parts: Sequence[Half], case: Case, notes: Notes) -> tuple[Cell, ...]:
    whole = sum(part.seconds for part in parts) / (case.value("step_s") or 1.0)
    cells = [cell for part in (FORWARD, BACKWARD) for cell in _part(parts, part, notes)]
    return (words(name), Cell(percent(whole)), *cells)


def _part(parts: Sequence[Half], name: str, notes: Notes) -> tuple[Cell, ...]:
    half = next((part for part in parts if part.part == name), None)
    if half is None:
        return (notes.missing("it takes no time of its own"), Cell(""), Cell(""))
    rate = "" if half.flop_per_s is None else quantity(half.flop_per_s, "FLOP/s")
    return (
        Cell(quantity(half.seconds, "s"), rate),
        _near(half, notes),
        _alone(half, notes),
    )


def _near(half: Half, notes: Notes) -> Cell:
    """Return the share of its ceiling that the layer reaches, which is at most all of it.

    A larger value has other causes.
    """
    if half.limit_s is None:
        return notes.missing("the layer's costs or the ceilings are not known")
    if half.cached:
        return Cell("caches", note=notes.mark("it moves more than the memory could; no ceiling of caches is measured"))
    near = half.limit_s / half.seconds
    if near <= 1:
        return Cell(percent(near), half.limit)
    return Cell("all", half.limit, notes.mark("at its ceiling: a sustained rate, which short work can exceed"))


def _alone(half: Half, notes: Notes) -> Cell:
    """Return the time of the layer alone on data of the same shape."""
    if half.alone_s is None:
        return notes.missing("not measured alone")
    return Cell(quantity(half.alone_s, "s"), f"x {number(half.alone_s / half.seconds)}")
