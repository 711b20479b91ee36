"""Metrics from hand-made samples whose results follow by arithmetic."""

import math
from dataclasses import replace

import pytest

from saih import metrics
from saih.app import Cost, Execution, MetricSpec
from saih.metrics.shares import shares
from saih.peaks import datasheet
from saih.statistics.correlated import mean_interval

COST = Cost(1000, 300, 50, 64, 900)
RUN = Execution(2, 4, "fp32", "plain", "dataset")
CEILING = {
    "flop_per_s": 1e5, "flop_per_s_low": 0.96e5, "flop_per_s_high": 1.03e5, "flop_per_s_interval": "within-run, 95 %",
    "flop_per_s_method": "sustained: matrix product", "flop_per_s_suspect": [], "flop_per_s_limit": None,
    "why": {"flop_per_s_limit": "unheard of"},
}  # fmt: skip
SAMPLES = {
    "block_steps": 5,
    "block_s": {
        "full": [[1.0, 0.5], [0.8, 1.0], [2.0, 1.0]],
        "without_communication": [[0.75, 0.5], [0.5, 0.75], [1.75, 1.0]],
    },
    "phases_s": {"input_wait_s": [[0.1, 0.2], [0.1, 0.1], [0.3, 0.0]]},
    "read_bytes": [[100, 100], [100, 100], [100, 100]],
    "values": {},
    "background": [],
    "telemetry": [],
}


@pytest.fixture
def found():
    return metrics.compute(SAMPLES, COST, RUN, datasheet("NVIDIA H200", "fp32"), CEILING)


def test_throughput_is_total_samples_over_total_time_of_the_slowest_rank(found):
    assert found["samples_per_s"]["value"] == pytest.approx(3 * 5 * 2 * 4 / 4.0)


def test_step_is_the_median_block(found):
    assert found["step_s"]["value"] == pytest.approx(1.0 / 5)
    assert 0 < found["step_s"]["low"] < 0.2
    assert found["step_s"]["high"] > 0.4  # three blocks tell little: beyond all of them
    assert found["step_s"]["interval"] == "within-run, the median of blocks, 95 %"


def test_a_rate_has_the_interval_of_the_mean_block(found):
    """Of the same kind and confidence in samples and in FLOP, and not that of the median step."""
    rate, speed = found["samples_per_s"], found["flop_per_s_per_device"]
    blocks = mean_interval([1.0, 1.0, 2.0], positive=True)
    assert (rate["low"], rate["high"]) == pytest.approx((40 / blocks.high, 40 / blocks.low))
    assert speed["low"] / speed["value"] == pytest.approx(rate["low"] / rate["value"])
    assert rate["interval"] == speed["interval"] == "within-run, the mean of blocks, 95 %"


def test_flops_are_a_device_and_percentages_of_the_stated_peak(found):
    assert found["flop_per_s_per_device"]["value"] == pytest.approx(1000 * 30 / 2)
    assert found["percent_of_measured_peak"]["value"] == pytest.approx(15.0)
    assert found["percent_of_peak"]["value"] == pytest.approx(100 * 15000 / 67e12)


def test_what_communication_costs_is_the_median_difference_of_neighbours(found):
    assert found["exposed_comm_s"]["value"] == pytest.approx(0.25 / 5)


def test_waiting_is_the_slowest_ranks(found):
    assert found["input_wait_s"]["value"] == pytest.approx((0.2 + 0.1 + 0.3) / 15)
    assert found["read_bytes_per_s"]["value"] == pytest.approx(600 / 4.0)


def test_background_reading_is_the_sum_of_the_hosts_rates(found):
    none = found["background_read_bytes_per_s"]
    assert (none["value"], none["why"]) == (None, "no background reading was asked for")
    host = {"bytes": 3000, "seconds": 2.0, "files": 4, "direct_files": 4, "shares_cores": False}
    other = host | {"bytes": 500, "seconds": 1.0, "direct_files": 3, "shares_cores": True}
    run = replace(RUN, background_read_mb_s=1.0)
    one = metrics.compute(SAMPLES | {"background": [host]}, COST, run, datasheet("x", "fp32"), CEILING)
    two = metrics.compute(SAMPLES | {"background": [host, other]}, COST, run, datasheet("x", "fp32"), CEILING)
    assert one["background_read_bytes_per_s"]["value"] == 1500
    assert one["background_read_bytes_per_s"]["method"].endswith("O_DIRECT; on cores of their own")
    assert two["background_read_bytes_per_s"]["value"] == 2000
    assert "pages dropped" in two["background_read_bytes_per_s"]["method"]
    assert two["background_read_bytes_per_s"]["shares_cores"] is True


def test_what_is_unknown_is_null_and_says_why(found):
    names = ("exposed_input_s", "h2d_s", "read_s", "decode_s", "energy_j_per_sample", "launch_gap_s", "busy_s")
    for name in (*names, "forward_s", "optimiser_s", "layer_bound_s", "intensity_flop_per_byte"):
        assert found[name]["value"] is None
        assert found[name]["why"]


def test_every_metric_has_unit_direction_and_method(found):
    for name, entry in found.items():
        assert entry["unit"], name
        assert entry["better"] in ("higher", "lower", "none")
        assert entry["method"]


def test_an_unknown_device_has_no_datasheet_peak():
    entry = metrics.compute(SAMPLES, COST, RUN, datasheet("Unheard Of", "fp32"), CEILING)["percent_of_peak"]
    assert entry["value"] is None
    assert "Unheard Of" in entry["why"]


def test_a_v100_has_no_bf16():
    assert "no datapath for bf16" in datasheet("Tesla V100-SXM2-32GB", "bf16")["why"]


def test_one_rank_does_not_communicate():
    run = Execution(1, 4, "fp32", "plain", "dataset")
    samples = SAMPLES | {"block_s": {"full": [[1.0], [1.0]]}, "phases_s": {}, "read_bytes": [[0], [0]]}
    found = metrics.compute(samples, COST, run, datasheet("x", "fp32"))
    assert found["exposed_comm_s"]["value"] == 0.0
    assert found["percent_of_measured_peak"]["why"] == "the ceiling was not measured"


def share(rate=None, **changes):
    """The share of a changed ceiling, of blocks of one second, or of a rate with this interval."""
    run = Execution(1, 4, "fp32", "plain", "dataset")
    samples = SAMPLES | {
        "block_s": {"full": [[1.0], [1.0]]},
        "phases_s": {},
        "read_bytes": [[0]] * 2,
    }
    found = metrics.compute(samples, COST, run, datasheet("x", "fp32"), CEILING | changes)
    if rate:
        found["flop_per_s_per_device"] |= dict(zip(("low", "high", "interval"), rate, strict=True))
    return shares(found, datasheet("NVIDIA H200", "fp32"), CEILING | changes)


def test_a_share_is_as_uncertain_as_rate_and_ceiling_together():
    """20 samples/s of 1000 FLOP are 20 % of 1e5; the rate reaches 3 % either way, the ceiling 4 % down and 3 up."""
    found = share(rate=(19_400, 20_600, "bootstrap, 95 %"))["percent_of_measured_peak"]
    assert found["value"] == pytest.approx(20)
    assert found["low"] == pytest.approx(20 * (1 - math.hypot(0.03, 1 - 1 / 1.03)))
    assert found["high"] == pytest.approx(20 * (1 + math.hypot(0.03, 1 / 0.96 - 1)))
    assert found["interval"] == "rate (bootstrap, 95 %) and ceiling (within-run, 95 %) in quadrature"
    assert found["ceiling"] == {"flop_per_s": 1e5, "low": 0.96e5, "high": 1.03e5, "suspect": []}


def test_a_share_of_the_datasheet_is_as_uncertain_as_the_rate():
    found = share(rate=(19_000, 22_000, "bootstrap, 95 %"))["percent_of_peak"]
    assert (found["low"] / found["value"], found["high"] / found["value"]) == pytest.approx((0.95, 1.1))
    assert found["interval"] == "bootstrap, 95 %"


def test_a_ceiling_without_an_interval_adds_none_and_says_so():
    found = share(rate=(19_000, 22_000, "x"), flop_per_s_low=None)["percent_of_measured_peak"]
    assert (found["low"], found["high"]) == pytest.approx((19, 22))
    assert found["interval"] == "the rate's alone, the ceiling's is not known: x"


def test_a_share_of_a_suspect_ceiling_says_so():
    found = share(flop_per_s_suspect=["n1: others kept 1 of the ranks' 2 cores busy"])["percent_of_measured_peak"]
    assert found["method"].endswith("the ceiling is suspect: n1: others kept 1 of the ranks' 2 cores busy")
    assert found["ceiling"]["suspect"]


@pytest.mark.parametrize(("ceiling", "beyond"), [(1e5, False), (19900.0, False), (19000.0, True)])
def test_a_rate_beyond_the_ceilings_interval_is_kept_with_the_right_words(ceiling, beyond):
    """Steady blocks at 20,000 FLOP/s; the ceilings reach 3 % further up."""
    ends = {"flop_per_s": ceiling, "flop_per_s_low": 0.96 * ceiling, "flop_per_s_high": 1.03 * ceiling}
    found = share(**ends)["percent_of_measured_peak"]
    assert found["value"] == pytest.approx(100 * 20000 / ceiling)
    assert found["beyond"] is beyond
    assert ("does not hold for this work" in found["method"]) is beyond


@pytest.mark.parametrize(("limit", "believed"), [(None, True), (14000.0, False), (16000.0, True)])
def test_only_physics_makes_a_rate_invalid(limit, believed):
    """15,000 FLOP/s a device, three times a ceiling that was disturbed."""
    ceilings = CEILING | {"flop_per_s": 5e3, "flop_per_s_limit": limit, "flop_per_s_limit_method": "1 core x 4 GHz"}
    found = metrics.compute(SAMPLES, COST, RUN, datasheet("x", "fp32"), ceilings)
    why = metrics.invalid_because(found, ceilings)
    assert (why is None) is believed
    if why:
        assert "more than the device can do" in why
        assert "(1 core x 4 GHz)" in why


def test_an_invalid_point_keeps_no_rate(found):
    kept = metrics.withheld(found, "the loss is not finite")
    assert {name for name, entry in kept.items() if entry["value"] is not None} == {
        "flop_per_sample",
        "executed_flop_per_sample",
        "parameters",
    }
    assert not any("low" in entry or "ceiling" in entry for entry in kept.values())


def test_declared_metrics_carry_their_label():
    spec = MetricSpec("loss", "1", "lower", "training loss", "last step")
    assert metrics.declared([spec], {"loss": 0.5})["loss"]["value"] == 0.5
    assert metrics.declared([spec], {})["loss"]["why"]


PROFILE = {
    "steps": 3, "step_s": 0.2, "device": "cuda", "busy_s": 0.1, "operations": 50, "classes": [], "outside": [],
    "phases": {"forward": 0.03, "backward": 0.05, "optimiser": 0.02, "other": 0.0}, "why": {},
    "layers": [{"name": "a", "forward_s": 0.03, "backward_s": 0.05, "forward_flop": 2000, "flop": 3000,
                "forward_bytes": 80, "bytes": 160, "alone_forward_s": 0.02, "alone_backward_s": 0.04}],
}  # fmt: skip
CEILINGS = {"flop_per_s": 1e5, "memory_bytes_per_s": 1e4, "launch_s": 1e-3, "why": {}}


def profiled(**changes):
    """Metrics of the samples above, with a profile."""
    samples = SAMPLES | {"profile": PROFILE | changes}
    return metrics.compute(samples, COST, RUN, datasheet("x", "fp32"), CEILINGS)


def test_a_gpus_gaps_are_the_step_that_waits_for_nothing_less_its_busy_time():
    entry = profiled()["launch_gap_s"]
    alone = [0.75 / 5, 0.75 / 5, 1.75 / 5]  # no input to leave out, and one rank late
    assert entry["value"] == pytest.approx(sorted(alone)[1] - 0.1)
    assert entry["low"] < 0.05 < 0.25 < entry["high"]  # three blocks
    assert entry["method"].endswith("waiting for input would be in it")
    blocks = SAMPLES["block_s"] | {"without_input": [[0.9, 0.5], [0.9, 0.8], [1.9, 1.0]]}
    samples = SAMPLES | {"block_s": blocks, "profile": PROFILE}
    entry = metrics.compute(samples, COST, RUN, datasheet("x", "fp32"), CEILINGS)["launch_gap_s"]
    assert entry["value"] == pytest.approx(0.65 / 5 - 0.1)  # 0.9 less 0.25 of communication
    assert "no variant without input" not in entry["method"]


def test_a_cpus_gaps_are_an_estimate_and_at_most_the_step():
    assert profiled(device="cpu")["launch_gap_s"]["value"] == pytest.approx(50e-3)
    assert profiled(device="cpu", operations=5000)["launch_gap_s"]["value"] == pytest.approx(0.2)
    assert profiled(device="cpu")["launch_gap_s"]["method"].startswith("estimate")
    unmeasured = CEILINGS | {"launch_s": None, "why": {"launch_s": "the group died"}}
    samples = SAMPLES | {"profile": PROFILE | {"device": "cpu"}}
    entry = metrics.compute(samples, COST, RUN, datasheet("x", "fp32"), unmeasured)["launch_gap_s"]
    assert (entry["value"], entry["why"]) == (None, "the group died")


def test_ranks_that_cannot_run_without_communication_have_no_launch_gaps():
    samples = SAMPLES | {"block_s": {"full": SAMPLES["block_s"]["full"]}, "profile": PROFILE}
    entry = metrics.compute(samples, COST, RUN, datasheet("x", "fp32"), CEILINGS)["launch_gap_s"]
    assert entry["why"] == "the application has no variant without communication"


def test_the_profiled_pass_gives_phases_bound_and_intensity():
    found = profiled()
    values = {name: found[f"{name}_s"]["value"] for name in ("busy", "forward", "backward", "optimiser", "layer_bound")}
    assert values == {"busy": 0.1, "forward": 0.03, "backward": 0.05, "optimiser": 0.02, "layer_bound": 0.06}
    assert found["intensity_flop_per_byte"]["value"] == pytest.approx(4 * 1000 / 160)  # a batch of 4
    missing = profiled(phases=None, why={"phases": "not marked"})["forward_s"]
    assert (missing["value"], missing["why"]) == (None, "not marked")


def test_reading_and_decoding_are_the_reading_threads_own_timers():
    phases = {"read_s": [[0.1, 0.2]] * 3, "decode_s": [[1.0, 1.1]] * 3}
    found = metrics.compute(SAMPLES | {"phases_s": phases}, COST, RUN, datasheet("x", "fp32"))
    assert found["read_s"]["value"] == pytest.approx(0.2 / 5)
    assert found["decode_s"]["value"] == pytest.approx(1.1 / 5)
    assert "added up over threads" in found["decode_s"]["method"]
