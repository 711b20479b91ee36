"""The stopping rule: the rate is known as precisely as asked for, or the time is up. Pure.

Each look is a chance to stop because an interval happens to be narrow, so looks become rarer. The interval knows that
few blocks say little of their correlation (serial.py). benchmarks/coverage.py measures what is left of the stated 95 %,
also among the measurements that stopped as precise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from saih.statistics import paired
from saih.statistics.correlated import mean_interval

MIN_ROUNDS = 3
MIN_ROUNDS_NAMED = paired.FEWEST
"""With fewer rounds no difference is told from noise."""
MIN_ROUNDS_PRECISE = 10
"""Fewer blocks show too little of how they are correlated."""
LOOK_GROWTH = 1.25
"""The next look comes when there are so many times the rounds."""
OVERTIME = 3.0
"""Where rounds are long, those that differences need may take so many times the time limit."""


class End:
    """Decides after each round whether it was the last one.

    ``target_percent``: half-width of the interval of the mean step, hence of the rate. ``max_s``: the time limit.
    """

    def __init__(self, target_percent: float, max_s: float) -> None:
        self._target_percent, self._max_s, self._look_at = target_percent, max_s, MIN_ROUNDS_PRECISE

    def reached(self, block_s: Sequence[float], elapsed_s: float) -> str | None:
        """Return why to stop after these blocks, one a round: "precise", else "limit"; None: go on."""
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
    """True if the interval of their mean is narrow enough."""
    return mean_interval(block_s, positive=True).half_width_percent <= target_percent
