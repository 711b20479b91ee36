"""Large blocks are compared with themselves in slabs: equal where they are right, told where they are not."""

import pytest
import torch

from apps.cosmoflow.network.architecture import describe
from apps.cosmoflow.network.module import make
from apps.cosmoflow.training import sanity
from saih.app import Execution

CPU = torch.device("cpu")
RUN = Execution(1, 2, "fp32", "plain", "synthetic")


def findings(slab_error):
    return sanity.Findings(loss=0.1, finite=True, checksum=1, block_error=0.0, slab_error=slab_error)


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch):
    monkeypatch.setattr(sanity, "LARGE_NUMBERS", 2**10)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("slab_numbers", [1, 2**12, 2**20])
def test_slabs_are_the_whole(monkeypatch, depth, slab_numbers):
    monkeypatch.setattr(sanity, "SLAB_NUMBERS", slab_numbers)
    net = describe(16, 1 / 8, depth)
    block = make(net, seed=1).blocks[0]
    error = sanity.slab_error(block, block, net, RUN, CPU)
    assert 0 <= error < 1e-6
    assert sanity.doubt([findings(error)], "fp32", 1e-5) is None


def test_a_part_that_is_wrong_without_a_word_is_found():
    net = describe(16, 1 / 8)
    block = make(net, seed=1).blocks[0]

    def overflowing(volumes):
        found = block(volumes).clone()
        found[-1, -1, -2:] = 0
        return found

    error = sanity.slab_error(block, overflowing, net, RUN, CPU)
    assert error > 0.01
    assert "from the same computed in slabs" in sanity.doubt([findings(error)], "fp32", 1e-5)


def test_small_blocks_are_not_computed_twice(monkeypatch):
    monkeypatch.setattr(sanity, "LARGE_NUMBERS", 2**30)
    assert sanity.slab_error(make(describe(16), 1).blocks[0], None, describe(16), RUN, CPU) == 0.0
