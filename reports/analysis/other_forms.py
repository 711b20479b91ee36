"""Other forms that a growth path may follow instead of Hockney's, and the tests against them. Pure.

    free exponent   rate(n) = r_inf / (1 + (n_half / n)^p)      Hockney's if p = 1
    free trend      rate(n) = r n^q / (1 + n_half / n)          Hockney's if q = 0; goes on rising or falls again
    power law       rate(n) = c n^q                             never saturates

Sums of squares are of log(measured / fitted rate), as in hockney.py, over N sizes. Hockney's form is refused

- if a free p or a free q lowers the sum of squares by more than chance: F = (S_1 - S) / s^2 > F(1, N - 3), s^2 the
  larger of S / (N - 3) and the noise of the rates (the extra sum of squares: N. R. Draper and H. Smith, Applied
  Regression Analysis, 1998, section 6); each at half of the 5 %, so that both together refuse the true form in 5 %; and
- if the power law lies within the region that the sizes allow, the one that gives the intervals of r_inf and n_half:
  S_power <= S_1 + t^2 s^2, s^2 the larger of S_1 / (N - 2) and the noise. A power law that gains less than
  `LEAST_RISE` over all sizes is no rival: the rate has levelled off from the first size on.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

from reports.analysis.minimum import least
from reports.words.text import number
from saih.statistics.intervals import student_t

LEAST_RISE = 0.1
"""Least relative gain of a rival power law from the smallest size to the largest."""
EXPONENTS = (0.1, 10.0)
"""The range in which p is searched; smaller exponents are power laws, larger ones steps."""
FAR = 1e4
"""The search for n_half runs from the smallest size / FAR to the largest x FAR."""
GRID, ROUNDS = 24, 25

LEAST_NOISE = 3e-4
"""Least relative noise: patterns in smaller misfits do not matter, and may come from rounding."""

Pairs = Sequence[tuple[float, float]]
"""(log size, log rate) of each size."""
Found = tuple[float, float]
"""An exponent, and the least sum of squares with it."""


def refusal(flop: Sequence[float], rate: Sequence[float], squares: float, noise: float, confidence: float) -> str:
    """Return the reason why these sizes refuse Hockney's form; "" if they agree with it.

    `squares` is the least sum of squares of Hockney's form.
    """
    path = [(math.log(n), math.log(r)) for n, r in zip(flop, rate, strict=True)]
    noise = max(noise, LEAST_NOISE)
    free = len(path) - 2
    slope, of_power = power_law(path)
    rises = slope * math.log(max(flop) / min(flop)) > math.log1p(LEAST_RISE)
    if rises and of_power <= squares + student_t(confidence, free) ** 2 * max(squares / free, noise**2):
        return f"a rate that grows as size^{number(slope, 2)} and never levels off fits as well"

    def clear(of_rival: float) -> bool:
        chance = student_t((1 + confidence) / 2, free - 1) ** 2 * max(of_rival / (free - 1), noise**2)
        return squares - of_rival > chance

    def better(of_rival: float) -> str:
        before, now = (number(100 * math.sqrt(total / len(path)), 2) for total in (squares, of_rival))
        return f"and lowers the typical misfit from {before} to {now} %"

    q, of_trend = free_trend(path)
    if clear(of_trend):
        way = "rise on" if q > 0 else "fall again"
        return f"the misfits have a pattern: letting the rate {way} as size^{number(q, 2)} {better(of_trend)}"
    p, of_free = free_exponent(path)
    if clear(of_free):
        return f"the misfits have a pattern: (n½/n)^{number(p, 2)} fits instead of n½/n {better(of_free)}"
    return ""


def power_law(path: Pairs) -> Found:
    """Fit a straight line through the logarithms."""
    x, y = zip(*path, strict=True)
    line = statistics.linear_regression(x, y)
    return line.slope, sum((b - line.intercept - line.slope * a) ** 2 for a, b in path)


def free_trend(path: Pairs) -> Found:
    """Fit Hockney's form times a power law, which is a straight line for a given n_half."""

    def with_n_half(n_half: float) -> Found:
        return power_law([(x, y + math.log1p(n_half * math.exp(-x))) for x, y in path])

    return with_n_half(_best_n_half(path, lambda n_half: with_n_half(n_half)[1]))


def free_exponent(path: Pairs) -> Found:
    """Fit Hockney's form with an exponent of its own."""
    p = least(lambda p: _with_exponent(path, p), *EXPONENTS, GRID, ROUNDS)
    return p, _with_exponent(path, p)


def _with_exponent(path: Pairs, p: float) -> float:
    """Return the least sum of squares with this exponent."""

    def squares(n_half: float) -> float:
        start = math.log(n_half)
        logs = [y + math.log1p(math.exp(p * (start - x))) for x, y in path]
        middle = sum(logs) / len(logs)
        return sum((log - middle) ** 2 for log in logs)

    return squares(_best_n_half(path, squares))


def _best_n_half(path: Pairs, squares: Callable[[float], float]) -> float:
    sizes = [pair[0] for pair in path]
    return least(squares, math.exp(min(sizes)) / FAR, math.exp(max(sizes)) * FAR, GRID, ROUNDS)
