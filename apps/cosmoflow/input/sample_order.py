"""The order in which a rank trains on samples.

One endless stream of samples: a fresh permutation of the training samples for every epoch. Step i over all ranks takes
the stream's items [i G, (i + 1) G), G the global batch, and rank r the r-th equal part of these. So within an epoch no
sample comes twice and none is left out, and the stream does not depend on the number of ranks.

If a rank can reach only samples of its own (`Share`), each has a stream of its own.
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
        """Return the samples (batch,) that this rank takes in `step`."""
        epochs, places = self._items(step)
        parts = [self._permutation(int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)]
        samples: Indices = self._samples[np.concatenate(parts)]
        return samples

    def epochs(self, step: int) -> Indices:
        """Return the epoch (batch,) of each of these samples, from 0."""
        return self._items(step)[0]

    def epoch(self, step: int) -> int:
        """Return the epoch in which `step` begins, from 0; the same on every rank."""
        return step * self._size * self._batch // len(self._samples)

    def _items(self, step: int) -> tuple[Indices, Indices]:
        first = (step * self._size + self._rank) * self._batch
        return np.divmod(np.arange(first, first + self._batch), len(self._samples))

    def _permutation(self, epoch: int) -> Indices:
        return _permutation(len(self._samples), self._seed, epoch)


class Share(Order):
    """A rank's equal share of the samples, the same in every epoch and shuffled anew in each.

    No two ranks share a sample, unless there are fewer samples than ranks: then each has all. The epoch for the
    learning rate is still counted over all ranks.
    """

    def __init__(self, samples: Indices, batch: int, rank: int, size: int, seed: int) -> None:
        super().__init__(samples, batch, rank, size, seed)
        own = samples if len(samples) < size else np.array_split(samples, size)[rank]
        self.samples = own
        self._own = Order(own, batch, 0, 1, int(np.random.SeedSequence([seed, rank]).generate_state(1)[0]))

    def indices(self, step: int) -> Indices:
        """Return the samples (batch,) that this rank takes in `step`."""
        return self._own.indices(step)

    def epochs(self, step: int) -> Indices:
        """Return the number of times (batch,) that this rank had gone through its share before each of them."""
        return self._own.epochs(step)


@lru_cache(maxsize=2)
def _permutation(n: int, seed: int, epoch: int) -> Indices:
    return np.random.default_rng([seed, epoch]).permutation(n)
