"""Trend figures: what compares systems along each growth path. Pure.

Hockney's two numbers (hockney.py) and the range of the shares of the peaks; time and energy at sizes that stay the same
are in fixed_sizes.py. A growth path is a series of lines.py, its sizes in order of the work of one device in one step.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from reports.axes import Axis
from reports.cases import Case, Quantity
from reports.finding import Finding
from reports.table import Cell, Head, Notes, Table, words
from reports.text import clauses, count, interval, quantity, signed_percent, span
from reports.trend.hockney import Hockney, fit
from reports.trend.lines import FLAT, Series, Trend, apart, ratio
from reports.yardstick import RATE, SHARE, differ

PEAKS = {
    SHARE: "share of the measured ceiling",
    "percent_of_peak": "share of the datasheet peak",
}
OWN_CEILINGS = "each of its own ceiling: they differ by more than their intervals, so that these shares do not compare"
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Figures:
    """A path's measured sizes in order of their work, and Hockney's fit to them, or the reason why there is none."""

    label: str
    cases: tuple[Case, ...]
    fit: Hockney | str


def find_figures(trend: Trend) -> list[Figures]:
    """The figures of every path along which two sizes or more were measured."""
    paths = [(series, _sizes(series)) for series in trend.series]
    axis = trend.roles.growth
    return [Figures(series.label, cases, _fit(cases, axis)) for series, cases in paths if axis and len(cases) > 1]


def _sizes(series: Series) -> tuple[Case, ...]:
    return tuple(sorted((c for c in series.cases if c.value("step_s")), key=lambda case: case.flop_per_step or 0.0))


def _fit(cases: Sequence[Case], axis: Axis) -> Hockney | str:
    steps = [case.quantity("step_s") for case in cases]
    found = fit([case.flop_per_step or 0.0 for case in cases], [step.value or 0.0 for step in steps], _noise(steps))
    return _falls(cases, axis) or found


def _noise(steps: Sequence[Quantity]) -> float:
    """Root mean square of the relative standard deviations that the steps' intervals stand for, as normal ones."""
    ends = [(step.high - step.low) / step.value for step in steps if step.high and step.low and step.value]
    return math.sqrt(statistics.fmean((each / (2 * NORMAL_95)) ** 2 for each in ends)) if ends else 0.0


def _falls(cases: Sequence[Case], axis: Axis) -> str:
    """Whether the rate falls again beyond its best, and from which size on; the form only rises."""
    rates = [case.quantity(RATE) for case in cases]
    best = max(range(len(cases)), key=lambda i: rates[i].value or 0.0)
    change = ratio(rates[-1], rates[best]) - 1
    if change > -FLAT or apart(rates[best], rates[-1]) is False:
        return ""
    start = next(i for i in range(best + 1, len(cases)) if ratio(rates[i], rates[best]) - 1 <= -FLAT)
    where = axis.label(axis.of(cases[start]))
    return f"the rate falls again from {where} on ({signed_percent(change)} at the largest size): the form only rises"


def figures(trend: Trend) -> Table | None:
    """A row for each growth path."""
    axis, found = trend.roles.growth, find_figures(trend)
    if axis is None or not found:
        return None
    notes = Notes()
    head = (
        Head("growth path", "along " + axis.name, number=False),
        Head("rate approached", "r\u221e, per device"),
        Head("half of it at", "n\u00bd, work per device and step"),
        Head("worst misfit", "measured over fitted rate"),
        *(Head(name, "lowest to highest") for name in PEAKS.values()),
    )
    rows = tuple(_row(each, axis, notes) for each in found)
    return Table("trend-figures", "Trend figures", head, rows, notes.listed())


def _row(found: Figures, axis: Axis, notes: Notes) -> tuple[Cell, ...]:
    ends = " to ".join(dict.fromkeys(axis.show(axis.of(case)) for case in (found.cases[0], found.cases[-1])))
    path = words(found.label, f"{count(len(found.cases), 'size')}, {ends}")
    return (path, *_fitted(found, axis, notes), *(_range(found.cases, name, axis, notes) for name in PEAKS))


def _fitted(found: Figures, axis: Axis, notes: Notes) -> tuple[Cell, ...]:
    if isinstance(found.fit, str):
        return (notes.missing(found.fit),) * 3
    fitted = found.fit
    mark = "" if fitted.n_half_ends[0] > 0 else notes.mark("not told from 0: the rate hardly rises over these sizes")
    where = axis.label(axis.of(found.cases[fitted.worst]))
    return (
        Cell(quantity(fitted.r_inf, "FLOP/s"), interval(fitted.r_inf, *fitted.r_inf_ends, "FLOP/s")),
        Cell(
            quantity(fitted.n_half, "FLOP"),
            f"{interval(fitted.n_half, *fitted.n_half_ends, 'FLOP')}; {_place(found, fitted.n_half, axis)}",
            mark,
        ),
        Cell(signed_percent(fitted.misfits[fitted.worst]), f"at {where}"),
    )


def _place(found: Figures, n_half: float, axis: Axis) -> str:
    """Between which of the measured sizes half of the rate lies."""
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


def approach(trend: Trend) -> list[Finding]:
    """Which rate do the paths approach, and how large a problem reaches half of it?"""
    axis = trend.roles.growth
    fitted = [(each, each.fit) for each in find_figures(trend) if isinstance(each.fit, Hockney)]
    if axis is None or not fitted:
        return []
    rates, halves = [fit.r_inf for _, fit in fitted], [fit.n_half for _, fit in fitted]
    headline = (
        f"Along {axis.name}, the rate of a device approaches {span(rates, 'FLOP/s')}; half of it takes "
        f"{span(halves, 'FLOP')} a step"
    )
    worst = max(fitted, key=lambda one: abs(one[1].misfits[one[1].worst]))[1]
    told = clauses((_approach(each, fit) for each, fit in fitted), 4)
    form = f"Hockney's form misses a size by {signed_percent(worst.misfits[worst.worst])} at most."
    return [Finding("result", headline, f"{told}. {form}", tuple(each.cases[-1] for each, _ in fitted))]


def _approach(found: Figures, fit: Hockney) -> str:
    name = "" if found.label == "all points" else f"{found.label}: "
    rate = f"{quantity(fit.r_inf, 'FLOP/s')} ({interval(fit.r_inf, *fit.r_inf_ends, 'FLOP/s')})"
    return f"{name}{rate}, half at {quantity(fit.n_half, 'FLOP')} ({interval(fit.n_half, *fit.n_half_ends, 'FLOP')})"
