"""What a wait for a batch is put down to, and steps that wait for none though batches are read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from apps.cosmoflow.input.batches import Batches
from apps.cosmoflow.input.kept_batches import Unwaited
from apps.cosmoflow.input.loader import Batch, Loader
from apps.cosmoflow.input.prefetch import Shape
from apps.cosmoflow.input.sample_order import Order
from apps.cosmoflow.input.timers import Spent, Waited, divided
from augment.data.reading import direct_io
from augment.data.reading.sample_reader import SampleReader
from tests.sets import random_set
from tests.unit.test_cosmoflow_loader import Made

pytestmark = pytest.mark.slow

HELD = Batch(torch.full((1, 4, 4, 4, 1), -1, dtype=torch.int16), torch.zeros(1, 4))


@pytest.fixture
def start():
    loaders: list[Loader[int]] = []

    def start(
        read: Callable[[int, int], Spent | None], threads: int = 1, parts: int = 1, depth: int = 2
    ) -> Loader[int]:
        loaders.append(Loader(Made(read, parts), threads, depth))
        return loaders[-1]

    yield start
    for loader in loaders:
        loader.close()


def takes(read_s: float, decode_s: float, other_s: float = 0.0) -> Callable[[int, int], Spent]:
    """A part that takes so long, and says what went to reading and decoding."""

    def read(step: int, part: int) -> Spent:
        time.sleep(read_s + decode_s + other_s)
        return Spent(read_s, decode_s)

    return read


def waited(loader: Loader[int], steps: int, step_s: float = 0.0) -> Waited:
    """What ``steps`` steps of ``step_s`` wait for."""
    with loader.reading():
        for _ in range(steps):
            loader.next()
            time.sleep(step_s)
    return loader.collect().waited


@pytest.mark.parametrize(("threads", "parts"), [(1, 1), (3, 1), (4, 4)])
@pytest.mark.parametrize(("read_s", "decode_s"), [(0.03, 0.01), (0.01, 0.03), (0.04, 0.0), (0.0, 0.04)])
def test_a_wait_divides_as_the_work_on_the_batch_does(start, read_s, decode_s, threads, parts) -> None:
    found = waited(start(takes(read_s, decode_s), threads, parts), 5)
    assert found.storage_wait_s + found.decode_wait_s <= found.input_wait_s
    assert found.storage_wait_s + found.decode_wait_s > 0.7 * found.input_wait_s > 0
    told = found.storage_wait_s / (found.storage_wait_s + found.decode_wait_s)
    assert told == pytest.approx(read_s / (read_s + decode_s))


def test_it_is_wall_time_however_many_threads_read(start) -> None:
    """Sixteen threads spend 1.6 s on each batch, and the step waits for 0.1 s."""
    found = waited(start(takes(0.1, 0.0), threads=16, parts=16), 2)
    assert 0.1 < found.storage_wait_s <= found.input_wait_s < 0.8


def test_the_end_of_a_batch_is_put_down_to_all_of_its_work(start) -> None:
    """Reading takes most of it, but is over when the wait begins: without reading there would be no wait."""
    found = waited(start(takes(0.06, 0.02)), 4, step_s=0.05)
    assert 0.04 < found.input_wait_s < 0.3
    assert found.storage_wait_s == pytest.approx(3 * found.decode_wait_s)


def test_what_is_neither_reading_nor_decoding_is_neither(start) -> None:
    found = waited(start(takes(0.005, 0.005, other_s=0.04)), 3)
    assert 0 < found.storage_wait_s < 0.2 * found.input_wait_s
    assert 0 < found.decode_wait_s < 0.2 * found.input_wait_s


def test_a_batch_that_nobody_works_on_is_waited_for_without_a_reason(start, monkeypatch) -> None:
    """As where a batch is put together, or threads do not get their turn."""
    loader = start(takes(0.002, 0.002))
    finish = loader._maker.finish

    def slowly(step: int) -> Batch:
        time.sleep(0.05)
        return finish(step)

    monkeypatch.setattr(loader._maker, "finish", slowly)
    found = waited(loader, 3)
    assert found.input_wait_s > 0.15
    assert found.storage_wait_s + found.decode_wait_s < 0.2 * found.input_wait_s


def test_batches_that_are_there_leave_next_to_nothing_to_divide(start) -> None:
    loader = start(takes(0.01, 0.01))
    waited(loader, 1, 0.1)
    found = waited(loader, 3, step_s=0.1)
    assert found.input_wait_s < 0.03
    assert found.storage_wait_s + found.decode_wait_s <= found.input_wait_s


def test_a_divided_wait_is_never_more_than_the_wait() -> None:
    for busy_s, threads_s in ((2.0, 1.0), (0.5, 4.0), (0.0, 1.0), (1.0, 0.0), (-3e-6, 1.0)):
        found = divided(1.0, busy_s, Spent(0.25 * threads_s, 0.75 * threads_s), threads_s)
        assert 0 <= found.storage_wait_s + found.decode_wait_s <= 1.0
    assert divided(1.0, 0.5, Spent(1.0, 3.0), 4.0) == Waited(1.0, 0.125, 0.375)


def of_files(folder: Path, compression: str | None = None) -> Waited:
    """What steps without any work wait for, of real files of 1 MB samples."""
    universes = random_set(folder, 2, 4, edge=50, compression=compression)
    reader, order = SampleReader(universes), Order(np.arange(universes.samples), 2, 0, 1, seed=1)
    batches = Batches(
        reader.read, order, universes.labels, Shape(2, universes.header.sample_shape), 2, torch.device("cpu")
    )
    loader = Loader(batches, 2, batches.depth, reader.close)
    with loader.reading():
        for _ in range(8):
            loader.next()
    found = loader.collect().waited
    loader.close()
    return found


def test_slow_storage_is_waited_for_as_storage(tmp_path, monkeypatch) -> None:
    real = os.preadv

    def slow(*words: object) -> int:
        time.sleep(0.03)
        return real(*words)

    monkeypatch.setattr(direct_io.os, "preadv", slow)
    found = of_files(tmp_path)
    assert found.storage_wait_s > 0.5 * found.input_wait_s > 0.05
    assert found.storage_wait_s > 3 * found.decode_wait_s


def test_slow_decoding_is_waited_for_as_decoding(tmp_path) -> None:
    found = of_files(tmp_path, "gzip")
    assert found.decode_wait_s > 0.5 * found.input_wait_s > 0.005
    assert found.decode_wait_s > 3 * found.storage_wait_s


def unwaited(loader: Loader[int], steps: int, step_s: float = 0.0) -> float:
    """Seconds that steps take beside readers that nobody waits for."""
    source = Unwaited(loader, HELD)
    begin = time.perf_counter()
    with source.reading():
        for _ in range(steps):
            assert source.next() is HELD
            time.sleep(step_s)
        source.stop()
    took_s = time.perf_counter() - begin
    assert source.collect().waited == Waited()
    source.settle()
    return took_s


def test_nobody_waits_for_batches_that_are_read_all_the_same(start) -> None:
    loader = start(takes(0.2, 0.0))
    assert unwaited(loader, 5, 0.01) < 0.2  # one batch takes as long
    assert len(loader._maker.fetched) >= 1


def test_readers_keep_the_pace_of_the_steps(start) -> None:
    """One batch is dropped a step, where they are there in time, and no more are read."""
    loader = start(takes(0.001, 0.0))
    waited(loader, 1, 0.02)
    unwaited(loader, 10, 0.02)
    assert 9 <= len(loader._maker.fetched) - 3 <= 11  # the first step left two ahead


@pytest.mark.parametrize(("threads", "parts", "depth"), [(1, 1, 2), (1, 4, 2), (4, 3, 3), (8, 1, 5)])
@pytest.mark.parametrize("part_s", [0.0, 0.004, 0.03])
def test_the_next_steps_find_as_much_read_ahead_as_before(start, threads, parts, depth, part_s) -> None:
    """Neither read for free meanwhile, nor used up: else waiting would cost less, or more, beside such steps."""
    loader = start(takes(part_s, 0.0), threads, parts, depth)
    for steps in (1, 2, 5):
        waited(loader, steps)
        ahead, step = loader.parts_ahead(), loader._step
        unwaited(loader, steps, 0.005)
        assert loader.parts_ahead() == ahead
        assert loader._reads == 0
        assert loader._step >= step
        time.sleep(0.01)
        assert loader.parts_ahead() == ahead


def test_batches_go_on_in_order_after_some_were_dropped(start) -> None:
    loader = start(takes(0.001, 0.0), threads=3, parts=2, depth=3)
    waited(loader, 3)
    unwaited(loader, 4, 0.01)
    with loader.reading():
        first = loader.next().epoch
        assert first > 3
        assert [loader.next().epoch for _ in range(5)] == list(range(first + 1, first + 6))


def test_a_failure_is_not_passed_over(start) -> None:
    def fails(step: int, part: int) -> None:
        if step == 2:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        unwaited(start(fails), 10, 0.01)


def test_a_failure_that_nobody_saw_ends_settling_and_is_told_to_the_next(start) -> None:
    def fails(step: int, part: int) -> None:
        time.sleep(0.05)
        if step == 2:
            raise OSError("the disk is gone")

    loader = start(fails)
    waited(loader, 1, 0.2)  # two are ahead
    unwaited(loader, 1)
    with loader.reading(), pytest.raises(OSError, match="the disk is gone"):
        [loader.next() for _ in range(4)]
