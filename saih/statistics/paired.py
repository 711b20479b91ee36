"""Differences of neighbouring blocks: their middle, its interval, and whether they are more than noise. Pure.

Two blocks beside one another share what the machine does at that time, so that their differences hardly correlate from
round to round (lag 1: 0.04 over 99 points, docs/decisions.md), and where the blocks do not differ, either sign is as
likely. That is all Wilcoxon's signed-rank test needs (Biometrics Bulletin 1, 1945); it holds for any noise, and is
exact for few pairs. The interval is the test inverted (Hollander and Wolfe, Nonparametric Statistical Methods, section
3.3): all shifts that the test does not reject.
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
"""Of an effect that is not there to be taken for one, of each thing that is asked for."""
FEWEST = 8
"""So few pairs of one sign come about by chance less often than that: 1/2^8 = 0.004."""
FEWEST_FOR_INTERVAL = 6
"""Fewer pairs have no 95 % interval by their signs: 2/2^5 = 0.06."""
MOST_EXACT = 60
ENOUGH_TO_CORRELATE = 40
"""So many differences show whether they correlate after all; of fewer the doubt would hide a slow copy."""


def difference_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The median difference with the interval of the signed-rank test; below six pairs Student's."""
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
    """True if differences are above zero beyond what noise explains, with `CHANCE` of error over ``looks`` questions.

    Where the same is asked of several (ranks, copies), a few pairs cannot exclude chance by their signs alone; then
    their mean must, too, with the confidence that so many questions take (Bonferroni): by Student's test, or where the
    pairs are enough to show how they correlate, by serial.py.
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
    told = [x for x in values if x != 0]
    if not told:
        return 1.0
    doubled = [round(2 * rank) + 2 for rank in ranks([abs(x) for x in told])]
    above = sum(rank for rank, x in zip(doubled, told, strict=True) if x > 0)
    if len(told) <= MOST_EXACT:
        return float(_tail(tuple(sorted(doubled)))[above])
    mean, variance = sum(doubled) / 2, sum(rank * rank for rank in doubled) / 4
    return 0.5 * math.erfc((above - 1 - mean) / math.sqrt(2 * variance))


@cache
def _tail(doubled: tuple[int, ...]) -> NDArray[np.float64]:
    """P(sum of the ranks of one sign >= k) by k, where either sign is as likely.

    Ranks are doubled, so that those of ties are whole numbers.
    """
    found = np.zeros(sum(doubled) + 1)
    found[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(found)
        shifted[rank:] = found[:-rank]
        found = (found + shifted) / 2
    cumulated: NDArray[np.float64] = np.cumsum(found[::-1])[::-1]
    return cumulated


def _least_shift(data: NDArray[np.float64], tail: float) -> float:
    """The smallest shift of sorted differences that the test does not reject as too small."""
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
    """The sum of the ranks of the positive ones, by size regardless of sign."""
    order = np.argsort(np.abs(shifted), kind="stable")
    places = np.empty(len(shifted))
    places[order] = np.arange(1, len(shifted) + 1)
    return float(places[shifted > 0].sum())


@cache
def _critical(n: int, tail: float) -> float:
    """The least sum of ranks that comes about with a chance of at most ``tail`` in n pairs without any difference."""
    if n <= MOST_EXACT:
        return float(np.argmax(_tail(tuple(2 * k for k in range(1, n + 1))) <= tail)) / 2
    mean, variance = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24
    return mean + statistics.NormalDist().inv_cdf(1 - tail) * math.sqrt(variance)
