"""Memory told beforehand against the peak of a process that simulates, and a refusal before it is too late."""

import os
import subprocess
import sys

import pytest

from augment.data.recipe import REDSHIFTS
from augment.data.universe import memory
from augment.data.universe.cosmology import Cosmology
from augment.data.universe.memory import check_memory, free_bytes, memory_bytes
from augment.data.universe.simulate import simulate
from augment.errors import DataError
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

MEASURE = """
import sys, torch
from augment.data.universe.cosmology import Cosmology
from augment.data.universe.simulate import simulate
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
torch.set_num_threads(1)
simulate(Cosmology(), 16, 16.0, steps=1)  # what the libraries take on first use
before = peak()
simulate(Cosmology(), 112, 112.0, steps=int(sys.argv[1]))
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("steps", [2, 0])
def test_memory_is_what_was_told(steps):
    # Large arrays go back to the system at once; glibc treats this edge's so if told to.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "262144"}
    command = [sys.executable, "-c", MEASURE, str(steps)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) == pytest.approx(memory_bytes(112, REDSHIFTS, steps), rel=0.15)


def test_memory_grows_with_the_voxels():
    large, small = (memory_bytes(edge, REDSHIFTS, 10) for edge in (512, 256))
    assert large == 8 * small
    assert memory_bytes(256, REDSHIFTS, 0) < small
    assert memory_bytes(256, (9.0, 20.0), 10) == memory_bytes(256, (9.0, 20.0), 0)  # 2LPT alone
    assert small - memory_bytes(256, (0.0,), 10) == 3 * 2 * 256**3


def test_too_little_memory_is_told_before_it_starts(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 8 * 10**9)
    with pytest.raises(DataError, match=r"512\^3 particles need 11\.4 GB, cpu has 8\.0 GB free"):
        simulate(Cosmology(), 512, 512.0)
    check_memory(256, REDSHIFTS, 10, "cpu")


def test_free_memory_of_this_machine():
    assert 2**24 < free_bytes("cpu") < 2**50
