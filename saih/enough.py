"""When blocks are enough: the median step is known as precisely as asked for, or the time is up. Pure.

Every look is a chance to stop because an interval happens to be narrow, and blocks that follow one another are alike:
few of them look more precise than they are. benchmarks/coverage.py measures what is left of the stated 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from saih.stats import independent, serial_median_interval

MIN_ROUNDS = 3
MIN_ROUNDS_PRECISE = 10
"""Fewer blocks show too little of how they are correlated."""
MIN_INDEPENDENT = 6
"""Fewer independent values have no 95 % interval of their median: all of five miss it in 2 of 2^5 cases."""
LOOK_GROWTH = 1.25
"""Looked at again when there are so many times the rounds."""


class End:
    """Says after each round whether it was the last one.

    ``target_percent``: half-width of the interval of the median step. ``max_s``: the time limit.
    """

    def __init__(self, target_percent: float, max_s: float) -> None:
        self._target_percent, self._max_s, self._look_at = target_percent, max_s, MIN_ROUNDS_PRECISE

    def reached(self, block_s: Sequence[float], elapsed_s: float) -> str | None:
        """What ends it after these blocks, one a round: "precise", "limit" where that is not so, or None: nothing."""
        rounds = len(block_s)
        late = rounds >= MIN_ROUNDS and elapsed_s >= self._max_s
        if rounds >= self._look_at or (late and rounds >= MIN_ROUNDS_PRECISE):
            self._look_at = math.ceil(LOOK_GROWTH * rounds)
            if precise(block_s, self._target_percent):
                return "precise"
        return "limit" if late else None


def precise(block_s: Sequence[float], target_percent: float) -> bool:
    """Whether their median is known well enough: its interval is narrow, and not only for neighbours being alike."""
    narrow = serial_median_interval(block_s).half_width_percent <= target_percent
    return narrow and independent(block_s) >= MIN_INDEPENDENT
