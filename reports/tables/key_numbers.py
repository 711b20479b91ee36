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

from reports.analysis.axes import Axis
from reports.analysis.cases import Case, Quantity
from reports.analysis.doubts import doubted, doubts
from reports.analysis.hockney import MIN_SIZES, Hockney, fit
from reports.analysis.reference_metric import RATE, SHARE, differ
from reports.analysis.trend import FLAT, RISES, Series, Trend, apart, gain, how_it_ends, ratio
from reports.findings.form import Finding
from reports.tables.form import Cell, Head, Notes, Table, words
from reports.words.text import clauses, count, interval, quantity, signed_percent, span

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
    axis = trend.roles.growth
    if axis is None:
        return []
    paths = [(series.label, _sizes(series)) for series in trend.series]
    return [Figures(label, cases, _fit(cases, axis)) for label, cases in paths if len(cases) > 1]


def _sizes(series: Series) -> tuple[Case, ...]:
    return tuple(sorted((c for c in series.cases if c.value(RATE)), key=lambda case: case.flop_per_step or 0.0))


def _fit(cases: Sequence[Case], axis: Axis) -> Hockney | str:
    """The fit to the rates that the page shows."""
    flop, rates = [case.flop_per_step or 0.0 for case in cases], [case.quantity(RATE) for case in cases]
    return fit_rates(flop, rates, [axis.label(axis.of(case)) for case in cases])


def fit_rates(flop: Sequence[float], rates: Sequence[Quantity], places: Sequence[str]) -> Hockney | str:
    """Hockney's fit to rates by rising size; else the reason why there is none. ``places`` name the sizes."""
    last, enough = gain(rates[-2], rates[-1]), len(set(flop)) >= MIN_SIZES
    if enough and (reason := _falls(rates, places)):
        return reason
    if enough and how_it_ends(last) == RISES:
        return _still_rises(last)
    return fit(flop, [n / (rate.value or math.nan) for n, rate in zip(flop, rates, strict=True)], _noise(rates))


def _still_rises(last: Quantity) -> str:
    return f"the rate still rises at the largest size ({signed_percent(last.value or 0.0)}): none is approached yet"


def _noise(rates: Sequence[Quantity]) -> float:
    """Root mean square of the relative standard deviations that the rates' intervals stand for, as normal ones."""
    ends = [(rate.high - rate.low) / rate.value for rate in rates if rate.high and rate.low and rate.value]
    return math.sqrt(statistics.fmean((each / (2 * NORMAL_95)) ** 2 for each in ends)) if ends else 0.0


def _falls(rates: Sequence[Quantity], places: Sequence[str]) -> str:
    """Whether the rate falls again beyond its best, and from which size on; the form only rises."""
    best = max(range(len(rates)), key=lambda i: rates[i].value or 0.0)
    change = ratio(rates[-1], rates[best]) - 1
    if change > -FLAT or apart(rates[best], rates[-1]) is False:
        return ""
    start = next(i for i in range(best + 1, len(rates)) if ratio(rates[i], rates[best]) - 1 <= -FLAT)
    fall = f"falls again from {places[start]} on ({signed_percent(change)} at the largest size)"
    return f"the rate {fall}: the form only rises"


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
    axis, found = trend.roles.growth, find_figures(trend)
    fitted = [(each, each.fit) for each in found if isinstance(each.fit, Hockney)]
    if axis is None or not fitted:
        return []
    rates, halves = [fit.r_inf for _, fit in fitted], [fit.n_half for _, fit in fitted]
    headline = (
        f"Along {axis.name}, the rate of a device approaches {span(rates, 'FLOP/s')}; half of it takes "
        f"{span(halves, 'FLOP')} a step"
    )
    worst = max(fitted, key=lambda one: abs(one[1].misfits[one[1].worst]))[1]
    basis = tuple(case for each, _ in fitted for case in each.cases)
    told = [
        f"{clauses((_approach(each, fit) for each, fit in fitted), 4)}{doubted(basis)}.",
        f"Hockney's form misses a size by {signed_percent(worst.misfits[worst.worst])} at most.",
        _others(found),
    ]
    ends = tuple(each.cases[-1] for each, _ in fitted)
    return [Finding("result", headline, " ".join(each for each in told if each), ends, basis)]


def _others(found: Sequence[Figures]) -> str:
    """The paths that approach no such rate, with the reason."""
    others = [f"{_name(each)}{each.fit}" for each in found if isinstance(each.fit, str)]
    return f"No such rate: {clauses(others, 3)}." if others else ""


def _name(found: Figures) -> str:
    return "" if found.label == "all points" else f"{found.label}: "


def _approach(found: Figures, fit: Hockney) -> str:
    name = _name(found)
    rate = f"{quantity(fit.r_inf, 'FLOP/s')} ({interval(fit.r_inf, *fit.r_inf_ends, 'FLOP/s')})"
    return f"{name}{rate}, half at {quantity(fit.n_half, 'FLOP')} ({interval(fit.n_half, *fit.n_half_ends, 'FLOP')})"
