"""The minimum of a function of one variable: a grid of equal ratios, then the golden section. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable


def ratios(low: float, high: float, n: int) -> list[float]:
    """Return `n` numbers from `low` to `high` in equal ratios."""
    return [low * (high / low) ** (i / (n - 1)) for i in range(n)]


def least(of: Callable[[float], float], low: float, high: float, grid: int, rounds: int = 80) -> float:
    """Return the argument at which `of` is least between two positive numbers, near the best of a grid.

    The search runs over logarithms; each round narrows it by a factor of 0.62.
    """
    places = ratios(low, high, grid)
    values = [of(place) for place in places]
    best = min(range(1, grid - 1), key=values.__getitem__)
    return math.exp(_golden(lambda x: of(math.exp(x)), math.log(places[best - 1]), math.log(places[best + 1]), rounds))


def _golden(of: Callable[[float], float], low: float, high: float, rounds: int) -> float:
    golden = (math.sqrt(5) - 1) / 2
    a, b = high - golden * (high - low), low + golden * (high - low)
    at_a, at_b = of(a), of(b)
    for _ in range(rounds):
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - golden * (high - low)
            at_a = of(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + golden * (high - low)
            at_b = of(b)
    return (low + high) / 2
