"""Differences of neighbouring blocks: their median, its interval, and a test against noise. Pure.

Neighbouring blocks share the machine's state at that time, so that their differences hardly correlate from round to
round (lag 1: 0.04 over 99 points, docs/decisions.md), and if the blocks do not differ, either sign is equally likely.
Wilcoxon's signed-rank test needs no more than that (Biometrics Bulletin 1, 1945); it holds for any noise, and is exact
for few pairs. The interval is the test inverted (Hollander and Wolfe, Nonparametric Statistical Methods, section 3.3):
all shifts that the test does not reject.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from saih.statistics.correlated import mean_interval
from saih.statistics.intervals import Interval, ranks, student_t

CHANCE = 0.005
"""The probability of reporting an effect that does not exist, for each question."""
FEWEST = 8
"""The fewest pairs for a test: by chance all have one sign less often than that, 1/2^8 = 0.004."""
FEWEST_FOR_INTERVAL = 6
"""The fewest pairs with a 95 % interval by their signs: 2/2^6 = 0.03, but 2/2^5 = 0.06."""
MOST_EXACT = 60
ENOUGH_TO_CORRELATE = 40
"""This many differences show any correlation among them; with fewer the doubt would hide a slow copy."""


def difference_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the median difference with the interval of the signed-rank test, or of Student's below six pairs."""
    n, middle = len(values), statistics.median(values)
    if n < 2:
        return Interval(middle, middle, middle, 0.0)
    if n < FEWEST_FOR_INTERVAL or min(values) == max(values):
        half = student_t(confidence, n - 1) * statistics.stdev(values) / math.sqrt(n)
        return Interval(middle, min(middle - half, *values), max(middle + half, *values), confidence)
    data = np.sort(np.asarray(values, dtype=np.float64))
    tail = (1 - confidence) / 2
    low, high = _least_shift(data, tail), -_least_shift(-data[::-1], tail)
    return Interval(middle, min(low, middle), max(high, middle), confidence)


def shown(values: Sequence[float], looks: int = 1) -> bool:
    """True if differences are above zero by more than noise, with `CHANCE` of error over `looks` questions.

    If the same question is asked of several ranks or copies, a few pairs cannot exclude chance by their signs alone.
    Then their mean must exclude it, too, with the confidence that this many questions require (Bonferroni): by
    Student's test, or with enough pairs to show their correlation, by correlated.py.
    """
    if len(values) < FEWEST or signed_rank_chance(values) > CHANCE:
        return False
    if looks == 1:
        return True
    confidence = 1 - 2 * CHANCE / looks
    if len(values) >= ENOUGH_TO_CORRELATE:
        return mean_interval(values, confidence).low > 0
    error = statistics.stdev(values) / math.sqrt(len(values))
    return statistics.fmean(values) > student_t(confidence, len(values) - 1) * error


def signed_rank_chance(values: Sequence[float]) -> float:
    """Return the chance that differences about zero lie as far above it: the signed-rank test, one-sided."""
    nonzero = [x for x in values if x != 0]
    if not nonzero:
        return 1.0
    doubled = [round(2 * rank) + 2 for rank in ranks([abs(x) for x in nonzero])]
    above = sum(rank for rank, x in zip(doubled, nonzero, strict=True) if x > 0)
    if len(nonzero) <= MOST_EXACT:
        return float(_tail(tuple(sorted(doubled)))[above])
    mean, variance = sum(doubled) / 2, sum(rank * rank for rank in doubled) / 4
    return 0.5 * math.erfc((above - 1 - mean) / math.sqrt(2 * variance))


@cache
def _tail(doubled: tuple[int, ...]) -> NDArray[np.float64]:
    """Return P(sum of the ranks of one sign >= k) by k, with either sign equally likely.

    Ranks are doubled, so that those of ties are whole numbers.
    """
    chances = np.zeros(sum(doubled) + 1)
    chances[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(chances)
        shifted[rank:] = chances[:-rank]
        chances = (chances + shifted) / 2
    cumulated: NDArray[np.float64] = np.cumsum(chances[::-1])[::-1]
    return cumulated


def _least_shift(data: NDArray[np.float64], tail: float) -> float:
    """Return the smallest shift of sorted differences that the test does not reject as too small."""
    low, high = float(data[0]), float(np.median(data))
    allowed = _critical(len(data), tail)
    for _ in range(60):
        middle = (low + high) / 2
        if _above(data - middle) >= allowed:
            low = middle
        else:
            high = middle
    return low


def _above(shifted: NDArray[np.float64]) -> float:
    """Return the sum of the ranks of the positive differences, ranked by size regardless of sign."""
    order = np.argsort(np.abs(shifted), kind="stable")
    places = np.empty(len(shifted))
    places[order] = np.arange(1, len(shifted) + 1)
    return float(places[shifted > 0].sum())


@cache
def _critical(n: int, tail: float) -> float:
    """Return the least sum of ranks whose chance is at most `tail` in n pairs without any difference."""
    if n <= MOST_EXACT:
        return float(np.argmax(_tail(tuple(2 * k for k in range(1, n + 1))) <= tail)) / 2
    mean, variance = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24
    return mean + statistics.NormalDist().inv_cdf(1 - tail) * math.sqrt(variance)
