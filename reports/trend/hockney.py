"""Hockney's two numbers of a growth path: the rate approached, and the problem size that reaches half of it. Pure.

    time(n) = (n + n_half) / r_inf,   hence   rate(n) = n / time(n) = r_inf / (1 + n_half / n)

(R. W. Hockney and C. R. Jesshope, Parallel Computers, 1981, section 1.3; there n counts elements of a vector, here
FLOP of a step and device.) r_inf says what a large problem gets, n_half how large it must be; both compare systems.

The fit minimises the sum of squares of log(measured / fitted). Sizes along a path differ by orders of magnitude and so
do their times: plain least squares would follow the largest alone. Noise of times and misfit of the form are both
relative, so that logarithms weigh all sizes alike, and too fast as much as too slow. For a given n_half the best r_inf
is a geometric mean, which leaves one unknown to search.

Intervals are profile intervals: all values for which the smallest sum of squares exceeds the least by no more than
t^2 s^2, t Student's quantile for N - 2 degrees of freedom and s^2 the least sum / (N - 2) (D. M. Bates and D. G. Watts,
Nonlinear Regression Analysis and Its Applications, 1988, section 6.1). So the scatter of the sizes about the form is
the noise: misfit widens them, and is taken for chance. Where the times' own intervals are wider, s comes from those.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from saih.stats import student_t

MIN_SIZES = 4
"""Two numbers are fitted; their intervals need sizes left over."""
WORST_MISFIT = 0.5
"""Where a size is off by more than this, either way, the form is another."""
SPAN = 1e6
"""n_half is looked for from the smallest size / SPAN to the largest x SPAN."""
GRID = 300

Ends = tuple[float, float]


@dataclass(frozen=True)
class Hockney:
    """``r_inf`` in FLOP/s of a device, ``n_half`` in FLOP of a step and device; their intervals; and how it fits.

    ``misfits``: measured over fitted rate - 1, one a size in the order given.
    """

    r_inf: float
    r_inf_ends: Ends
    n_half: float
    n_half_ends: Ends
    misfits: tuple[float, ...]
    confidence: float

    @property
    def worst(self) -> int:
        """Which size the form misses most, by factor."""
        return max(range(len(self.misfits)), key=lambda i: abs(math.log1p(self.misfits[i])))


def fit(flop: Sequence[float], step_s: Sequence[float], noise: float = 0.0, confidence: float = 0.95) -> Hockney | str:
    """Fit sizes (FLOP of a step and device) and their step times in s, all above 0; else the reason why not.

    ``noise``: the times' own relative standard deviation, as far as it is known.
    """
    sizes = len(set(flop))
    if sizes < MIN_SIZES:
        return f"{sizes} measured sizes: two numbers and their intervals need at least {MIN_SIZES}"
    path = _Path(flop, step_s)
    n_half = path.best()
    middle = path.log_rate(n_half)
    misfits = tuple(math.exp(each - middle) - 1 for each in path.log_rates(n_half))
    reached = max(flop) / (max(flop) + n_half)
    if reached < 0.5:
        return f"the largest size reaches {100 * reached:.0f} % of the rate that the fit approaches; half is needed"
    if max(abs(math.log1p(each)) for each in misfits) > math.log1p(WORST_MISFIT):
        off = max(misfits, key=lambda each: abs(math.log1p(each)))
        return f"does not follow the form: a size is {100 * off:+.0f} % off, more than a factor of {1 + WORST_MISFIT:g}"
    ends = path.ends(n_half, noise, confidence)
    if ends is None:
        return "these sizes scatter too much to bound it"
    return Hockney(math.exp(middle), ends[0], n_half, ends[1], misfits, confidence)


@dataclass(frozen=True)
class _Path:
    """The sizes, and what a given n_half makes of them."""

    flop: Sequence[float]
    step_s: Sequence[float]

    def log_rates(self, n_half: float) -> list[float]:
        """log r_inf as each size alone would have it."""
        return [math.log((n + n_half) / t) for n, t in zip(self.flop, self.step_s, strict=True)]

    def log_rate(self, n_half: float) -> float:
        """The best log r_inf: their mean."""
        return statistics.fmean(self.log_rates(n_half))

    def squares(self, n_half: float) -> float:
        """The least sum of squares with this n_half."""
        found = self.log_rates(n_half)
        middle = statistics.fmean(found)
        return sum((each - middle) ** 2 for each in found)

    def best(self) -> float:
        """The n_half of least squares: the best of a grid, then the golden section beside it."""
        grid = _between(min(self.flop) / SPAN, max(self.flop) * SPAN, GRID)
        place = min(range(1, GRID - 1), key=lambda i: self.squares(grid[i]))
        low, high = math.log(grid[place - 1]), math.log(grid[place + 1])
        return math.exp(_least(lambda x: self.squares(math.exp(x)), low, high))

    def ends(self, n_half: float, noise: float, confidence: float) -> tuple[Ends, Ends] | None:
        """Profile intervals of r_inf and n_half; None where the upper ends are open."""
        free = len(self.flop) - 2
        least = self.squares(n_half)
        allowed = least + student_t(confidence, free) ** 2 * max(least / free, noise**2)
        low = self._edge(n_half, min(self.flop) / SPAN, allowed)
        high = self._edge(n_half, max(self.flop) * SPAN, allowed)
        if high is None:
            return None
        grid = [n_half, *_between(low or min(self.flop) / SPAN, high, GRID)]
        spread = [math.sqrt(max(0.0, allowed - self.squares(x)) / len(self.flop)) for x in grid]
        middle = [self.log_rate(x) for x in grid]
        lowest = min(m - s for m, s in zip(middle, spread, strict=True))
        highest = max(m + s for m, s in zip(middle, spread, strict=True))
        return (math.exp(lowest), math.exp(highest)), (low or 0.0, high)

    def _edge(self, inside: float, outside: float, allowed: float) -> float | None:
        """Where the squares pass ``allowed`` between an n_half within the interval and one far out; None: nowhere."""
        if self.squares(outside) <= allowed:
            return None
        for _ in range(100):
            middle = math.sqrt(inside * outside)
            inside, outside = (middle, outside) if self.squares(middle) <= allowed else (inside, middle)
        return inside


def _between(low: float, high: float, n: int) -> list[float]:
    """``n`` numbers in equal ratios."""
    return [low * (high / low) ** (i / (n - 1)) for i in range(n)]


def _least(of: Callable[[float], float], low: float, high: float) -> float:
    """Where ``of`` is least between two numbers, by the golden section."""
    golden = (math.sqrt(5) - 1) / 2
    a, b = high - golden * (high - low), low + golden * (high - low)
    at_a, at_b = of(a), of(b)
    for _ in range(80):
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - golden * (high - low)
            at_a = of(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + golden * (high - low)
            at_b = of(b)
    return (low + high) / 2
