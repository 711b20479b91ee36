"""Hockney's two numbers of a growth path: the rate approached, and the problem size that reaches half of it. Pure.

    time(n) = (n + n_half) / r_inf,   hence   rate(n) = n / time(n) = r_inf / (1 + n_half / n)

(R. W. Hockney and C. R. Jesshope, Parallel Computers, 1981, section 1.3; there n counts elements of a vector, here
FLOP of a step and device.) r_inf is the rate of a very large problem, n_half the size that reaches half of it; both
compare systems.

The fit minimises the sum of squares of log(measured / fitted). Sizes along a path differ by orders of magnitude and so
do their times: plain least squares would follow the largest alone. Noise of times and misfit of the form are both
relative, so that logarithms weigh all sizes alike, and deviations to both sides alike. For a given n_half the best
r_inf is a geometric mean, which leaves one unknown to search. The rate approached is at least the highest rate
measured: if scatter puts a size above the fitted r_inf, its rate replaces r_inf and, if necessary, the upper end of the
interval.

Intervals are profile intervals: all values for which the smallest sum of squares exceeds the least by no more than
t^2 s^2, t Student's quantile for N - 2 degrees of freedom and s^2 the least sum / (N - 2) (D. M. Bates and D. G. Watts,
Nonlinear Regression Analysis and Its Applications, 1988, section 6.1). So the scatter of the sizes about the form is
the noise. If the rates' own intervals are wider, s comes from those. Scatter with a pattern is not noise, and a form
that fits as well and never saturates leaves no rate to approach: see other_forms.py.
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
"""Least number of sizes: two numbers are fitted, and their intervals need sizes left over."""
WORST_MISFIT = 0.5
"""Largest relative misfit of a size, either way, with which the form still holds."""
SPAN = 1e6
"""The search for n_half runs from the smallest size / SPAN to the largest x SPAN."""
GRID = 300

NO_FORM = "the form does not hold"

Ends = tuple[float, float]


@dataclass(frozen=True)
class Hockney:
    """Hockney's two numbers with their intervals, and the misfit of each size.

    `r_inf` is in FLOP/s of a device, `n_half` in FLOP of a step and device. `misfits` are measured over fitted rate - 1
    of each size, in the order given.
    """

    r_inf: float
    r_inf_ends: Ends
    n_half: float
    n_half_ends: Ends
    misfits: tuple[float, ...]
    confidence: float

    @property
    def worst(self) -> int:
        """The index of the size with the largest misfit, by factor."""
        return max(range(len(self.misfits)), key=lambda i: abs(math.log1p(self.misfits[i])))


def fit(flop: Sequence[float], step_s: Sequence[float], noise: float = 0.0, confidence: float = 0.95) -> Hockney | str:
    """Return the fit to sizes (FLOP of a step and device) and step times in s, or the reason why there is none.

    All sizes and times are above 0. `noise` is the relative standard deviation of the times, as far as it is known.
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
    """Return a reason if the largest size is too small to show the rate approached, or a size too far off the form."""
    reached = max(path.flop) / (max(path.flop) + n_half)
    if reached < 0.5:
        return f"the largest size reaches {100 * reached:.0f} % of the rate that the fit approaches; half is needed"
    off = max(path.misfits(n_half, path.log_rate(n_half)), key=lambda misfit: abs(math.log1p(misfit)))
    if abs(math.log1p(off)) > math.log1p(WORST_MISFIT):
        return f"{NO_FORM}: a size is {100 * off:+.0f} % off, more than a factor of {1 + WORST_MISFIT:g}"
    return ""


@dataclass(frozen=True)
class _Path:
    """The sizes of a growth path with their step times, and the best fit for a given n_half."""

    flop: Sequence[float]
    step_s: Sequence[float]

    def log_rates(self, n_half: float) -> list[float]:
        """Return log r_inf according to each size alone."""
        return [math.log((n + n_half) / t) for n, t in zip(self.flop, self.step_s, strict=True)]

    def log_rate(self, n_half: float) -> float:
        """Return the best log r_inf: the mean over the sizes."""
        return statistics.fmean(self.log_rates(n_half))

    def misfits(self, n_half: float, log_rate: float) -> tuple[float, ...]:
        """Return measured over fitted rate - 1 of each size."""
        return tuple(math.exp(each - log_rate) - 1 for each in self.log_rates(n_half))

    def squares(self, n_half: float) -> float:
        """Return the least sum of squares with this n_half."""
        logs = self.log_rates(n_half)
        middle = sum(logs) / len(logs)
        return sum((log - middle) ** 2 for log in logs)

    def best(self) -> float:
        """Return the n_half of least squares."""
        return least(self.squares, min(self.flop) / SPAN, max(self.flop) * SPAN, GRID)

    def ends(self, n_half: float, noise: float, confidence: float) -> tuple[Ends, Ends] | None:
        """Return the profile intervals of r_inf and n_half; None if the upper ends are open."""
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
        """Return the n_half at which the squares pass `allowed`, or None if they stay below.

        The search bisects from `inside`, within the interval, to `outside`, far out.
        """
        if self.squares(outside) <= allowed:
            return None
        for _ in range(100):
            middle = math.sqrt(inside * outside)
            inside, outside = (middle, outside) if self.squares(middle) <= allowed else (inside, middle)
        return inside
