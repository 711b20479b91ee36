"""The few statistics the measurement rests on. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


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
