"""Telemetry of a real GPU: its counters against one another, and the right GPU under any numbering."""

import json
import os
import subprocess
import sys
import time

import pytest
import torch

from benchmarks.counters import repeat
from saih.diagnosis.suspect import suspect
from saih.peaks import bandwidth
from saih.telemetry import nvml
from saih.telemetry.energy import per_sample
from saih.telemetry.gpu import of_torch
from saih.telemetry.watch import Telemetry
from tests.conftest import ROOT

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]

HOLD = "import torch; x = torch.zeros(2**28, device='cuda'); torch.cuda.synchronize(); print(flush=True); input()"
RENUMBERED = """
import json, torch
from saih.telemetry.gpu import of_torch

gpus = [of_torch(f"cuda:{i}") for i in range(torch.cuda.device_count())]
for i in range(len(gpus)):
    torch.zeros(1, device=f"cuda:{i}")
before = [gpu.memory_used_bytes() for gpu in gpus]
held = torch.zeros(2**30, dtype=torch.uint8, device="cuda:0")
torch.cuda.synchronize()
grown = [gpu.memory_used_bytes() - b for gpu, b in zip(gpus, before)]
print(json.dumps({"uuids": [gpu.uuid() for gpu in gpus], "grown": grown}))
"""


def ranks():
    return {os.getpid(): os.sched_getaffinity(0)}


def work(seconds):
    """Matrix products for as long; at most a few are queued at a time."""
    a, b = (torch.randn(8192, 8192, device="cuda").bfloat16() for _ in range(2))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(20):
            torch.mm(a, b)
        torch.cuda.synchronize()


def test_the_energy_counter_agrees_with_power_over_time():
    work(2)  # power is an average over up to a second: let it settle
    with Telemetry("cuda:0", ranks(), True) as telemetry:
        telemetry.begin()
        with telemetry.block("full"):
            work(3)
        read = telemetry.end()
    print(json.dumps(read, indent=1))
    print("suspect:", suspect([read], {"block_s": {"full": []}}))
    gpu = read["gpu"]
    assert gpu["energy_j"]["full"] == pytest.approx(gpu["power_w"]["median"] * read["seconds"]["full"], rel=0.15)
    assert gpu["energy_j"]["full"] <= gpu["energy_j"]["window"]
    assert gpu["power_w"]["max"] < 1.2 * gpu["power_limit_w"]
    assert per_sample([read], 10)["j_per_sample"] == pytest.approx(gpu["energy_j"]["full"] / 10)
    for name in ("temperature_c", "sm_clock_mhz", "memory_clock_mhz", "throttle_share", "memory_used_bytes"):
        assert gpu[name] is not None, gpu["why"]
    assert read["sampling"]["samples"] > 10
    assert read["allocation_retries"] == 0


def test_short_blocks_have_the_energy_of_one_long_block():
    """The counter is read at the ends of blocks of 0.2 s: what falls between the readings of one is the next one's."""
    work(2)
    with Telemetry("cuda:0", ranks(), True) as telemetry:
        telemetry.begin()
        for _ in range(12):
            with telemetry.block("full"):
                work(0.2)
        read = telemetry.end()
    energy_j, seconds = read["gpu"]["energy_j"], read["seconds"]
    print(energy_j, seconds)
    assert energy_j["full"] / seconds["full"] == pytest.approx(energy_j["window"] / seconds["window"], rel=0.1)


def test_counters_agree_with_what_was_moved_and_computed():
    """Copies move twice their size; products keep the tensor cores busy."""
    x = torch.empty(2**28, device="cuda")
    a = torch.randn(8192, 8192, device="cuda").bfloat16()
    found, moved = [], 0
    for run in (lambda: x.neg_(), lambda: torch.mm(a, a)):
        with Telemetry("cuda:0", ranks(), True) as telemetry:
            repeat(run, 0.5)  # a reading may be of 0.1 s ago
            telemetry.begin()
            runs = repeat(run, 2)
            read = telemetry.end()
        moved = moved or 2 * x.nbytes * runs / read["seconds"]["window"]
        if read["gpu"]["counters"] is None:
            pytest.skip(read["gpu"]["why"]["counters"])
        found.append(read["gpu"]["counters"])
    print(found, moved)
    copies, products = found
    assert copies["tensor_busy_percent"] < 1 < 50 < products["tensor_busy_percent"] < 100
    machine = torch.cuda.get_device_properties(0)
    quoted = bandwidth(machine.name, machine.total_memory)
    if "why" in quoted:
        pytest.skip(quoted["why"])
    assert copies["dram_busy_percent"] == pytest.approx(100 * moved / quoted["memory_bytes_per_s"], rel=0.05)


def test_a_gpu_is_found_by_its_uuid_under_any_numbering():
    count = torch.cuda.device_count()
    names = [f"GPU-{torch.cuda.get_device_properties(i).uuid}" for i in range(count)]
    assert [of_torch(f"cuda:{i}").uuid() for i in range(count)] == names
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ",".join(reversed(names))}
    words = [sys.executable, "-c", RENUMBERED]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["uuids"] == names[::-1]
    assert found["grown"][0] >= 2**30
    assert all(grown < 2**29 for grown in found["grown"][1:])


def test_a_gpu_is_found_by_its_pci_address_where_the_uuid_is_not_known():
    properties = torch.cuda.get_device_properties(0)
    if not hasattr(properties, "pci_bus_id"):
        pytest.skip("this torch does not tell the PCI address")
    address = f"{properties.pci_domain_id:08x}:{properties.pci_bus_id:02x}:{properties.pci_device_id:02x}.0"
    assert nvml.Gpu("GPU-00000000-0000-0000-0000-000000000000", address).uuid() == f"GPU-{properties.uuid}"


def test_another_process_on_the_gpu_is_seen():
    torch.zeros(1, device="cuda")
    alone = watched()
    if alone["other_processes"] is None:
        pytest.skip(alone["why"]["other_processes"])
    other = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        other.stdout.readline()
        beside = watched()
    finally:
        other.communicate(b"\n")
    assert beside["other_processes"] == alone["other_processes"] + 1
    assert beside["memory_used_bytes"]["min"] >= alone["memory_used_bytes"]["max"] + 2**30
    if beside["other_processes_bytes"] is not None:
        assert beside["other_processes_bytes"] >= 2**30


def watched():
    """What is read of the GPU within half a second."""
    with Telemetry("cuda:0", ranks(), True) as telemetry:
        telemetry.begin()
        time.sleep(0.5)
        return telemetry.end()["gpu"]
