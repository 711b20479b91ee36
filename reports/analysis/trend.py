"""The trend: series along the growing dial, the ends of growth, the effect of each dial, scaling over ranks. Pure.

    series       cases equal in all but the growing axis, in its order
    last gain    y_n / y_(n-1) - 1 along a series, y the reference metric; its interval takes the worst ends of both
                 "not resolved" if that interval holds zero and more than 10 %; else "flat" below 10 % either way, else
                 "rises" or "falls"
    effect       y_high / y_low between cases equal in all but one dial, at its highest and lowest value measured;
                 the median over all such pairs
    scaling      throughput over ranks, weak and strong: see scaling.py

The reference metric is the percent of the measured ceiling; if no point has one, that of the datasheet peak; else
FLOP/s. If measured ceilings differ (reference_metric.py) it is FLOP/s, too, since shares of different ceilings do not
compare.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.analysis.axes import Axis, Roles, alike, assign, find_axes, namer
from reports.analysis.cases import Case, Quantity
from reports.analysis.reference_metric import RATE, SHARE, differ
from reports.analysis.scaling import Scaling, find_scalings

YARDSTICKS = (SHARE, "percent_of_peak", RATE)
FLAT = 0.10
"""Smaller relative gains count as none."""


@dataclass(frozen=True)
class Series:
    """A series of cases of known size, in order: the measured `cases`, and the `lost` ones without a result."""

    label: str
    cases: tuple[Case, ...]
    lost: tuple[Case, ...]


RISES, FLAT_END, FALLS, UNRESOLVED = "rises", "flat", "falls", "not resolved"
"""The verdicts on the end of a series."""


@dataclass(frozen=True)
class Growth:
    """The reference metric along a series of two cases or more."""

    series: Series
    values: tuple[Quantity, ...]

    @property
    def last_gain(self) -> Quantity:
        """The relative change between the two largest sizes."""
        return gain(self.values[-2], self.values[-1])

    @property
    def verdict(self) -> str:
        """One of `RISES`, `FLAT_END`, `FALLS` and `UNRESOLVED`."""
        return how_it_ends(self.last_gain)

    @property
    def best(self) -> int:
        """The index of the highest value along the series."""
        return max(range(len(self.values)), key=lambda i: self.values[i].value or 0.0)

    @property
    def beyond(self) -> tuple[Case, ...]:
        """Larger problems of the series that gave no result."""
        last = self.series.cases[-1].flop_per_step or 0.0
        return tuple(case for case in self.series.lost if (case.flop_per_step or 0.0) > last)

    @property
    def last_fold(self) -> float:
        """The factor by which the work grows between the last two cases."""
        before, last = self.series.cases[-2:]
        return (last.flop_per_step or 0.0) / (before.flop_per_step or 1.0)


@dataclass(frozen=True)
class Effect:
    """The effect of moving one axis from its lowest to its highest value, over all pairs that are equal in all else."""

    axis: Axis
    pairs: tuple[tuple[Case, Case], ...]
    share: tuple[float, ...]
    """Ratios of the reference metric; empty if it is a share and the axis changes the peak behind it."""
    rate: tuple[float, ...]
    """Ratios of samples/s."""

    @property
    def strength(self) -> float:
        """The median ratio of the reference metric or its inverse, whichever is above 1; 1 if there is none."""
        middle = statistics.median(self.share) if self.share else 1.0
        return max(middle, 1 / middle) if middle > 0 else 1.0


@dataclass(frozen=True)
class Trend:
    """All results derived from several cases."""

    axes: tuple[Axis, ...]
    roles: Roles
    where: Callable[[Case], str]
    """Names a case by the axes that distinguish it from the others."""
    yardstick: str
    own_ceilings: bool
    """True if measured ceilings differ, so that the reference metric is the rate though shares are known."""
    series: tuple[Series, ...]
    growths: tuple[Growth, ...]
    effects: tuple[Effect, ...]
    scalings: tuple[Scaling, ...]


def find_trend(cases: Sequence[Case]) -> Trend:
    """Return the trend over these cases; every part may be empty."""
    axes = find_axes(cases)
    roles = assign(axes, cases)
    known = [name for name in YARDSTICKS if any(case.value(name) is not None for case in cases)]
    own_ceilings = known[:1] == [SHARE] and differ(cases)
    yardstick = RATE if own_ceilings else known[0] if known else SHARE
    series = find_series(cases, roles)
    growths = [growth(each, yardstick) for each in series]
    effects = [effect(cases, axis, yardstick) for axis in axes]
    return Trend(
        tuple(axes),
        roles,
        _full_namer(axes, cases),
        yardstick,
        own_ceilings,
        series,
        tuple(each for each in growths if each is not None),
        tuple(sorted((each for each in effects if each.pairs), key=lambda each: -each.strength)),
        tuple(find_scalings(cases)),
    )


def _full_namer(axes: Sequence[Axis], cases: Sequence[Case]) -> Callable[[Case], str]:
    name = namer(axes, cases)
    return lambda case: name(case) or case.label([*case.size, "ranks"])


def find_series(cases: Sequence[Case], roles: Roles) -> tuple[Series, ...]:
    """Return the series along the growing axis, or one a case if nothing grows."""
    all_series = []
    name = namer(roles.series_axes, cases)
    for group in alike(cases, roles.growth):
        known = [case for case in group if case.flop_per_step]
        label = name(group[0])
        measured = tuple(case for case in known if case.ok)
        all_series.append(Series(label or "all points", measured, tuple(case for case in known if not case.ok)))
    return tuple(series for series in all_series if series.cases or series.lost)


def growth(series: Series, yardstick: str) -> Growth | None:
    """Return the reference metric along a series; None below two values."""
    cases = tuple(case for case in series.cases if case.value(yardstick) is not None)
    if len(cases) < 2:
        return None
    values = tuple(case.quantity(yardstick) for case in cases)
    return Growth(Series(series.label, cases, series.lost), values)


def gain(before: Quantity, after: Quantity) -> Quantity:
    """Return the relative change from one value to another, with the worst ends of both intervals; 0 from nothing."""
    change = ratio(after, before) - 1
    if not before.low or not before.high or after.low is None or after.high is None:
        return Quantity(change, "1")
    low, high = after.low / before.high - 1, after.high / before.low - 1
    return Quantity(change, "1", low, high, "worst ends of both intervals")


def how_it_ends(last_gain: Quantity) -> str:
    """Return the verdict on a last gain.

    A gain whose whole interval is small counts as none, even if the interval excludes zero.
    """
    value = last_gain.value or 0.0
    if last_gain.sign == 0 and max(-(last_gain.low or 0.0), last_gain.high or 0.0) >= FLAT:
        return UNRESOLVED
    if abs(value) < FLAT:
        return FLAT_END
    return RISES if value > 0 else FALLS


def ratio(above: Quantity, below: Quantity) -> float:
    """Return one value over another; 1 if the ratio is undefined."""
    return (above.value or 0.0) / below.value if below.value else 1.0


def apart(a: Quantity, b: Quantity) -> bool | None:
    """True if two intervals do not overlap; None if one is missing."""
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return None
    return a.high < b.low or b.high < a.low


def effect(cases: Sequence[Case], axis: Axis, yardstick: str) -> Effect:
    """Return the effect of an axis.

    Shares of different peaks are not compared with each other: see `comparable`.
    """
    pairs = []
    for group in alike([case for case in cases if case.value("samples_per_s")], axis):
        if len(group) > 1:
            pairs.append((group[0], group[-1]))
    shares = [(high.quantity(yardstick), low.quantity(yardstick)) for low, high in pairs if comparable(axis, yardstick)]
    rates = [(high.quantity("samples_per_s"), low.quantity("samples_per_s")) for low, high in pairs]
    return Effect(
        axis,
        tuple(pairs),
        tuple(ratio(high, low) for high, low in shares if high.value and low.value),
        tuple(ratio(high, low) for high, low in rates),
    )


def comparable(axis: Axis, yardstick: str) -> bool:
    """True if the reference metric means the same all along the axis.

    A rate always does; a share refers to another peak if the precision or the run changes.
    """
    return yardstick == RATE or not {"precision", "run"} & set(axis.keys)
