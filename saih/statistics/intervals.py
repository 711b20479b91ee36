"""The statistics of independent values, and checks for steady steps, drift and outliers. Pure.

Replicates in separate processes are independent: their intervals are here. Those of successive blocks are in
correlated.py, those of differences of neighbouring blocks in paired.py. The checks for steady steps, drift and outliers
are reported, and change no value.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

NORMAL = statistics.NormalDist()
MIN_STEPS = 8
"""With fewer steps a steady state cannot be recognised."""
MSER_BATCHES = 20
MSER_BATCH = 5
MOST_MEANS = 200
"""The most batches: more add no information, and comparing all pairs takes minutes for 100,000 steps."""
FALLING = 0.1
"""Steps count as not steady yet if their fall is less likely than this by chance; an error costs only more steps."""
OUTLIER = 3.5
"""Robust standard deviations (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993: modified z-scores)."""


@dataclass(frozen=True)
class Interval:
    """A middle (median or mean) and an interval that holds it with probability `confidence`."""

    middle: float
    low: float
    high: float
    confidence: float

    @property
    def half_width_percent(self) -> float:
        """Half of the interval's width as percent of the middle; infinite if the middle is 0."""
        return 50 * (self.high - self.low) / abs(self.middle) if self.middle else math.inf


@dataclass(frozen=True)
class Outliers:
    """Values far from the median: their number, and the farthest."""

    count: int
    worst: float | None


def independent_median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the distribution-free interval of the median from order statistics.

    With n sorted values x_1 .. x_n, [x_k, x_(n+1-k)] misses the median with probability 2 P(B < k), B binomial (n, 1/2)
    (e.g. David and Nagaraja, Order Statistics, section 7.1). The largest k that keeps `confidence` is taken; below six
    values no k does for 0.95, and the whole range is returned with the confidence it has. Raises ValueError without
    values.
    """
    ordered = sorted(values)
    n = len(ordered)
    if n == 0:
        raise ValueError("no values")
    miss = 0.0
    k = 0
    while k < n // 2 and miss + 2 * math.comb(n, k) / 2**n <= 1 - confidence:
        miss += 2 * math.comb(n, k) / 2**n
        k += 1
    if k == 0:
        k, miss = 1, min(1.0, 2 / 2**n)
    return Interval(statistics.median(ordered), ordered[k - 1], ordered[n - k], 1 - miss)


def ranks(values: Sequence[float]) -> list[float]:
    """Return the rank of each value, from 0; equal values share the middle of their ranks."""
    ordered = sorted(values)
    return [(bisect_left(ordered, x) + bisect_right(ordered, x) - 1) / 2 for x in values]


@cache
def student_t(confidence: float, free: int) -> float:
    """Return Student's two-sided quantile: P(|t| below it) is `confidence`, with `free` degrees of freedom."""
    low, high = 0.0, 1.0
    while _t_within(high, free) < confidence:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_within(middle, free) < confidence else (low, middle)
    return high


def _t_within(t: float, free: int) -> float:
    """Return P(|T| < t), by the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(free))
    odd = free % 2
    term = math.cos(angle) if odd else 1.0
    total = term if free > 1 else 0.0
    for k in range(2 if odd else 1, free - 2, 2):
        term *= math.cos(angle) ** 2 * k / (k + 1)
        total += term
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total


def steady_from(step_s: Sequence[float]) -> int | None:
    """Return the first step from which the times are steady; None if the warm-up may not be over yet.

    There are two conditions. The first is MSER: the start left out, at most half of the steps, is the one that leaves
    the mean of the rest its least standard error (White, Simulation 69, 1997). From `MSER_BATCHES` batches of
    `MSER_BATCH` steps on it is MSER-5, the same on the batches' means (White, Cobb and Spratt, Winter Simulation
    Conference 2000). If more than a third is left out, the warm-up is not over yet. The second: the rest gets no faster
    (Kendall's test), a case that MSER alone misses if steps fall slowly.
    """
    if len(step_s) < MIN_STEPS:
        return None
    batch = MSER_BATCH if len(step_s) >= MSER_BATCH * MSER_BATCHES else 1
    batch = max(batch, math.ceil(len(step_s) / MOST_MEANS))
    first = len(step_s) % batch  # an incomplete batch is left out at the start
    means = [statistics.fmean(step_s[i : i + batch]) for i in range(first, len(step_s), batch)]
    n = len(means)
    best = min(range(n // 2 + 1), key=lambda d: statistics.pvariance(means[d:]) / (n - d))
    rest = means[best:]
    if best > n // 3 or (change_percent(rest) < 0 and kendall_chance(rest) < FALLING):
        return None
    return first + best * batch if best else 0


def change_percent(values: Sequence[float]) -> float:
    """Return the change from first to last, in percent of the median: Theil and Sen's median slope over all pairs.

    Many values are first averaged to `MOST_MEANS` means of neighbours.
    """
    means = _means(values)
    n, middle = len(means), statistics.median(values)
    if n < 2 or not middle:
        return 0.0
    pairs = ((i, j) for i in range(n) for j in range(i + 1, n))
    slope = statistics.median((means[j] - means[i]) / (j - i) for i, j in pairs)
    return 100 * slope * (n - 1) / middle


def kendall_chance(values: Sequence[float]) -> float:
    """Return the chance that independent values rise or fall as clearly: Mann and Kendall's test, two-sided.

    M. G. Kendall, Rank Correlation Methods, 1975, with its normal approximation and correction for ties. Below four
    values no order is unlikely enough, and the chance is 1. Correlated values need
    `saih.statistics.correlated.trend_chance`.
    """
    means = _means(values)
    n = len(means)
    if n < 4:
        return 1.0
    score = sum((means[j] > means[i]) - (means[j] < means[i]) for i in range(n) for j in range(i + 1, n))
    ties = Counter(means).values()
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    z = (abs(score) - 1) / math.sqrt(variance) if score and variance > 0 else 0.0
    return math.erfc(z / math.sqrt(2))


def _means(values: Sequence[float]) -> Sequence[float]:
    """Return at most `MOST_MEANS` means of neighbours; an incomplete batch at the start is left out."""
    size = math.ceil(len(values) / MOST_MEANS)
    if size == 1:
        return values
    return [statistics.fmean(values[i : i + size]) for i in range(len(values) % size, len(values), size)]


def outliers(values: Sequence[float]) -> Outliers:
    """Return the values farther from the median than 3.5 robust standard deviations (1.4826 x MAD).

    If half of the values are equal there is no such scale, and no outliers are returned.
    """
    middle, scale = statistics.median(values), robust_deviation(values)
    far = [x for x in values if scale and abs(x - middle) > OUTLIER * scale]
    return Outliers(len(far), max(far, key=lambda x: abs(x - middle), default=None))


def robust_deviation(values: Sequence[float]) -> float:
    """Return 1.4826 x the median distance from the median: the standard deviation, were the values normal."""
    middle = statistics.median(values)
    return 1.4826 * statistics.median(abs(x - middle) for x in values)


def spread_percent(values: Sequence[float]) -> float:
    """Return the distance between the quartiles in percent of the median; 0 for a single value."""
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return 100 * (high - low) / abs(middle) if middle else math.inf
