"""The tables of the trend: growth along each series, effects of the dials. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from reports.analysis.axes import Axis
from reports.analysis.cases import Quantity
from reports.analysis.doubts import doubts
from reports.analysis.intervals import signed_interval
from reports.analysis.trend import FLAT_END, UNRESOLVED, Effect, Growth, Trend
from reports.tables.form import Cell, Head, Notes, Table, words
from reports.words.glossary import label_of
from reports.words.text import clauses, count, fold, interval, number, quantity, signed_percent


def growth(trend: Trend) -> Table | None:
    """Return the table of the reference metric along each series."""
    axis = trend.roles.growth
    if axis is None or not trend.growths:
        return None
    name = label_of(trend.yardstick)
    head = (
        Head("series", "equal in all but " + axis.name, number=False),
        Head(axis.name, "first to last"),
        Head("work", "grows"),
        Head("at the first", name),
        Head("at the last", name),
        Head("highest", "at"),
        Head("last gain", "relative"),
        Head("at the end it", number=False),
    )
    notes = Notes()
    rows = tuple(_growth_row(each, axis, notes) for each in trend.growths)
    return Table("growth", f"Growth along {axis.name}", head, rows, notes.listed())


def _growth_row(found: Growth, axis: Axis, notes: Notes) -> tuple[Cell, ...]:
    cases, values = found.series.cases, found.values
    ends = [axis.show(axis.of(case)) for case in (cases[0], cases[-1])]
    best = found.best
    gain, doubt = found.last_gain, doubts(cases[-2:])
    after = count(len(found.beyond), "larger point") + " without result" if found.beyond else ""
    return (
        words(found.series.label),
        Cell(" to ".join(ends), f"{len(cases)} sizes"),
        Cell(fold((cases[-1].flop_per_step or 0.0) / (cases[0].flop_per_step or 1.0))),
        *(_value(values[i]) for i in (0, -1)),
        Cell(quantity(values[best].value, values[best].unit), axis.label(axis.of(cases[best]))),
        Cell(
            signed_percent(gain.value or 0.0),
            signed_interval(gain) or "no interval",
            notes.mark(doubt) if doubt else "",
        ),
        words({FLAT_END: "is flat", UNRESOLVED: "is not resolved"}.get(found.verdict, found.verdict), after),
    )


def _value(found: Quantity) -> Cell:
    return Cell(quantity(found.value, found.unit), interval(found.value, found.low, found.high, found.unit))


def effects(trend: Trend) -> Table | None:
    """Return the table of the effect of each axis from its lowest to its highest value, all else equal."""
    if not trend.effects:
        return None
    notes = Notes()
    head = (
        Head("what changes", number=False),
        Head("from, to", number=False),
        Head("pairs"),
        Head(label_of(trend.yardstick), "median ratio (range)"),
        Head("throughput", "median ratio (range)"),
    )
    rows = tuple(_effect_row(each, notes) for each in trend.effects)
    return Table("effects", "What each change does, all else equal", head, rows, notes.listed())


def _effect_row(found: Effect, notes: Notes) -> tuple[Cell, ...]:
    axis = found.axis
    ends = dict.fromkeys(tuple(axis.show(axis.of(case)) for case in pair) for pair in found.pairs)
    doubt = doubts([case for pair in found.pairs for case in pair])
    mark = notes.mark(doubt) if doubt else ""
    none = "another precision or run has another ceiling: its shares are not set against each other"
    return (
        words(axis.name),
        words(clauses((f"{low} to {high}" for low, high in ends), 4)),
        Cell(f"{len(found.pairs)}"),
        _ratios(found.share, mark) if found.share else notes.missing(none),
        _ratios(found.rate, mark),
    )


def _ratios(values: Sequence[float], mark: str) -> Cell:
    ends = f"{number(min(values))} to {number(max(values))}" if min(values) < max(values) else ""
    return Cell(f"x {number(statistics.median(values))}", ends, mark)
