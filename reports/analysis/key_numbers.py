"""Hockney's two numbers of each growth path. Pure.

A growth path is a series of trend.py, with its sizes in order of the work of one device in one step.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from reports.analysis.axes import Axis
from reports.analysis.cases import Case, Quantity
from reports.analysis.hockney import MIN_SIZES, Hockney, fit
from reports.analysis.reference_metric import RATE, SHARE
from reports.analysis.trend import FLAT, RISES, Series, Trend, apart, gain, how_it_ends, ratio
from reports.words.text import signed_percent

PEAKS = {
    SHARE: "share of the measured ceiling",
    "percent_of_peak": "share of the datasheet peak",
}


NORMAL_95 = 1.96


@dataclass(frozen=True)
class Figures:
    """A path's measured sizes in order of their work, with Hockney's fit to them or the reason why there is none."""

    label: str
    cases: tuple[Case, ...]
    fit: Hockney | str


def find_figures(trend: Trend) -> list[Figures]:
    """Return the figures of every path along which two sizes or more were measured."""
    axis = trend.roles.growth
    if axis is None:
        return []
    paths = [(series.label, _sizes(series)) for series in trend.series]
    return [Figures(label, cases, _fit(cases, axis)) for label, cases in paths if len(cases) > 1]


def _sizes(series: Series) -> tuple[Case, ...]:
    return tuple(sorted((c for c in series.cases if c.value(RATE)), key=lambda case: case.flop_per_step or 0.0))


def _fit(cases: Sequence[Case], axis: Axis) -> Hockney | str:
    """Return the fit to the rates that the page shows."""
    flop, rates = [case.flop_per_step or 0.0 for case in cases], [case.quantity(RATE) for case in cases]
    return fit_rates(flop, rates, [axis.label(axis.of(case)) for case in cases])


def fit_rates(flop: Sequence[float], rates: Sequence[Quantity], places: Sequence[str]) -> Hockney | str:
    """Return Hockney's fit to rates by rising size, or the reason why there is none; `places` name the sizes."""
    last, enough = gain(rates[-2], rates[-1]), len(set(flop)) >= MIN_SIZES
    if enough and (reason := _falls(rates, places)):
        return reason
    if enough and how_it_ends(last) == RISES:
        return _still_rises(last)
    return fit(flop, [n / (rate.value or math.nan) for n, rate in zip(flop, rates, strict=True)], _noise(rates))


def _still_rises(last: Quantity) -> str:
    return f"the rate still rises at the largest size ({signed_percent(last.value or 0.0)}): none is approached yet"


def _noise(rates: Sequence[Quantity]) -> float:
    """Return the root mean square of the relative standard deviations behind the rates' intervals, taken as normal."""
    ends = [(rate.high - rate.low) / rate.value for rate in rates if rate.high and rate.low and rate.value]
    return math.sqrt(statistics.fmean((width / (2 * NORMAL_95)) ** 2 for width in ends)) if ends else 0.0


def _falls(rates: Sequence[Quantity], places: Sequence[str]) -> str:
    """Return a reason if the rate falls again beyond its best, because the form only rises; empty otherwise."""
    best = max(range(len(rates)), key=lambda i: rates[i].value or 0.0)
    change = ratio(rates[-1], rates[best]) - 1
    if change > -FLAT or apart(rates[best], rates[-1]) is False:
        return ""
    start = next(i for i in range(best + 1, len(rates)) if ratio(rates[i], rates[best]) - 1 <= -FLAT)
    fall = f"falls again from {places[start]} on ({signed_percent(change)} at the largest size)"
    return f"the rate {fall}: the form only rises"
