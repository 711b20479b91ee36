"""Batches on a CUDA device: the right samples, whatever is under way on its streams."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from apps.cosmoflow.batches import Batches, Shape
from apps.cosmoflow.loader import Loader
from apps.cosmoflow.order import Order
from apps.cosmoflow.sources import hold
from augment.data.storage.reader import SampleReader
from augment.data.storage.transfer import BLOCK_BYTES
from augment.data.volumes.views import View, choose, seen
from tests.sets import random_set

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
    assert cost.h2d_s > 0
    assert cost.bytes == 60 * shape.bytes
