"""Trend figures, which compare systems along each growth path. Pure.

They are Hockney's two numbers (hockney.py) and the range of the shares of the peaks; fixed_sizes.py has time and energy
at constant sizes. A growth path is a series of trend.py, its sizes in order of the work of one device in one step.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from reports.analysis.axes import Axis
from reports.analysis.cases import Case
from reports.analysis.doubts import doubts
from reports.analysis.key_numbers import PEAKS, Figures, find_figures
from reports.analysis.reference_metric import SHARE, differ
from reports.analysis.trend import Trend
from reports.tables.form import Cell, Head, Notes, Table, words
from reports.words.text import count, interval, quantity, signed_percent

OWN_CEILINGS = "each of its own ceiling: they differ by more than their intervals, so that these shares do not compare"


def figures(trend: Trend) -> Table | None:
    """Return the table with a row for each growth path."""
    axis, paths = trend.roles.growth, find_figures(trend)
    if axis is None or not paths:
        return None
    notes = Notes()
    head = (
        Head("growth path", "along " + axis.name, number=False),
        Head("rate approached", "r\u221e, per device"),
        Head("half of it at", "n\u00bd, work per device and step"),
        Head("worst misfit", "measured over fitted rate"),
        *(Head(name, "lowest to highest") for name in PEAKS.values()),
    )
    rows = tuple(_row(path, axis, notes) for path in paths)
    return Table("trend-figures", "Trend figures", head, rows, notes.listed())


def _row(found: Figures, axis: Axis, notes: Notes) -> tuple[Cell, ...]:
    ends = " to ".join(dict.fromkeys(axis.show(axis.of(case)) for case in (found.cases[0], found.cases[-1])))
    path = words(found.label, f"{count(len(found.cases), 'size')}, {ends}")
    return (path, *_fitted(found, axis, notes), *(_range(found.cases, name, axis, notes) for name in PEAKS))


def _fitted(found: Figures, axis: Axis, notes: Notes) -> tuple[Cell, ...]:
    if isinstance(found.fit, str):
        return (notes.missing(found.fit),) * 3
    fitted, doubt = found.fit, doubts(found.cases)
    mark = "" if fitted.n_half_ends[0] > 0 else notes.mark("not told from 0: the rate hardly rises over these sizes")
    where = axis.label(axis.of(found.cases[fitted.worst]))
    return (
        Cell(
            quantity(fitted.r_inf, "FLOP/s"),
            interval(fitted.r_inf, *fitted.r_inf_ends, "FLOP/s"),
            notes.mark(doubt) if doubt else "",
        ),
        Cell(
            quantity(fitted.n_half, "FLOP"),
            f"{interval(fitted.n_half, *fitted.n_half_ends, 'FLOP')}; {_place(found, fitted.n_half, axis)}",
            mark,
        ),
        Cell(signed_percent(fitted.misfits[fitted.worst]), f"at {where}"),
    )


def _place(found: Figures, n_half: float, axis: Axis) -> str:
    """Return the measured sizes on both sides of half of the rate."""
    for below, above in itertools.pairwise(found.cases):
        if (below.flop_per_step or 0.0) <= n_half < (above.flop_per_step or 0.0):
            return f"from {axis.show(axis.of(below))} to {axis.show(axis.of(above))}"
    return f"below {axis.show(axis.of(found.cases[0]))}"


def _range(cases: Sequence[Case], name: str, axis: Axis, notes: Notes) -> Cell:
    known = [case for case in cases if case.value(name) is not None]
    if not known:
        return notes.missing(cases[0].quantity(name).why)
    ends = [pick(known, key=lambda case: case.value(name) or 0.0) for pick in (min, max)]
    shown = " to ".join(dict.fromkeys(quantity(case.value(name), "%") for case in ends))
    own = notes.mark(OWN_CEILINGS) if name == SHARE and differ(known) else ""
    return Cell(shown, " to ".join(dict.fromkeys(axis.show(axis.of(case)) for case in ends)), own)
