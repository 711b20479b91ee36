"""Universes on a CUDA device: the CPU's but for rounding, the same bytes every time, in the memory that was told."""

import numpy as np
import pytest
import torch

from augment.data.recipe import REDSHIFTS
from augment.data.universe.cosmology import Cosmology
from augment.data.universe.memory import memory_bytes
from augment.data.universe.simulate import simulate
from augment.data.volumes.spectrum import cross_correlation
from augment.errors import DataError

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]


@pytest.mark.parametrize("steps", [0, 10])
def test_devices_agree_up_to_rounding(steps):
    cpu, gpu = (simulate(Cosmology(), 64, 128.0, device=device, steps=steps) for device in ("cpu", "cuda"))
    assert (cpu != gpu).mean() < (1e-4 if steps == 0 else 0.01)
    assert (gpu.sum(axis=(0, 1, 2), dtype=np.int64) == 64**3).all()
    assert cross_correlation(cpu, gpu, [0.5, 16.0, 31.5]).min() > 0.999


@pytest.mark.parametrize("edge", [64, 200])
def test_same_bytes_every_time(edge):
    first, again = (simulate(Cosmology(), edge, 64.0, device="cuda").tobytes() for _ in range(2))
    assert first == again


@pytest.mark.parametrize("steps", [0, 2])
def test_memory_is_what_was_told(steps):
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    simulate(Cosmology(), 256, 256.0, device="cuda", steps=steps)
    told = memory_bytes(256, REDSHIFTS, steps, "cuda")
    assert torch.cuda.max_memory_allocated() == pytest.approx(told, rel=0.15)


def test_a_universe_too_large_for_the_device():
    with pytest.raises(DataError, match=r"4096\^3 particles need .* GB, cuda has .* GB free"):
        simulate(Cosmology(), 4096, 4096.0, device="cuda")
