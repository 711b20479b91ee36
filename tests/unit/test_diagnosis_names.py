"""Names that fit: what a GPU waits for of its host, work from caches, how near arithmetic comes; on known points."""

import pytest

from saih.diagnosis import diagnose
from saih.diagnosis.words import duration
from tests.made_points import CEILINGS, LAUNCH_S, STEPS, Truth, passes, product

GAPS = Truth((product(0.2),), gaps_s=0.8)


def host_of(truth=GAPS, handed=None, ceilings=CEILINGS, **run):
    """The cause "host" of a GPU's point whose host handed out for a share of the blocks' time."""
    samples = truth.samples()
    if handed is not None:
        samples["handed_out_s"] = [[handed * seconds for seconds in block] for block in samples["block_s"]["full"]]
    found = diagnose(truth.metrics(samples), samples, ceilings, "cuda", run)
    return next(cause for cause in found["causes"] if cause["cause"] == "host")


@pytest.mark.parametrize(
    ("explained", "kind"),
    [(0.15, "framework"), (0.28, "framework"), (0.49, "framework"), (0.51, "launches"), (3.0, "launches")],
)
def test_launching_that_explains_half_of_the_gaps_is_their_kind_and_else_it_is_the_framework(explained, kind):
    told = host_of(GAPS.but(operations=explained * 0.8 / LAUNCH_S), handed=1.0)
    assert told["kind"] == kind
    assert told["verdict"] == f"host-bound ({kind})"
    assert f"{100 * min(explained, 1.0):.0f} % of it" in told["evidence"]
    assert ("interpreter and framework" in told["evidence"]) == (kind == "framework")
    assert "handing out work for 100 % of the blocks' time" in told["evidence"]


def test_both_figures_of_a_small_network_are_told():
    """Edge 32 on an H200: 104 kernels, and gaps of 3.4 ms of 5.24."""
    truth = Truth((product(1.84e-3),), gaps_s=3.4e-3, operations=104)
    told = host_of(truth, ceilings=CEILINGS | {"launch_s": 4.78e-6})
    assert told["evidence"].startswith("For 3.4 ms of 5.24 ms (65 %, 3.4 ms to 3.4 ms) the device is idle for want of")
    assert (
        "104 kernels x 4.78 µs of launching one explain 497 µs, 15 % of it; the rest is other work" in told["evidence"]
    )


def test_without_the_cost_of_a_launch_the_kind_is_not_known():
    told = host_of(ceilings=CEILINGS | {"launch_s": None})
    assert (told["kind"], told["verdict"]) == (None, "host-bound")
    assert "not known" in told["evidence"]


def test_a_host_that_was_ahead_is_not_said_to_launch_slowly():
    told = host_of(GAPS.but(operations=0.9 * 0.8 / LAUNCH_S), handed=0.3)
    assert told["kind"] is None
    assert "It was ahead: the gaps may be the device's own." in told["evidence"]


@pytest.mark.parametrize(("explained", "kind"), [(0.3, "framework"), (0.9, None)])
def test_kernels_of_a_graph_are_launched_together_so_that_their_number_only_rules_launches_out(explained, kind):
    told = host_of(GAPS.but(operations=explained * 0.8 / LAUNCH_S), execution="graphed")
    assert told["kind"] == kind
    assert ("at most" in told["evidence"]) == (kind == "framework")


@pytest.mark.parametrize("near", [1.22, 2.26, 2.9])
def test_work_from_caches_is_drawn_and_never_named(near):
    found = Truth((passes(0.7, near), product(0.3))).diagnosis()
    assert found["shares"]["cache"] == pytest.approx(0.7)
    assert [cause["cause"] for cause in found["causes"]] == ["compute"]
    assert "Work of 700 ms of 1 s (70 %) runs from caches" in found["evidence"]
    assert "No ceiling of caches was measured" in found["evidence"]
    assert not any(f"{100 * near:.0f} %" in text for text in (found["evidence"], found["causes"][0]["help"]))


def test_a_step_that_runs_from_caches_is_undetermined():
    found = Truth((passes(1.0, 2.0),)).diagnosis()
    assert (found["verdict"], found["causes"]) == ("undetermined", [])
    assert found["evidence"].startswith("Work from caches 100 %;")


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_little_more_than_the_bandwidth_is_at_the_ceiling(device):
    (told,) = Truth((passes(1.0, 1.05),), device=device).diagnosis()["causes"]
    assert told["cause"] == "memory"
    assert "(at the ceiling of memory bandwidth" in told["evidence"]


def test_cores_that_others_took_do_not_make_traffic_look_cached():
    """Judged by its share of the cores the pass would be at 160 % of the bandwidth."""
    samples = Truth((passes(1.0, 0.8),), device="cpu").samples()
    cpu = {"cores": [0, 1], "others_cores": 1.0, "throttled_cores": []}
    samples["telemetry"] = [
        {"host": "a", "device": "cpu", "gpu": None, "allocation_retries": None, "host_cpu": cpu, "cpu_clock_mhz": None}
    ]
    (told,) = diagnose(Truth((passes(1.0, 0.8),), device="cpu").metrics(), samples, CEILINGS, "cpu")["causes"]
    assert told["cause"] == "memory"


@pytest.mark.parametrize(
    ("near", "reached", "help_"),
    [
        (0.41, "reaches 41 % of the ceiling", "at most 2.4 times as fast"),
        (0.79, "reaches 79 % of the ceiling", "at most 1.3 times as fast"),
        (0.81, "reaches 81 % of the ceiling", "The device does what it is for"),
        (1.04, "reaches the whole of the ceiling", "The device does what it is for"),
    ],
)
def test_compute_bound_states_the_share_it_reaches_and_what_better_kernels_could_gain(near, reached, help_):
    (told,) = Truth((product(1.0, near),)).diagnosis()["causes"]
    assert told["cause"] == "compute"
    assert reached in told["evidence"]
    assert help_ in told["help"]
    assert ("what it is for" in told["help"]) == (near >= 0.8)


@pytest.mark.parametrize(
    ("near", "words"), [(1.04, "4.0 % faster: the ceiling is a sustained rate"), (1.5, "can compute at any clock")]
)
def test_arithmetic_beyond_its_ceiling_is_at_it_and_why_is_said(near, words):
    """What clocks can explain is not called a fault, and what physics forbids is."""
    (told,) = Truth((product(1.0, near),)).diagnosis(CEILINGS | {"flop_per_s_limit": 1.3e12})["causes"]
    assert words in told["evidence"]
    assert "(at the ceiling of arithmetic" in told["evidence"]
    assert f"{100 * near:.0f} %" not in told["evidence"]


def test_parts_that_blocks_tell_have_intervals_and_work_has_none():
    truth = Truth((product(0.5), passes(0.3)), input_s=0.4, comm_s=0.3, gaps_s=0.2, late=(0.0, 0.3),
                  phases={"h2d_s": 0.1})  # fmt: skip
    found = truth.diagnosis()
    assert set(found["intervals"]) == {"input", "communication", "straggler", "host"}
    for name, (low, high) in found["intervals"].items():
        assert low == pytest.approx(found["shares"][name]) == pytest.approx(high), name


def test_a_stragglers_evidence_has_its_interval():
    samples = Truth(late=(0.0, 0.0)).samples()
    samples["block_s"]["without_communication"] = [[STEPS * 1.0, STEPS * (1.3 + 0.01 * i)] for i in range(9)]
    for variant in ("full", "without_input"):
        samples["block_s"][variant] = [[max(row)] * 2 for row in samples["block_s"]["without_communication"]]
    told = diagnose(Truth(late=(0.0, 0.0)).metrics(samples), samples, CEILINGS, "cuda")
    (late,) = (cause for cause in told["causes"] if cause["cause"] == "straggler")
    assert late["low_s"] < 0.34 < late["high_s"]
    assert f"of the step, {duration(late['low_s'])} to {duration(late['high_s'])})" in late["evidence"]
