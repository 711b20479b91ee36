"""The depth of reading ahead of the steps, and the parts of a batch. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

PART_BYTES = 2**20  # a part is at least this, so that small samples are not handed from thread to thread one by one
MOST_AHEAD_BYTES = 8 * 2**30
LEAST_THREADS, MOST_THREADS = 4, 8
"""Bounds for the reading threads of a rank: by default the number of its cores, unless data.threads is set."""


@dataclass(frozen=True)
class Shape:
    """The shape of a batch: samples, and (edge, edge, edge, redshifts) of each."""

    batch: int
    sample: tuple[int, int, int, int]

    @property
    def bytes(self) -> int:
        """The bytes of the int16 counts."""
        return 2 * self.batch * math.prod(self.sample)

    @property
    def parts(self) -> int:
        """The number of parts of a batch for reading."""
        return min(self.batch, max(1, self.bytes // PART_BYTES))

    def depth(self, threads: int) -> int:
        """Return the batches ahead: enough for a part for every thread while one batch waits, within memory bounds."""
        wanted = 1 + -(-threads // self.parts)
        return max(2, min(wanted, MOST_AHEAD_BYTES // self.bytes))
