"""Intervals and trends of successive values that may be correlated. Pure.

Neighbouring blocks are correlated to an unknown degree, and a dozen blocks do not show it. So the correlation r of
neighbours is not estimated but averaged over. The values count as a normal AR(1) process of unknown mean and scale;
beforehand every r of `CORRELATIONS` is equally likely, and each is weighted by its likelihood given the values. Given r
the mean has a Student distribution (generalised least squares: Greene, Econometric Analysis, chapter on serial
correlation; the weights are the marginal likelihoods: Zellner, An Introduction to Bayesian Inference in Econometrics,
1971, chapter 4). Few values weigh all r alike, and the interval is wide; many values determine r, and it is narrow.

Variation that outlasts neighbours without correlating them much, such as a slow drift below noise, appears in means of
neighbours: these are judged alike, and the widest interval counts (batch means: Schmeiser, Oper. Res. 30, 1982).

The median is that of normal scores (van der Waerden, 1952), for which only the order of the values matters: the
interval of the median is computed on the scores and mapped back to the values.

benchmarks/coverage.py measures the coverage of the stated confidence.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from saih.statistics.intervals import NORMAL, Interval, change_percent, ranks

Array = NDArray[np.float64]

CORRELATIONS = np.array([*(0.05 * k for k in range(19)), 0.93, 0.96])
FEWEST_MEANS = 20
"""The fewest batches of neighbours: fewer means than this do not determine their own correlation."""
FEWEST_FOR_TREND = 8
MEDIAN_BY_MEAN = 1.2
"""The standard error of a median over that of a mean.

It is 1.25 for many independent normal values, less for few or correlated ones.
"""
MOST_FREE = 300
"""The most degrees of freedom in the tables; beyond, Student's distribution with this many is 0.1 % wider at most."""


def mean_interval(values: Sequence[float], confidence: float = 0.95, positive: bool = False) -> Interval:
    """Return the interval of the mean of successive values.

    `positive`: the values are times or rates; the interval is symmetric in logarithms, so that it stays positive.
    """
    middle = statistics.fmean(values)
    half = _half_width(np.asarray(values, dtype=np.float64), confidence)
    if positive:
        factor = math.exp(min(half / middle, 700.0))
        return Interval(middle, middle / factor, middle * factor, confidence)
    return Interval(middle, middle - half, middle + half, confidence)


def median_interval(values: Sequence[float], confidence: float = 0.95, positive: bool = False) -> Interval:
    """Return the interval of the median of successive values.

    `positive`: the values are times or rates; beyond the outermost of few values the interval is extrapolated in
    logarithms.
    """
    n, middle = len(values), statistics.median(values)
    scores = np.array([NORMAL.inv_cdf((rank + 0.625) / (n + 0.25)) for rank in ranks(values)])
    reach = MEDIAN_BY_MEAN * _half_width(scores, confidence)
    ordered = sorted(math.log(x) for x in values) if positive else sorted(values)
    places = [NORMAL.inv_cdf((k + 0.625) / (n + 0.25)) for k in range(n)]
    spread = statistics.stdev(ordered) if n > 1 else 0.0
    low, high = (_at(sign * reach, places, ordered, spread) for sign in (-1, 1))
    if positive:
        low, high = math.exp(max(low, -700.0)), math.exp(min(high, 700.0))
    return Interval(middle, min(low, middle), max(high, middle), confidence)


def drift(values: Sequence[float]) -> tuple[float, float]:
    """Return (the change from first to last in percent of the median, the chance of such a change without a trend)."""
    return change_percent(values), trend_chance(values)


def trend_chance(values: Sequence[float]) -> float:
    """Return the chance that correlated values without a trend rise or fall as clearly as these.

    The test fits a line through the values' normal scores, with the same average over correlations as for the mean;
    below eight values the chance is 1.
    """
    n = len(values)
    if n < FEWEST_FOR_TREND or min(values) == max(values):
        return 1.0
    scores = np.array([NORMAL.inv_cdf((rank + 0.625) / (n + 0.25)) for rank in ranks(values)])
    time = np.arange(n) - (n - 1) / 2
    rows = [_whitened(x) for x in (np.ones(n), np.asarray(time, dtype=np.float64), scores)]
    ones, line, y = rows
    a, b, c = (ones * ones).sum(1), (ones * line).sum(1), (line * line).sum(1)
    u, v = (ones * y).sum(1), (line * y).sum(1)
    free, det = n - 2, a * c - b * b
    slope, level = (a * v - b * u) / det, (c * u - b * v) / det
    squares = np.maximum((y * y).sum(1) - level * u - slope * v, 1e-12)
    weight = _weights(n - 1, 0.5 * np.log(det), free, squares)
    error = np.sqrt(squares / free * a / det)
    return min(1.0, float(weight @ (2 * _beyond(np.abs(slope) / error, free))))


def _half_width(values: Array, confidence: float) -> float:
    """Return half of the interval of the mean: the widest of those of the values and of means of neighbours."""
    if len(values) < 2 or np.ptp(values) == 0:
        return 0.0
    return max(_mixture_half_width(level, confidence) for level in _levels(values))


def _levels(values: Array) -> Iterator[Array]:
    """Yield the values, means of two neighbours, of four and so on."""
    yield values
    size = 2
    while len(values) // size >= FEWEST_MEANS:
        whole = values[len(values) % size :]
        yield whole.reshape(-1, size).mean(1)
        size *= 2


def _mixture_half_width(values: Array, confidence: float) -> float:
    n = len(values)
    free = n - 1
    ones, y = _whitened(np.ones(n)), _whitened(values - values.mean())
    information = (ones * ones).sum(1)
    level = (ones * y).sum(1) / information
    squares = np.maximum((y * y).sum(1) - level * level * information, 1e-300)
    weight = _weights(n - 1, 0.5 * np.log(information), free, squares)
    error = np.sqrt(squares / free / information)
    used = weight > 1e-6
    return _solve((1 - confidence) / 2, weight[used] / weight[used].sum(), error[used], free)


def _whitened(values: Array) -> Array:
    """Return the uncorrelated part of values under each correlation, in units of their scale: (correlations, n)."""
    r = CORRELATIONS[:, None]
    fresh = (values[None, 1:] - r * values[None, :-1]) / np.sqrt(1 - r * r)
    return np.concatenate([np.broadcast_to(values[:1], (len(r), 1)), fresh], axis=1)


def _weights(pairs: int, half_log_information: Array, free: int, squares: Array) -> Array:
    """Return the weight of each correlation: marginal likelihoods, with a sum of 1."""
    log = -0.5 * pairs * np.log(1 - CORRELATIONS**2) - half_log_information - 0.5 * free * np.log(squares)
    likely = np.exp(log - log.max())
    weights: Array = likely / likely.sum()
    return weights


def _solve(tail: float, weight: Array, error: Array, free: int) -> float:
    """Return the distance beyond which the mixture of Student distributions about zero has `tail` on one side."""
    low, high = 0.0, float(error.max())
    while float(weight @ _beyond(high / error, free)) > tail:
        high *= 2
    for _ in range(40):
        middle = (low + high) / 2
        if float(weight @ _beyond(middle / error, free)) > tail:
            low = middle
        else:
            high = middle
    return high


def _beyond(t: Array, free: int) -> Array:
    """Return P(T > t) for t >= 0 of Student's distribution."""
    places, log_tails = _student(min(free, MOST_FREE))
    tails: Array = np.exp(np.interp(np.arcsinh(t), places, log_tails))
    return tails


@cache
def _student(free: int) -> tuple[Array, Array]:
    """Return a table of Student's distribution: arsinh t, log P(T > t).

    It has the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4, up to the point of cancellation; beyond, the
    tail falls as t to the power of -free.
    """
    places = np.linspace(0, 12, 2401)
    t = np.sinh(places)
    angle = np.arctan(t / math.sqrt(free))
    odd, squared = free % 2, np.cos(angle) ** 2
    term = np.cos(angle) if odd else np.ones_like(angle)
    total = term.copy() if free > 1 else np.zeros_like(angle)
    for k in range(2 if odd else 1, free - 2, 2):
        term = term * squared * k / (k + 1)
        total += term
    within = 2 / math.pi * (angle + np.sin(angle) * total) if odd else np.sin(angle) * total
    tails = np.log(np.maximum((1 - within) / 2, 1e-300))
    last = int(np.argmax(tails < math.log(1e-9))) or len(tails) - 1
    tails[last:] = tails[last] - free * (np.log(t[last:]) - math.log(t[last]))
    return places, tails


def _at(score: float, places: Sequence[float], ordered: Sequence[float], spread: float) -> float:
    """Return the value at a normal score: linear between neighbours, beyond the outermost by the values' spread."""
    if score < places[0]:
        return ordered[0] + (score - places[0]) * spread
    if score > places[-1]:
        return ordered[-1] + (score - places[-1]) * spread
    return float(np.interp(score, places, ordered))
