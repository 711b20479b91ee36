"""Telemetry's pure parts, and one real watch over this process."""

import json
import os
import re
import threading
import time

import pytest

from saih.diagnosis.suspect import suspect
from saih.telemetry import energy, gpu
from saih.telemetry.readings import Meter, Readings, Series, Unreadable, growth, summary
from saih.telemetry.sampler import Sampler
from saih.telemetry.watch import Telemetry

STEADY = {"min": 1700.0, "median": 1750.0, "max": 1800.0, "early": 1750.0, "late": 1740.0}
GPU = {
    "uuid": "GPU-a",
    "energy_scope": "GPU board",
    "energy_j": {"window": 900.0, "full": 600.0},
    "power_limit_w": 700.0,
    "sm_clock_mhz": STEADY,
    "memory_clock_mhz": STEADY,
    "throttle_share": {"gpu_idle": 0.1},
    "other_processes": 0,
    "other_processes_bytes": 0,
    "why": {},
}
HOST = {
    "cores": [0, 1, 2, 3],
    "energy_scope": "CPU packages 0 + DRAM",
    "energy_j": {"window": 90.0, "full": 60.0},
    "others_cores": 0.01,
    "throttled_cores": [],
    "why": {},
}
RANK = {
    "host": "a",
    "device": "cpu",
    "seconds": {"window": 6.0, "full": 4.0},
    "allocation_retries": None,
    "gpu": None,
    "host_cpu": HOST,
    "cpu_clock_mhz": STEADY,
    "why": {},
}
QUOTA = {"cores": 0.3, "group": "/job", "periods": 50, "throttled_periods": 27, "throttled_s": 12.34}
GPU_RANK = RANK | {"device": "cuda:0", "allocation_retries": 0, "gpu": GPU}
NO_BLOCKS = {"block_s": {"full": []}}


def lacking(source, why):
    return source | {"energy_j": None, "why": {"energy_j": why}}


def test_energy_of_a_sample_counts_every_gpu_once():
    shared, other = GPU_RANK, GPU_RANK | {"gpu": GPU | {"uuid": "GPU-b"}}
    same_name_elsewhere = GPU_RANK | {"host": "b"}
    assert energy.per_sample([GPU_RANK], 100)["j_per_sample"] == 6
    assert energy.per_sample([GPU_RANK, shared], 100)["j_per_sample"] == 6
    found = energy.per_sample([GPU_RANK, other, same_name_elsewhere], 100)
    assert found["j_per_sample"] == 18
    assert "(4 s) / their samples; 3 x GPU board: NVML's energy counter; the hosts are not in it" in found["method"]


def test_energy_of_a_sample_counts_every_host_once():
    second = RANK | {"host_cpu": None}
    other = RANK | {"host": "b", "host_cpu": HOST | {"energy_scope": "CPU packages 0, 1 + DRAM"}}
    found = energy.per_sample([RANK, second, other], 60)
    assert found["j_per_sample"] == 2
    assert "CPU packages 0 + DRAM; CPU packages 0, 1 + DRAM: RAPL" in found["method"]


@pytest.mark.parametrize(
    ("telemetry", "why"),
    [
        ([], "no telemetry was taken"),
        ([RANK, RANK | {"host": "b", "host_cpu": lacking(HOST, "permission denied")}], "b: permission denied"),
        ([GPU_RANK, GPU_RANK | {"host": "b", "gpu": lacking(GPU, "not supported")}], "b: not supported"),
        ([GPU_RANK | {"gpu": None, "why": {"gpu": "no driver"}}], "a: no driver"),
        ([RANK | {"host_cpu": HOST | {"energy_j": {"window": 90.0}}}], "a: the full blocks were not told apart"),
        ([RANK | {"host_cpu": HOST | {"energy_j": {"full": 0.0}}}], "the energy counters did not move within 4 s"),
    ],
)
def test_without_a_counter_there_is_no_energy_but_a_reason(telemetry, why):
    found = energy.per_sample(telemetry, 100)
    assert list(found) == ["why"]
    assert why in found["why"]


def test_a_quiet_steady_point_is_not_suspect():
    blocks = {"block_s": {"full": [[1.0, 1.01], [1.02, 0.99], [0.99, 1.0]] * 4}}
    assert suspect([GPU_RANK, RANK], blocks) == []
    unread = GPU | dict.fromkeys(("sm_clock_mhz", "memory_clock_mhz", "throttle_share", "other_processes"))
    dark = HOST | {"others_cores": None, "throttled_cores": None}
    assert suspect([GPU_RANK | {"gpu": unread, "host_cpu": dark}, GPU_RANK | {"gpu": None}], blocks) == []
    assert suspect([RANK | {"cpu_clock_mhz": None}, RANK | {"cpu_clock_mhz": STEADY | {"late": None}}], blocks) == []


FALLEN = STEADY | {"early": 1800.0, "late": 1620.0}


@pytest.mark.parametrize(
    ("rank", "reason"),
    [
        (GPU_RANK | {"allocation_retries": 3}, "rank 0 on a: memory was so short .* 3 times"),
        (GPU_RANK | {"gpu": GPU | {"sm_clock_mhz": FALLEN}}, "the GPU's clock fell by 10 % .* from 1800 to 1620 MHz"),
        (GPU_RANK | {"gpu": GPU | {"memory_clock_mhz": FALLEN}}, "the GPU memory's clock fell by 10 %"),
        (
            GPU_RANK | {"gpu": GPU | {"throttle_share": {"hw_thermal_slowdown": 0.02}}},
            r"slowed down by its hardware for heat, in 2 % of the samples \(hw_thermal_slowdown\)",
        ),
        (
            GPU_RANK | {"gpu": GPU | {"other_processes": 2, "other_processes_bytes": 3 * 2**30}},
            "2 other processes used the GPU and held 3.0 GiB",
        ),
        (
            GPU_RANK | {"gpu": GPU | {"other_processes": 1, "other_processes_bytes": None}},
            "1 other process used the GPU$",
        ),
        (RANK | {"cpu_clock_mhz": FALLEN}, "rank 0 on a: the cores' clock fell by 10 %"),
        (
            RANK | {"host_cpu": HOST | {"others_cores": 0.3}},
            r"^a: others kept 0.3 of the ranks' 4 cores busy \(8 % of them\)",
        ),
        (RANK | {"host_cpu": HOST | {"throttled_cores": [2]}}, "1 of the ranks' 4 cores throttled for heat"),
        (
            GPU_RANK | {"cpu_quota": QUOTA},
            r"^rank 0 on a: its control group's CPU quota of 0.3 cores held it back in 54 % of the periods \(12.3 s\)",
        ),
    ],
)
def test_every_disturbance_is_named_with_its_numbers(rank, reason):
    (found,) = suspect([rank], NO_BLOCKS)
    assert re.search(reason, found["words"]), found


def test_what_lies_within_the_thresholds_is_not_named():
    capped = GPU | {"throttle_share": {"sw_power_cap": 0.9, "applications_clocks_setting": 1.0, "sync_boost": 1.0}}
    gpu_rank = GPU_RANK | {"gpu": capped | {"sm_clock_mhz": STEADY | {"early": 1800.0, "late": 1720.0}}}
    assert suspect([gpu_rank, RANK | {"host_cpu": HOST | {"others_cores": 0.19}}], NO_BLOCKS) == []
    rarely = RANK | {"cpu_quota": QUOTA | {"periods": 100, "throttled_periods": 1}}
    assert suspect([rarely, RANK | {"cpu_quota": QUOTA | {"periods": 0, "throttled_periods": 0}}], NO_BLOCKS) == []
    clock_of_a_waiting_host = GPU_RANK | {"cpu_clock_mhz": FALLEN}
    assert suspect([clock_of_a_waiting_host], NO_BLOCKS) == []


def test_steps_that_grow_slower_are_named_and_noise_is_not():
    growing = [[1.0 + 0.01 * i, 0.5] for i in range(12)]
    (reason,) = suspect([], {"block_s": {"full": growing}})
    assert reason["cause"] == "slower"
    assert "8 % slower" in reason["words"]  # medians of 1.00 to 1.03 and of 1.08 to 1.11
    overlapping = [*growing[:11], [1.0, 0.5]]
    assert suspect([], {"block_s": {"full": overlapping}}) == []
    assert suspect([], {"block_s": {"full": growing[::2]}}) == []


def test_a_series_keeps_its_extremes_and_its_trend():
    values = iter([5.0, 1.0, 2.0, 4.0, 9.0, 8.0, 7.0])
    series = Series(lambda: next(values))
    with pytest.raises(Unreadable, match="no sample"):
        summary(series)
    for _ in range(5):
        series.sample()
    assert summary(series) == {"min": 1, "median": 4, "max": 9, "early": None, "late": None}
    series.sample()
    series.sample()
    assert summary(series) == {"min": 1, "median": 5, "max": 9, "early": 3, "late": 7.5}


def test_energy_is_told_by_part_from_readings_in_between(monkeypatch):
    """100 W, then 300 W from second 4 on, in the order of time: a reading every second, in the middle of its 0.2 s."""
    clock = iter(x / 10 for second in range(11) for x in (10 * second - 1, 10 * second + 1))
    monkeypatch.setattr("saih.telemetry.readings.time.perf_counter", lambda: next(clock))
    joules = iter([0, 100, 200, 300, 400, 700, 1000, 1300, 1600, 1900, 2200])
    meter = Meter(lambda: next(joules))
    for _ in range(11):
        meter.sample()
    spans = {"window": [(0, 10)], "full": [(1, 2), (3.5, 4.5), (6, 7)], "rest": [(7.25, 7.5)]}
    assert meter.energy_j(spans) == pytest.approx({"window": 2200, "full": 100 + 200 + 300, "rest": 75})


def test_a_meter_that_cannot_be_read_says_why():
    def fail():
        raise Unreadable("not supported")

    meter = Meter(fail)
    meter.sample()
    with pytest.raises(Unreadable, match="not supported"):
        meter.energy_j({"full": [(0, 1)]})


def test_a_reading_that_fails_is_null_with_its_reason_and_not_tried_again():
    tries = []

    def fail():
        tries.append(1)
        raise Unreadable("not supported")

    series = Series(fail)
    series.sample()
    series.sample()
    found = Readings()
    found.take("clock", series.values)
    found.take("power", lambda: 5)
    assert found.to_dict() == {"clock": None, "power": 5, "why": {"clock": "not supported"}}
    assert len(tries) == 1


def test_reasons_of_clocks_have_shares():
    assert gpu.shares([["a"], ["a", "b"], [], ["a"]]) == {"a": 0.75, "b": 0.25}


def test_other_processes_of_a_gpu_are_told_from_ours():
    ours = {10, 11}
    assert gpu.not_ours([(10, 5), (11, 5)], ours) == []
    assert gpu.not_ours([(10, 5), (99, 7)], ours) == [(99, 7)]
    elsewhere_numbered = [(500, 5), (600, 7)]
    assert len(gpu.not_ours(elsewhere_numbered, ours)) == 1
    seen = [[(10, 5)], [(10, 5), (98, 3), (99, 4)], [(10, 5), (99, None)]]
    assert gpu.most_others(seen, ours) == 2
    assert gpu.most_bytes_of_others(seen[:2], ours) == 7
    assert gpu.most_bytes_of_others(seen[:1], ours) == 0
    with pytest.raises(Unreadable, match="how much memory"):
        gpu.most_bytes_of_others(seen, ours)
    with pytest.raises(Unreadable, match="lists no process"):
        gpu.most_others([[], []], ours)


def test_threads_belong_to_their_process():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        assert {os.getpid(), thread.native_id} <= gpu.threads([os.getpid()])
    finally:
        stop.set()
        thread.join()
    assert gpu.threads([2**30]) == {2**30}


def test_a_real_watch_says_what_it_read_or_why_not():
    with Telemetry("cpu", {os.getpid(): os.sched_getaffinity(0)}, host_first=True) as telemetry:
        telemetry.begin()
        for part in ("full", "without_input", "full"):
            with telemetry.block(part):
                end = time.monotonic() + 0.15
                while time.monotonic() < end:
                    sum(range(1000))
        read = telemetry.end()
    json.dumps(read, allow_nan=False)
    seconds = read["seconds"]
    assert seconds["full"] + seconds["without_input"] <= seconds["window"]
    assert seconds["full"] > seconds["without_input"] >= 0.15
    for sampling in ("sampling", "energy_sampling"):
        assert read[sampling]["samples"] >= 3  # at the start, at the end, and in between
        assert 0 < read[sampling]["cpu_s"] < seconds["window"]
    for place in (read, read["host_cpu"]):
        unknown = {name for name, value in place.items() if value is None} - {"energy_scope"}
        assert unknown == set(place["why"])
        assert all(place["why"].values())
    assert read["host_cpu"]["others_cores"] is not None


def test_nobody_waits_for_a_first_sample_that_fails(monkeypatch):
    """Neither `begin` nor `stop` hangs where a reading raises what nobody expected."""

    def fail():
        raise RuntimeError("unexpected")

    monkeypatch.setattr(threading, "excepthook", lambda *_: None)
    sampler = Sampler([fail], 0.01)
    sampler.start()
    sampler.begin()
    sampler.stop()
    assert sampler.to_dict()["samples"] == 0


def test_a_rank_that_is_not_its_hosts_first_reads_nothing_of_the_host():
    with Telemetry("cpu", {os.getpid(): {0}}, host_first=False) as telemetry:
        telemetry.begin()
        read = telemetry.end()
    assert read["host_cpu"] is None
    assert read["why"]["host_cpu"] == "read by the first rank of the host"


@pytest.mark.parametrize("begun", [False, True])
def test_nothing_is_left_of_a_watch_whose_measurement_failed(begun):
    def fail():
        with Telemetry("cpu", {os.getpid(): {0}}, host_first=True) as telemetry:
            if begun:
                telemetry.begin()
            raise ValueError("the application's")

    with pytest.raises(ValueError, match="the application's"):
        fail()
    assert "telemetry" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    "joules",
    [[100.0, 200.0, 5.0, 300.0], [100.0, 50.0, 120.0, 300.0], [1.8e16, 0.0, 1.0, 2.0]],
    ids=["reset", "fell", "wrapped"],
)
def test_an_energy_counter_that_fell_gives_no_energy_of_any_part(joules):
    told = iter(joules)
    meter = Meter(lambda: next(told))
    for _ in joules:
        meter.sample()
    with pytest.raises(Unreadable, match=r"the energy counter \(J\): fell from .* the counter wrapped or was reset"):
        meter.energy_j({"full": [(0.0, 1e9)]})


def test_a_counter_that_stands_still_has_not_fallen():
    assert growth("x", 5, 5) == 0
    assert growth("x", 5, 7) == 2
