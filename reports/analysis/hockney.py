"""Hockney's two numbers of a growth path: the rate approached, and the problem size that reaches half of it. Pure.

    time(n) = (n + n_half) / r_inf,   hence   rate(n) = n / time(n) = r_inf / (1 + n_half / n)

(R. W. Hockney and C. R. Jesshope, Parallel Computers, 1981, section 1.3; there n counts elements of a vector, here
FLOP of a step and device.) r_inf says what a large problem gets, n_half how large it must be; both compare systems.

The fit minimises the sum of squares of log(measured / fitted). Sizes along a path differ by orders of magnitude and so
do their times: plain least squares would follow the largest alone. Noise of times and misfit of the form are both
relative, so that logarithms weigh all sizes alike, and too fast as much as too slow. For a given n_half the best r_inf
is a geometric mean, which leaves one unknown to search. No rate is approached that is lower than one measured: where
scatter puts a size above the fitted r_inf, its rate stands instead, and ends the interval if that ends below it.

Intervals are profile intervals: all values for which the smallest sum of squares exceeds the least by no more than
t^2 s^2, t Student's quantile for N - 2 degrees of freedom and s^2 the least sum / (N - 2) (D. M. Bates and D. G. Watts,
Nonlinear Regression Analysis and Its Applications, 1988, section 6.1). So the scatter of the sizes about the form is
the noise. Where the rates' own intervals are wider, s comes from those. Scatter that has a pattern is no noise, and a
form that fits as well and never saturates leaves no rate to approach: rivals.py.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from reports.analysis import other_forms
from reports.analysis.minimum import least, ratios
from saih.statistics.intervals import student_t

MIN_SIZES = 4
"""Two numbers are fitted; their intervals need sizes left over."""
WORST_MISFIT = 0.5
"""Where a size is off by more than this, either way, the form is another."""
SPAN = 1e6
"""n_half is looked for from the smallest size / SPAN to the largest x SPAN."""
GRID = 300

NO_FORM = "the form does not hold"

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
    if reason := _too_far(path, n_half):
        return reason
    rates = [n / t for n, t in zip(flop, step_s, strict=True)]
    if reason := other_forms.refusal(flop, rates, path.squares(n_half), noise, confidence):
        return f"{NO_FORM}: {reason}"
    ends = path.ends(n_half, noise, confidence)
    if ends is None:
        return "these sizes scatter too much to bound it"
    r_inf, highest = math.exp(path.log_rate(n_half)), max(rates)
    r_inf_ends = ends[0][0], max(ends[0][1], highest)
    misfits = path.misfits(n_half, math.log(r_inf))
    return Hockney(max(r_inf, highest), r_inf_ends, n_half, ends[1], misfits, confidence)


def _too_far(path: _Path, n_half: float) -> str:
    """True if the largest size is too small to show the rate approached, or a size too far off the form."""
    reached = max(path.flop) / (max(path.flop) + n_half)
    if reached < 0.5:
        return f"the largest size reaches {100 * reached:.0f} % of the rate that the fit approaches; half is needed"
    off = max(path.misfits(n_half, path.log_rate(n_half)), key=lambda each: abs(math.log1p(each)))
    if abs(math.log1p(off)) > math.log1p(WORST_MISFIT):
        return f"{NO_FORM}: a size is {100 * off:+.0f} % off, more than a factor of {1 + WORST_MISFIT:g}"
    return ""


@dataclass(frozen=True)
class _Path:
    """The sizes, and what a given n_half makes of them."""

    flop: Sequence[float]
    step_s: Sequence[float]

    def log_rates(self, n_half: float) -> list[float]:
        """log r_inf as each size alone would have it."""
        return [math.log((n + n_half) / t) for n, t in zip(self.flop, self.step_s, strict=True)]

    def log_rate(self, n_half: float) -> float:
        """The best log r_inf: their mean, or the floor."""
        return statistics.fmean(self.log_rates(n_half))

    def misfits(self, n_half: float, log_rate: float) -> tuple[float, ...]:
        """Measured over fitted rate - 1 of each size."""
        return tuple(math.exp(each - log_rate) - 1 for each in self.log_rates(n_half))

    def squares(self, n_half: float) -> float:
        """The least sum of squares with this n_half."""
        found = self.log_rates(n_half)
        middle = sum(found) / len(found)
        return sum((each - middle) ** 2 for each in found)

    def best(self) -> float:
        """The n_half of least squares."""
        return least(self.squares, min(self.flop) / SPAN, max(self.flop) * SPAN, GRID)

    def ends(self, n_half: float, noise: float, confidence: float) -> tuple[Ends, Ends] | None:
        """Profile intervals of r_inf and n_half; None where the upper ends are open."""
        free = len(self.flop) - 2
        lowest_squares = self.squares(n_half)
        allowed = lowest_squares + student_t(confidence, free) ** 2 * max(lowest_squares / free, noise**2)
        low = self._edge(n_half, min(self.flop) / SPAN, allowed)
        high = self._edge(n_half, max(self.flop) * SPAN, allowed)
        if high is None:
            return None
        grid = [n_half, *ratios(low or min(self.flop) / SPAN, high, GRID)]
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
