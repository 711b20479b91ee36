"""The order of samples, and the thread that reads them ahead."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

from apps.cosmoflow.dataset import READY_BATCHES, Batch, Loader, open_loader
from apps.cosmoflow.order import Order
from augment.data.make import make
from augment.data.recipe import Recipe
from augment.data.store import UniverseFile

SAMPLES = np.array([3, 5, 6, 10, 11, 17, 20])


def batch_of(step: int) -> Batch:
    return Batch(torch.full((2, 4, 4, 4, 1), step, dtype=torch.int16), torch.zeros(2, 4), step)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "cosmoflow-loader"]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_ranks_partition_every_epoch(size: int) -> None:
    """7 samples in global batches of 6: batches straddle epochs, and still each epoch holds each sample once."""
    epochs = 6
    batch = 6 // size
    ranks = [Order(SAMPLES, batch, rank, size, seed=1) for rank in range(size)]
    stream = np.concatenate([rank.indices(step) for step in range(len(SAMPLES)) for rank in ranks])
    assert stream.size == epochs * len(SAMPLES)
    for epoch in stream.reshape(epochs, -1):
        assert sorted(epoch) == sorted(SAMPLES)
    assert len({tuple(epoch) for epoch in stream.reshape(epochs, -1)}) > 1


def test_the_order_does_not_depend_on_the_number_of_ranks() -> None:
    one = Order(SAMPLES, 4, 0, 1, seed=5)
    two = [Order(SAMPLES, 2, rank, 2, seed=5) for rank in range(2)]
    for step in range(10):
        np.testing.assert_array_equal(one.indices(step), np.concatenate([rank.indices(step) for rank in two]))
    other_seed = [Order(SAMPLES, 4, 0, 1, seed=6).indices(step).tolist() for step in range(10)]
    assert other_seed != [one.indices(step).tolist() for step in range(10)]


def test_epochs_are_counted_over_all_ranks() -> None:
    order = Order(SAMPLES, 2, 1, 2, seed=1)
    assert [order.epoch(step) for step in range(6)] == [0, 0, 1, 1, 2, 2]


def test_a_batch_larger_than_the_data_set_repeats_it() -> None:
    found = Order(SAMPLES, 21, 0, 1, seed=1).indices(0)
    assert sorted(found) == sorted(SAMPLES.tolist() * 3)


def test_batches_come_in_order_and_are_counted() -> None:
    loader = Loader(batch_of)
    with loader.reading():
        assert [loader.next().epoch for _ in range(5)] == [0, 1, 2, 3, 4]
    assert loader.collect().bytes == 5 * 2 * 4**3 * 2
    assert loader.collect().bytes == 0
    loader.close()


def test_waiting_is_counted() -> None:
    def slowly(step: int) -> Batch:
        time.sleep(0.05)
        return batch_of(step)

    loader = Loader(slowly)
    with loader.reading():
        for _ in range(4):
            loader.next()
    found = loader.collect()
    assert 4 * 0.05 <= found.input_wait_s < 1
    assert found.h2d_s == 0
    assert loader.collect().input_wait_s == 0
    loader.close()


def test_reading_ahead_hides_reading() -> None:
    def quickly(step: int) -> Batch:
        time.sleep(0.02)
        return batch_of(step)

    loader = Loader(quickly)
    with loader.reading():
        loader.next()
        loader.collect()
        for _ in range(4):
            time.sleep(0.1)
            loader.next()
        assert loader.collect().input_wait_s < 4 * 0.02
    loader.close()


def test_nothing_is_read_between_runs() -> None:
    """Else the next run would find batches that it had not paid for."""
    fetched = []

    def fetch(step: int) -> Batch:
        fetched.append(step)
        time.sleep(0.02)
        return batch_of(step)

    loader = Loader(fetch)
    time.sleep(0.1)
    assert fetched == []
    with loader.reading():
        loader.next()
    so_far = list(fetched)
    time.sleep(0.2)
    assert fetched == so_far
    assert len(so_far) <= 1 + READY_BATCHES
    loader.close()


def test_no_more_is_read_ahead_than_agreed() -> None:
    fetched = []

    def fetch(step: int) -> Batch:
        fetched.append(step)
        return batch_of(step)

    loader = Loader(fetch)
    with loader.reading():
        loader.next()
        time.sleep(0.2)
        assert len(fetched) == 1 + READY_BATCHES
    loader.close()


def test_a_failure_surfaces_after_the_good_batches_and_again() -> None:
    def fails(step: int) -> Batch:
        if step == 2:
            raise OSError("the disk is gone")
        return batch_of(step)

    loader = Loader(fails)
    with loader.reading():
        assert [loader.next().epoch, loader.next().epoch] == [0, 1]
        for _ in range(2):
            with pytest.raises(OSError, match="the disk is gone"):
                loader.next()
    loader.close()


def test_closing_leaves_no_thread_and_no_file(tmp_path) -> None:
    file = UniverseFile(make(Recipe(universes=8, edge=8), tmp_path / "a.h5"))
    loader = open_loader(file, 2, 0, 1, 1, torch.device("cpu"))
    with loader.reading():
        loader.next()
        assert threads()
    loader.close()
    loader.close()
    assert threads() == []
    with pytest.raises(ValueError, match=r"[Ii]nvalid"):
        file.read([0])


def test_closing_waits_for_the_read_that_is_under_way() -> None:
    begun, may_end = threading.Event(), threading.Event()
    order: list[str] = []

    def fetch(step: int) -> Batch:
        begun.set()
        may_end.wait(5)
        order.append("read")
        return batch_of(step)

    loader = Loader(fetch, lambda: order.append("released"))
    with loader._changed:
        loader._may_read = True
        loader._changed.notify_all()
    begun.wait(5)
    threading.Timer(0.1, may_end.set).start()
    loader.close()
    assert order == ["read", "released"]


def test_batches_hold_their_samples_and_labels(tmp_path) -> None:
    """Training universes only; what is handed out is what the file says of the samples of that step."""
    file = UniverseFile(make(Recipe(universes=9, edge=8), tmp_path / "a.h5"))
    counts = file.read(range(9))  # before the thread reads: a file serves one thread at a time
    order = Order(np.array([0, 2, 3, 4, 5, 6, 7, 8]), 3, 1, 2, seed=4)
    loader = open_loader(file, 3, 1, 2, 4, torch.device("cpu"))
    with loader.reading():
        for step in range(5):
            batch, indices = loader.next(), order.indices(step)
            np.testing.assert_array_equal(batch.counts.numpy(), counts[indices])
            np.testing.assert_array_equal(batch.labels.numpy(), file.labels[indices])
            assert batch.epoch == order.epoch(step)
            assert 1 not in indices
    assert loader.collect().bytes == 5 * 3 * file.sample_bytes
    loader.close()
