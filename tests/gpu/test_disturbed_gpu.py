"""An allocator that runs out of room and must ask again, on a real GPU: counted by the watch, and named."""

import os

import pytest
import torch

from saih.diagnosis.suspect import MEMORY, suspect
from saih.telemetry.watch import Telemetry

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]

GIB = 2**30


def retries(*sizes):
    """What the watch tells while tensors of so many GiB are made and let go, one after the other, within 3 GiB."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved(0) + 3 * GIB) / total, 0)
    try:
        with Telemetry("cuda:0", {os.getpid(): os.sched_getaffinity(0)}, host_first=True) as telemetry:
            telemetry.begin()
            for size in sizes:
                torch.empty(int(size * GIB), dtype=torch.uint8, device="cuda:0")  # let go at once: the cache keeps it
            return telemetry.end()
    finally:
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(1.0, 0)


def named(read):
    return [each for each in suspect([read], {"block_s": {"full": []}}) if each["cause"] == MEMORY]


def test_an_allocation_that_needs_the_cache_back_makes_a_point_suspect():
    read = retries(2.0, 2.5)
    assert read["allocation_retries"] == 1
    (reason,) = named(read)
    assert "emptied its cache and asked again, 1 times" in reason["words"]


def test_one_that_the_cache_serves_does_not():
    read = retries(2.5, 2.0)
    assert read["allocation_retries"] == 0
    assert named(read) == []
