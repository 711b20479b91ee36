"""Ceilings that fit one another raise no doubt; each misfit raises its own."""

import copy

import pytest

from saih import peaks

GIB = 2**30
H100 = {"device": "NVIDIA H100 80GB HBM3", "device_kind": "cuda", "device_memory_bytes": 85_024_112_640}
CPU = {"device": "AMD EPYC", "device_kind": "cpu", "device_memory_bytes": None}
PEAKS = [
    {"precision": precision, "ranks": 2, "flop_per_s": flop_per_s, "spread_percent": 1.0}
    for precision, flop_per_s in (("fp32", 50.6e12), ("tf32", 419e12), ("bf16", 764e12), ("fp16", 760e12))
]
CEILING = {
    "ranks": 2,
    "memory": {"memory_bytes_per_s": 2.9e12, "array_bytes": GIB, "cache_bytes": 50 * 2**20},
    "copies": {"h2d_bytes_per_s": 55e9, "d2h_bytes_per_s": 56e9},
    "launches": {"launch_s": 3e-6, "round_trip_s": 12e-6, "graph_launch_s": 1.3e-6},
    "allreduce": {
        "bus_bytes_per_s": 360e9,
        "entries": [{"ranks": 2, "bytes": 2**28, "seconds": 2**28 / 350e9, "bus_bytes_per_s": 360e9}],
    },
    "storage": {"read_bytes_per_s": 2e9},
}


def doubts(machine=H100, **changes):
    """What is doubtful of an H100 whose parts have other figures: ``memory={...}``."""
    ceiling = copy.deepcopy(CEILING)
    for part, figures in changes.items():
        ceiling[part] = {**ceiling[part], **figures} if isinstance(figures, dict) else figures
    return peaks.doubts(machine, PEAKS, [ceiling])


def arithmetic(precision, flop_per_s, machine=H100):
    found = [peak | {"flop_per_s": flop_per_s} if peak["precision"] == precision else peak for peak in PEAKS]
    return peaks.doubts(machine, found, [CEILING])


def test_figures_of_a_real_machine_raise_no_doubt():
    assert doubts() == []


def test_where_nothing_was_measured_there_is_nothing_to_doubt():
    assert peaks.doubts(H100, [], [{"ranks": 1}]) == []
    nothing = {"bus_bytes_per_s": None, "why": "one rank", "entries": []}
    assert doubts(ranks=1, allreduce=nothing) == []


@pytest.mark.parametrize(("precision", "flop_per_s"), [("bf16", 1.15e15), ("tf32", 575e12), ("fp32", 78e12)])
def test_arithmetic_beyond_what_clocks_explain(precision, flop_per_s):
    (doubt,) = arithmetic(precision, flop_per_s)
    assert doubt.startswith(f"{precision} arithmetic reached ")
    assert "more than the device can do" in doubt


def test_arithmetic_that_higher_clocks_explain_is_no_doubt():
    """All of an SXM module's units at 1980 MHz; its datasheet computes with 1830."""
    assert arithmetic("bf16", 132 * 4096 * 1.98e9) == []


def test_arithmetic_beyond_all_that_cores_can_do():
    machine = CPU | {"core_limit": {"flop_per_cycle": {"fp32": 64}, "extensions": ["avx512f"], "clock_hz": 3e9}}
    machine["core_limit"]["clock_source"] = "cpuinfo_max_freq"
    peak = {"precision": "fp32", "ranks": 1, "flop_per_s": 400e9}
    (doubt,) = peaks.doubts(machine, [peak], [{"ranks": 1}], 2)
    assert "more than the device can do, 3.84e+11 (2 cores x 3 GHz (cpuinfo_max_freq) x 64 FLOP a cycle" in doubt
    assert peaks.doubts(machine, [peak], [{"ranks": 1}], 4) == []
    assert peaks.doubts(machine, [peak], [{"ranks": 1}]) == []  # cores are not known


def test_arithmetic_far_below_the_datasheet():
    assert ["shared or throttled" in doubt for doubt in arithmetic("bf16", 60e12)] == [True]


def test_a_faster_datapath_that_is_slower_than_fp32():
    (doubt,) = [doubt for doubt in arithmetic("tf32", 50e12) if "slower than fp32" in doubt]
    assert doubt.startswith("tf32")


def test_a_processor_without_a_bf16_datapath_may_be_slower_in_it():
    assert arithmetic("bf16", 1e9, CPU) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"memory": {"memory_bytes_per_s": 3.6e12}}, "memory reached 107 % of the datasheet"),
        ({"memory": {"memory_bytes_per_s": 0.3e12}, "allreduce": {"bus_bytes_per_s": 0.2e12}}, "shared or throttled"),
        ({"memory": {"array_bytes": 128 * 2**20}}, "may be the cache's rate"),
        ({"copies": {"h2d_bytes_per_s": 5e12}}, "copies (h2d) reached"),
        ({"copies": {"d2h_bytes_per_s": 5e12}}, "copies (d2h) reached"),
        ({"launches": {"launch_s": 4e-9}}, "launch_s = 4e-09"),
        ({"launches": {"graph_launch_s": 2e-3}}, "graph_launch_s = 0.002"),
        ({"launches": {"round_trip_s": 1e-6}}, "that is waited for"),
        ({"allreduce": {"bus_bytes_per_s": 4e12}}, "all-reduce reached"),
        ({"ranks": 1}, "all-reduce of one rank"),
    ],
)
def test_a_misfit_is_told(changes, says):
    (doubt,) = doubts(**changes)
    assert says in doubt


def test_an_all_reduce_whose_bytes_over_time_give_more_than_its_best():
    entry = CEILING["allreduce"]["entries"][0] | {"seconds": 2**28 / 700e9}
    (doubt,) = doubts(allreduce={"entries": [entry]})
    assert "bytes over time give 7e+11 B/s" in doubt


def test_a_hosts_storage_is_not_faster_than_its_memory():
    quiet = {"bus_bytes_per_s": 5e9, "entries": []}
    memory, storage = {"memory_bytes_per_s": 100e9}, {"read_bytes_per_s": 250e9}
    (doubt,) = doubts(CPU, memory=memory, storage=storage, allreduce=quiet)
    assert doubt.startswith("storage, a rank, reached 1.25e+11 B/s")
