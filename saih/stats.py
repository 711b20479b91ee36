"""The few statistics the measurement rests on. Pure.

Blocks of one process follow one another, so that their intervals take correlation into account; replicates in
processes of their own are independent. Whether steps are steady yet, whether they drift, and which blocks are outliers
is told, and changes no value.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

BATCHES = (4, 8)
"""Of a within-run interval: few, so that a batch outlasts what correlates blocks, and two numbers of them, for nobody
knows how long that is; the wider interval counts."""
MIN_STEPS = 8
"""Fewer steps do not show whether they are steady."""
MSER_BATCHES = 20
MSER_BATCH = 5
MOST_MEANS = 200
"""More batches tell no more, but comparing each with each takes time as their square: minutes for 100,000 steps."""
FALLING = 0.1
"""Steps whose fall would be as clear by chance only this often are not steady yet; at worst it costs more steps."""
OUTLIER = 3.5
"""Robust standard deviations (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993: modified z-scores)."""


@dataclass(frozen=True)
class Interval:
    """A median with an interval that holds it with probability ``confidence`` if the values are independent."""

    median: float
    low: float
    high: float
    confidence: float

    @property
    def half_width_percent(self) -> float:
        """Half of the interval's width as percent of the median; infinite where the median is 0."""
        return 50 * (self.high - self.low) / abs(self.median) if self.median else math.inf


@dataclass(frozen=True)
class Outliers:
    """Values far from the median, in units of a robust standard deviation: how many, and the farthest."""

    count: int
    worst: float | None


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Distribution-free interval for the median from order statistics.

    With n sorted values x_1 .. x_n, [x_k, x_(n+1-k)] misses the median with probability 2 P(B < k), B binomial
    (n, 1/2) (e.g. David and Nagaraja, Order Statistics, section 7.1). The largest k that keeps ``confidence`` is
    taken; below six values none does for 0.95, and the whole range is returned with the confidence it has.
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


def serial_median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Interval for the median of values that followed one another and may be correlated; holds `median_interval`.

    Woodruff's inversion (J. Amer. Stat. Assoc. 47, 1952): the interval reaches from the quantile 1/2 - e to 1/2 + e,
    e the half-width for the share of values above the median. Correlation makes that share vary more; its variance
    comes from the shares in batches of neighbours (batch means: Schmeiser, Oper. Res. 30, 1982), with Student's
    quantile. Below two values a batch there is nothing to see it by. What outlasts a batch stays unseen.
    """
    plain = median_interval(values, confidence)
    above = [(x > plain.median) + (x == plain.median) / 2 for x in values]
    e = max((_batch_half_width(above, n, confidence) for n in BATCHES if len(values) >= 2 * n), default=0.0)
    ordered = sorted(values)
    k = max(1, math.floor(len(values) * (0.5 - e))) if e else len(values)
    low, high = min(plain.low, ordered[k - 1]), max(plain.high, ordered[len(values) - k])
    if (low, high) == (plain.low, plain.high):
        return plain
    return Interval(plain.median, low, high, min(confidence, plain.confidence))


def _batch_half_width(values: Sequence[float], batches: int, confidence: float) -> float:
    """Half-width of the interval of a mean, by the means of batches of neighbours."""
    n = len(values)
    means = [statistics.fmean(values[n * i // batches : n * (i + 1) // batches]) for i in range(batches)]
    return student_t(confidence, batches - 1) * statistics.stdev(means) / math.sqrt(batches)


def independent(values: Sequence[float]) -> float:
    """How many independent values would tell as much as these, which followed one another: n (1 - r) / (1 + r), 1 to n.

    For the mean of an AR(1) process of correlation r (e.g. Wilks, Statistical Methods in the Atmospheric Sciences,
    section 5.2.4). r is that of neighbours' ranks, so that one late block hides nothing, plus (1 + 3 r) / n, by which
    short series show too little of it (Kendall, Biometrika 41, 1954). Opposite neighbours count as independent.
    """
    n = len(values)
    order = _ranks(values)
    middle = (n - 1) / 2
    total = sum((rank - middle) ** 2 for rank in order)
    if not total:
        return float(n)
    seen = sum((a - middle) * (b - middle) for a, b in pairwise(order)) / total
    r = min(max(seen + (1 + 3 * seen) / n, 0.0), 1.0)
    return max(1.0, n * (1 - r) / (1 + r))


def _ranks(values: Sequence[float]) -> list[float]:
    """The place of each value in order, from 0; equal ones share the middle of theirs."""
    ordered = sorted(values)
    return [(bisect_left(ordered, x) + bisect_right(ordered, x) - 1) / 2 for x in values]


@cache
def student_t(confidence: float, free: int) -> float:
    """Student's two-sided quantile: |t| stays below it with probability ``confidence``, ``free`` degrees of freedom."""
    low, high = 0.0, 1.0
    while _t_within(high, free) < confidence:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_within(middle, free) < confidence else (low, middle)
    return high


def _t_within(t: float, free: int) -> float:
    """P(|T| < t), the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(free))
    odd = free % 2
    term = math.cos(angle) if odd else 1.0
    total = term if free > 1 else 0.0
    for k in range(2 if odd else 1, free - 2, 2):
        term *= math.cos(angle) ** 2 * k / (k + 1)
        total += term
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total


def steady_from(step_s: Sequence[float]) -> int | None:
    """From which step on the times are steady; None where the warm-up may not be over yet.

    Two conditions. MSER: the start left out, at most half of the steps, is the one that leaves the mean of the rest its
    least standard error (White, Simulation 69, 1997); from `MSER_BATCHES` batches of `MSER_BATCH` steps on it is
    MSER-5, the same on the batches' means (White, Cobb and Spratt, Winter Simulation Conference 2000). More than a
    third means that it is not over yet. And the rest gets no faster (`drift`), which MSER alone misses where steps fall
    slowly.
    """
    if len(step_s) < MIN_STEPS:
        return None
    batch = MSER_BATCH if len(step_s) >= MSER_BATCH * MSER_BATCHES else 1
    batch = max(batch, math.ceil(len(step_s) / MOST_MEANS))
    first = len(step_s) % batch  # what fills no batch is left out at the start
    means = [statistics.fmean(step_s[i : i + batch]) for i in range(first, len(step_s), batch)]
    n = len(means)
    best = min(range(n // 2 + 1), key=lambda d: statistics.pvariance(means[d:]) / (n - d))
    change_percent, p = drift(means[best:])
    if best > n // 3 or (change_percent < 0 and p < FALLING):
        return None
    return first + best * batch if best else 0


def drift(values: Sequence[float]) -> tuple[float, float]:
    """How values move while time passes: (change from first to last in percent of the median, its p-value).

    The change is Theil and Sen's (the median slope over all pairs, x (n - 1)); the p-value Mann and Kendall's
    (M. G. Kendall, Rank Correlation Methods, 1975, with its normal approximation and correction for ties), two-sided.
    Below four values no order is unlikely enough, and p is 1.
    """
    n = len(values)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    middle = statistics.median(values)
    if n < 4 or not middle:
        return 0.0, 1.0
    slope = statistics.median((values[j] - values[i]) / (j - i) for i, j in pairs)
    score = sum((values[j] > values[i]) - (values[j] < values[i]) for i, j in pairs)
    ties = Counter(values).values()
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    z = (abs(score) - 1) / math.sqrt(variance) if score and variance > 0 else 0.0
    return 100 * slope * (n - 1) / middle, math.erfc(z / math.sqrt(2))


def outliers(values: Sequence[float]) -> Outliers:
    """Values whose distance from the median is beyond 3.5 robust standard deviations (1.4826 x the median distance).

    Where half of the values are equal there is no such scale, and none is told.
    """
    middle, scale = statistics.median(values), robust_deviation(values)
    far = [x for x in values if scale and abs(x - middle) > OUTLIER * scale]
    return Outliers(len(far), max(far, key=lambda x: abs(x - middle), default=None))


def robust_deviation(values: Sequence[float]) -> float:
    """1.4826 x the median distance from the median: the standard deviation, were the values normal."""
    middle = statistics.median(values)
    return 1.4826 * statistics.median(abs(x - middle) for x in values)


def spread_percent(values: Sequence[float]) -> float:
    """The distance between the quartiles in percent of the median; 0 for a single value."""
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return 100 * (high - low) / abs(middle) if middle else math.inf
