"""Which samples a rank trains on when.

One endless stream of samples: a fresh permutation of the training samples for every epoch. Step i over all ranks takes
the stream's items [i G, (i + 1) G), G the global batch, and rank r the r-th equal part of these. So within an epoch no
sample comes twice and none is left out, and the stream does not depend on the number of ranks.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


class Order:
    """The samples of every batch of one rank: a pure function of its arguments."""

    def __init__(self, samples: Indices, batch: int, rank: int, size: int, seed: int) -> None:
        self._samples, self._batch, self._rank, self._size, self._seed = samples, batch, rank, size, seed

    def indices(self, step: int) -> Indices:
        """Samples (batch,) that this rank takes in `step`."""
        first = (step * self._size + self._rank) * self._batch
        epochs, places = np.divmod(np.arange(first, first + self._batch), len(self._samples))
        parts = [self._permutation(int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)]
        found: Indices = self._samples[np.concatenate(parts)]
        return found

    def epoch(self, step: int) -> int:
        """The epoch in which `step` begins, from 0."""
        return step * self._size * self._batch // len(self._samples)

    def _permutation(self, epoch: int) -> Indices:
        return _permutation(len(self._samples), self._seed, epoch)


@lru_cache(maxsize=2)
def _permutation(n: int, seed: int, epoch: int) -> Indices:
    return np.random.default_rng([seed, epoch]).permutation(n)
