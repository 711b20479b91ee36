"""How far batches are read ahead of the steps, and in what parts. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

PART_BYTES = 2**20  # a part is at least this, so that small samples are not handed from thread to thread one by one
MOST_AHEAD_BYTES = 8 * 2**30
LEAST_THREADS, MOST_THREADS = 4, 8
"""Of a rank, unless data.threads says otherwise: its cores, within these."""


@dataclass(frozen=True)
class Shape:
    """Of a batch: samples, and (edge, edge, edge, redshifts) of each."""

    batch: int
    sample: tuple[int, int, int, int]

    @property
    def bytes(self) -> int:
        """Of the int16 counts."""
        return 2 * self.batch * math.prod(self.sample)

    @property
    def parts(self) -> int:
        """Into how many parts a batch is divided for reading."""
        return min(self.batch, max(1, self.bytes // PART_BYTES))

    def depth(self, threads: int) -> int:
        """Batches ahead: enough for every thread to have a part while one batch waits, within bounds of memory."""
        wanted = 1 + -(-threads // self.parts)
        return max(2, min(wanted, MOST_AHEAD_BYTES // self.bytes))
