"""Which rank takes which sample when: every sample once an epoch, whatever the number of ranks."""

from __future__ import annotations

import numpy as np
import pytest

from apps.cosmoflow.input.sample_order import Order, Share

SAMPLES = np.array([3, 5, 6, 10, 11, 17, 20])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_ranks_partition_every_epoch(size: int) -> None:
    """7 samples in global batches of 6: batches straddle epochs, and still each epoch holds each sample once."""
    epochs = 6
    batch = 6 // size
    ranks = [Order(SAMPLES, batch, rank, size, seed=1) for rank in range(size)]
    steps = range(len(SAMPLES))
    stream = np.concatenate([rank.indices(step) for step in steps for rank in ranks])
    assert stream.size == epochs * len(SAMPLES)
    for epoch in stream.reshape(epochs, -1):
        assert sorted(epoch) == sorted(SAMPLES)
    assert len({tuple(epoch) for epoch in stream.reshape(epochs, -1)}) > 1
    counted = np.concatenate([rank.epochs(step) for step in steps for rank in ranks])
    np.testing.assert_array_equal(counted, np.repeat(np.arange(epochs), len(SAMPLES)))


def test_the_order_does_not_depend_on_the_number_of_ranks() -> None:
    one = Order(SAMPLES, 4, 0, 1, seed=5)
    two = [Order(SAMPLES, 2, rank, 2, seed=5) for rank in range(2)]
    for step in range(10):
        np.testing.assert_array_equal(one.indices(step), np.concatenate([rank.indices(step) for rank in two]))
    other_seed = [Order(SAMPLES, 4, 0, 1, seed=6).indices(step).tolist() for step in range(10)]
    assert other_seed != [one.indices(step).tolist() for step in range(10)]


@pytest.mark.parametrize("kind", [Order, Share])
def test_epochs_are_counted_over_all_ranks(kind: type[Order]) -> None:
    order = kind(SAMPLES, 2, 1, 2, seed=1)
    assert [order.epoch(step) for step in range(6)] == [0, 0, 1, 1, 2, 2]


def test_a_batch_larger_than_the_data_set_repeats_it() -> None:
    found = Order(SAMPLES, 21, 0, 1, seed=1).indices(0)
    assert sorted(found) == sorted(SAMPLES.tolist() * 3)


def test_shares_are_apart_and_lose_nothing() -> None:
    shares = [Share(SAMPLES, 2, rank, 3, seed=1) for rank in range(3)]
    assert sorted(np.concatenate([share.samples for share in shares])) == sorted(SAMPLES)
    for share in shares:
        n = len(share.samples)
        stream = np.concatenate([share.indices(step) for step in range(3 * n)]).reshape(6, n)
        assert all(sorted(epoch) == sorted(share.samples) for epoch in stream)
        assert len({tuple(epoch) for epoch in stream}) > 1
        np.testing.assert_array_equal(
            np.concatenate([share.epochs(step) for step in range(3 * n)]), np.repeat(range(6), n)
        )


def test_more_ranks_than_samples_all_have_all() -> None:
    assert sorted(Share(SAMPLES[:2], 1, 2, 3, seed=1).samples) == sorted(SAMPLES[:2])
