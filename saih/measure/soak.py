"""The times of a soak's blocks: at most a fixed number, however long it lasts. Pure."""

from __future__ import annotations

import statistics
from typing import Any

MOST_KEPT = 200
"""The most blocks kept of a soak, which may last for hours."""
ENDS = 10
"""The first and the last of this many equal parts show the change of the step time."""


class Soaked:
    """Blocks of `block_steps` steps that were run for `asked_s` seconds before the measurement."""

    def __init__(self, asked_s: float, block_steps: int) -> None:
        self._asked_s, self._block_steps = asked_s, block_steps
        self._blocks, self._every, self._seconds = 0, 1, 0.0
        self._kept: list[tuple[float, float]] = []

    def add(self, ended_s: float, block_s: float) -> None:
        """Add a block that ended `ended_s` seconds after the soak began, and took `block_s` on the slowest rank."""
        if self._blocks % self._every == 0:
            self._kept.append((ended_s, block_s / self._block_steps))
        self._blocks, self._seconds = self._blocks + 1, ended_s
        if len(self._kept) > MOST_KEPT:
            self._kept, self._every = self._kept[::2], 2 * self._every

    def to_dict(self) -> dict[str, Any]:
        """Return the soak in the form of the record.

        `at_s`, in seconds since the start, and `step_s` are of every `every`-th block. `first_step_s` and `last_step_s`
        are the medians of the first and of the last tenth of those.
        """
        steps = [step_s for _, step_s in self._kept]
        end = max(1, len(steps) // ENDS)
        return {
            "asked_s": self._asked_s,
            "seconds": self._seconds,
            "steps": self._blocks * self._block_steps,
            "block_steps": self._block_steps,
            "every": self._every,
            "at_s": [at_s for at_s, _ in self._kept],
            "step_s": steps,
            "first_step_s": statistics.median(steps[:end]),
            "last_step_s": statistics.median(steps[-end:]),
        }
