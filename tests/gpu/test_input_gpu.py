"""Batches on a CUDA device: the right samples, whatever is under way on its streams."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
import torch

from apps.cosmoflow import APP, training
from apps.cosmoflow.input.batches import Batches, Shape
from apps.cosmoflow.input.loader import Loader
from apps.cosmoflow.input.sample_order import Order
from apps.cosmoflow.input.sources import hold
from apps.cosmoflow.input.timers import Reading, stall
from augment.data.reading import direct_io
from augment.data.reading.direct_io import BLOCK_BYTES
from augment.data.reading.sample_reader import SampleReader
from augment.data.volumes.views import View, choose, seen
from tests.gpu.test_planted_gpu import OnDevice
from tests.sets import random_set
from tests.unit.test_cosmoflow_training import point

CYCLES = 1.5e9
"""Of a device's clock in about a second."""

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]


@pytest.mark.parametrize("threads", [1, 8])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("direct", [False, True])
def test_batches_on_the_device_hold_their_samples(tmp_path, direct: bool, turned: bool, threads: int) -> None:
    """While the device is kept busy, buffers are filled again and again: none may be filled before it was copied."""
    universes, batch, cuda = random_set(tmp_path, universes=6, samples=4, edge=32), 4, torch.device("cuda")
    truth = torch.from_numpy(hold(universes, range(universes.samples), 4)).to(cuda)

    def view(sample: int, epoch: int) -> View:
        return choose(("symmetries", "shifts"), 1, epoch, sample, 32)

    reader, order = SampleReader(universes, direct), Order(np.arange(universes.samples), batch, 0, 1, seed=1)
    shape = Shape(batch, universes.header.sample_shape)
    batches = Batches(reader.read, order, universes.labels, shape, threads, cuda, view if turned else None)
    assert all(buffer.is_pinned() and buffer.data_ptr() % BLOCK_BYTES == 0 for buffer in batches._counts)
    loader, wrong = Loader(batches, threads, batches.depth, reader.close), []
    busy = torch.randn(2048, 2048, device=cuda)
    with loader.reading():
        for step in range(60):
            found = loader.next()
            busy = (busy @ busy).clamp(-1, 1)  # the batch is looked at long after it was handed out
            for place, sample, epoch in zip(found.counts, order.indices(step), order.epochs(step), strict=True):
                expected = truth[sample]
                if turned:
                    expected = seen(expected, view(int(sample), int(epoch)))
                wrong.append((place != expected).any())
            labels = torch.from_numpy(universes.labels[order.indices(step)]).to(cuda)
            wrong.append((found.labels != labels).any())
    cost = loader.collect()
    loader.close()
    assert not torch.stack(wrong).any()
    torch.cuda.synchronize()
    assert cost.phases()["h2d_s"] > 0
    assert cost.bytes == 60 * shape.bytes


def test_a_stall_for_a_copy_is_timed_and_one_that_was_made_ahead_costs_nothing() -> None:
    """The compute stream waits for a copy that another stream makes after 0.1 s of other work, and for a made one."""
    cuda = torch.device("cuda")
    compute, copying = torch.cuda.current_stream(cuda), torch.cuda.Stream(cuda)
    ready = torch.cuda.Event()
    torch.cuda.synchronize()
    with torch.cuda.stream(copying):
        torch.cuda._sleep(int(0.1 * CYCLES))
        ready.record()
    begin = time.perf_counter()
    stalled = stall(compute, ready)
    assert time.perf_counter() - begin < 0.05  # the host does not wait
    assert stalled is not None
    torch.cuda.synchronize()
    seconds = Reading(stalls=[stalled]).phases()["copy_wait_s"]
    assert 0.02 < seconds < 0.5  # clocks of devices differ
    assert stall(compute, ready) is None


def test_work_that_is_queued_before_the_copy_is_not_its_stall() -> None:
    """The copy ends while the device still computes: it is not waited for, however late the host asks."""
    cuda = torch.device("cuda")
    compute, copying, ready = torch.cuda.current_stream(cuda), torch.cuda.Stream(cuda), torch.cuda.Event()
    torch.cuda.synchronize()
    with torch.cuda.stream(copying):
        torch.cuda._sleep(int(0.02 * CYCLES))
        ready.record()
    torch.cuda._sleep(int(0.2 * CYCLES))
    stalled = stall(compute, ready)
    torch.cuda.synchronize()
    assert Reading(stalls=[stalled] if stalled else []).phases()["copy_wait_s"] < 1e-3


@pytest.mark.parametrize("slow_s", [0.0, 0.05])
def test_training_waits_for_input_only_where_it_should(tmp_path, monkeypatch, slow_s: float) -> None:
    """Real training with all its variants; slow reads are waited for as storage, and not without waiting."""
    real = os.preadv

    def slow(*words: object) -> int:
        time.sleep(slow_s)
        return real(*words)

    monkeypatch.setattr(direct_io.os, "preadv", slow)
    APP.prepare(OnDevice(), [wanted := point(tmp_path, batch=4, precision="bf16")])
    work = training.build(OnDevice(), wanted)
    unwaited, without = work.without("input_wait"), work.without("input")
    took = {}
    for name, each in (("full", work), ("unwaited", unwaited), ("without", without)):
        assert each is not None
        for n in (2, 8):
            torch.cuda.synchronize()
            begin = time.perf_counter()
            ran = each.run(n)
            torch.cuda.synchronize()
            took[name] = time.perf_counter() - begin
            found = ran.finished()
        if name == "full":
            phases = found.phases
        else:
            assert set(found.phases.values()) == {0.0}
    work.close()
    assert 0 <= phases["copy_wait_s"] < phases["input_wait_s"] + took["full"]
    assert phases["h2d_s"] > 0
    assert phases["storage_wait_s"] + phases["decode_wait_s"] <= phases["input_wait_s"]
    if slow_s:
        assert phases["storage_wait_s"] > 0.5 * took["full"] > took["unwaited"]
