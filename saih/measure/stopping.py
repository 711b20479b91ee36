"""The stopping rule: the rate is known with the requested precision, or the time is up. Pure.

Each check is a chance to stop because an interval happens to be narrow, so checks become rarer. The interval accounts
for the fact that few blocks show little of their correlation (correlated.py). benchmarks/coverage.py measures the
coverage of the stated 95 %, also among the measurements that stopped as precise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from saih.statistics import paired
from saih.statistics.correlated import mean_interval

MIN_ROUNDS = 3
MIN_ROUNDS_NAMED = paired.FEWEST
"""With fewer rounds no difference can be distinguished from noise."""
MIN_ROUNDS_PRECISE = 10
"""Fewer blocks show too little of their correlation."""
LOOK_GROWTH = 1.25
"""The factor in the number of rounds from one check to the next."""
OVERTIME = 3.0
"""The multiple of the time limit up to which long rounds go on, for as many rounds as differences need."""


class End:
    """The stopping rule, asked after each round.

    `target_percent`: half-width of the interval of the mean step, hence of the rate. `max_s`: the time limit.
    """

    def __init__(self, target_percent: float, max_s: float) -> None:
        self._target_percent, self._max_s, self._look_at = target_percent, max_s, MIN_ROUNDS_PRECISE

    def reached(self, block_s: Sequence[float], elapsed_s: float) -> str | None:
        """Return the reason to stop after these blocks, one a round: "precise", else "limit"; None: continue."""
        rounds = len(block_s)
        late = self._late(rounds, elapsed_s)
        if rounds >= self._look_at or (late and rounds >= MIN_ROUNDS_PRECISE):
            self._look_at = math.ceil(LOOK_GROWTH * rounds)
            if precise(block_s, self._target_percent):
                return "precise"
        return "limit" if late else None

    def _late(self, rounds: int, elapsed_s: float) -> bool:
        enough = rounds >= MIN_ROUNDS_NAMED or elapsed_s >= OVERTIME * self._max_s
        return rounds >= MIN_ROUNDS and elapsed_s >= self._max_s and enough


def precise(block_s: Sequence[float], target_percent: float) -> bool:
    """True if the interval of the mean is narrow enough."""
    return mean_interval(block_s, positive=True).half_width_percent <= target_percent
