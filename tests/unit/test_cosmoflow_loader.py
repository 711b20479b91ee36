"""The threads that read batches ahead: in order, in parallel, only when they may, and never for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
import torch

from apps.cosmoflow.input.loader import THREAD_NAME, Batch, Loader
from apps.cosmoflow.input.timers import Spent

DEPTH = 2


class Made:
    """Batches whose parts `read(step, part)` makes, and may tell what went to it; `step` is all that is in them."""

    def __init__(self, read: Callable[[int, int], Spent | None] = lambda step, part: None, parts: int = 1) -> None:
        self._read, self.parts = read, parts
        self.fetched: list[tuple[int, int]] = []

    def begin(self, step: int) -> int:
        return step

    def read(self, step: int, part: int) -> Spent:
        self.fetched.append((step, part))
        return self._read(step, part) or Spent()

    def finish(self, step: int) -> Batch:
        return Batch(torch.full((2, 4, 4, 4, 1), step, dtype=torch.int16), torch.zeros(2, 4), step)


@pytest.fixture
def start():
    """Starts loaders and closes them at the end."""
    loaders: list[Loader[int]] = []

    def start(maker: Made, threads: int = 1, depth: int = DEPTH) -> Loader[int]:
        loaders.append(Loader(maker, threads, depth))
        return loaders[-1]

    yield start
    for loader in loaders:
        loader.close()
    assert threads_alive() == []


def threads_alive() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(THREAD_NAME)]


def sleeping(seconds: float) -> Callable[[int, int], None]:
    return lambda step, part: time.sleep(seconds)


@pytest.mark.parametrize(("threads", "parts", "depth"), [(1, 1, 2), (4, 1, 5), (4, 3, 3), (8, 8, 2)])
def test_batches_come_in_order_and_are_counted(start, threads: int, parts: int, depth: int) -> None:
    """Whichever part is read last, and whichever batch is whole first."""
    maker = Made(lambda step, part: time.sleep(0.002 * ((7 * step + 3 * part) % 5)), parts)
    loader = start(maker, threads, depth)
    with loader.reading():
        assert [loader.next().epoch for _ in range(20)] == list(range(20))
    assert loader.collect().bytes == 20 * 2 * 4**3 * 2
    assert loader.collect().bytes == 0
    assert len(set(maker.fetched)) == len(maker.fetched)


@pytest.mark.parametrize(("parts", "depth"), [(4, 2), (1, 8)])
def test_parts_and_batches_are_read_at_the_same_time(start, parts: int, depth: int) -> None:
    """Four threads meet, again and again: each waits in its part until all four are there."""
    barrier = threading.Barrier(4)
    meetings = 8 * parts // 4

    def meet(step: int, part: int) -> None:
        if (step * parts + part) // 4 < meetings:
            barrier.wait(10)

    loader = start(Made(meet, parts), threads=4, depth=depth)
    with loader.reading():
        assert [loader.next().epoch for _ in range(8)] == list(range(8))


def test_waiting_is_counted(start) -> None:
    loader = start(Made(sleeping(0.05)))
    with loader.reading():
        for _ in range(4):
            loader.next()
    found = loader.collect()
    assert 4 * 0.05 <= found.waited.input_wait_s < 1
    assert found.phases()["h2d_s"] == found.phases()["copy_wait_s"] == 0
    assert loader.collect().waited.input_wait_s == 0


def test_reading_ahead_hides_reading(start) -> None:
    loader = start(Made(sleeping(0.02)))
    with loader.reading():
        loader.next()
        loader.collect()
        for _ in range(4):
            time.sleep(0.1)
            loader.next()
        assert loader.collect().waited.input_wait_s < 4 * 0.02


def test_nothing_is_read_between_runs(start) -> None:
    """Else the next run would find batches that it had not paid for; what was under way is waited for."""
    maker = Made(sleeping(0.05), parts=2)
    loader = start(maker, threads=4, depth=4)
    time.sleep(0.1)
    assert maker.fetched == []
    with loader.reading():
        loader.next()
    so_far = list(maker.fetched)
    assert loader.collect().waited.input_wait_s >= 0.05
    assert loader._reads == 0
    time.sleep(0.2)
    assert maker.fetched == so_far
    with loader.reading():
        assert [loader.next().epoch for _ in range(4)] == [1, 2, 3, 4]


@pytest.mark.parametrize(("threads", "parts", "depth"), [(1, 1, 2), (8, 1, 3), (8, 4, 2)])
def test_no_more_is_read_ahead_than_agreed(start, threads: int, parts: int, depth: int) -> None:
    maker = Made(parts=parts)
    loader = start(maker, threads, depth)
    with loader.reading():
        loader.next()
        time.sleep(0.2)
        assert len(maker.fetched) == (1 + depth) * parts


def fails_at(step: int, part: int) -> Callable[[int, int], None]:
    def read(at_step: int, at_part: int) -> None:
        time.sleep(0.01)
        if (at_step, at_part) == (step, part):
            raise OSError("the disk is gone")

    return read


@pytest.mark.parametrize(("threads", "parts"), [(1, 1), (4, 1), (4, 3)])
def test_a_failure_surfaces_after_the_good_batches_and_again(start, threads: int, parts: int) -> None:
    loader = start(Made(fails_at(2, parts - 1), parts), threads, depth=6)
    with loader.reading():
        assert [loader.next().epoch, loader.next().epoch] == [0, 1]
        for _ in range(2):
            with pytest.raises(OSError, match="the disk is gone"):
                loader.next()
    with loader.reading(), pytest.raises(OSError, match="the disk is gone"):
        loader.next()


@pytest.mark.parametrize("where", ["begin", "finish"])
def test_so_does_a_failure_before_or_after_reading(start, monkeypatch, where: str) -> None:
    maker = Made()
    good = getattr(maker, where)

    def fails(step: int) -> object:
        if step == 1:
            raise MemoryError("no memory left")
        return good(step)

    monkeypatch.setattr(maker, where, fails)
    loader = start(maker, threads=2, depth=4)
    with loader.reading():
        assert loader.next().epoch == 0
        with pytest.raises(MemoryError, match="no memory left"):
            loader.next()


def test_closing_waits_for_the_reads_that_are_under_way_and_twice_is_no_fault() -> None:
    begun, may_end = threading.Event(), threading.Event()
    order: list[str] = []

    def read(step: int, part: int) -> None:
        begun.set()
        may_end.wait(5)
        order.append("read")

    loader = Loader(Made(read), 1, DEPTH, lambda: order.append("released"))
    assert threads_alive()
    loader.allow()
    begun.wait(5)
    threading.Timer(0.1, may_end.set).start()
    loader.close()
    assert order == ["read", "released"]
    assert threads_alive() == []
    loader.close()
