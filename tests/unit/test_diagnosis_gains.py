"""What removing a cause gains, with an interval; the spread of what it rests on is known here."""

import pytest

from saih.diagnosis import diagnose
from saih.diagnosis.gains import ESTIMATE, ONE_PASS
from tests.made_points import CEILINGS, STEPS, Truth, passes, product

SPREAD = {"flop_per_s_low": 0.9e12, "flop_per_s_high": 1.1e12}


def cause_of(truth, name, samples=None, ceilings=CEILINGS):
    samples = samples or truth.samples()
    found = diagnose(truth.metrics(samples, ceilings), samples, ceilings, truth.device)
    return next(cause for cause in found["causes"] if cause["cause"] == name)


def waiting(input_s):
    """A step of 1 s of work that waits so long in each round."""
    truth = Truth()
    samples = truth.samples()
    samples["block_s"] = {
        "full": [[STEPS * (1.0 + each)] for each in input_s], "without_input": [[STEPS * 1.0]] * len(input_s),
    }  # fmt: skip
    return cause_of(truth, "input", samples)


def test_the_gain_of_a_difference_has_the_ends_of_its_interval():
    told = waiting([0.4, 0.43, 0.45, 0.5, 0.5, 0.5, 0.55, 0.57, 0.6])
    low, high = told["low_s"], told["high_s"]
    assert 0.3 < low < 0.5 < high < 0.7
    assert told["gain"] == pytest.approx(1.5)
    assert told["gain_low"] == pytest.approx(1.5 / (1.5 - low))
    assert told["gain_high"] == pytest.approx(1.5 / (1.5 - high))


def test_a_gain_without_upper_end_has_a_lower_one():
    told = waiting([0.2, 0.5, 0.6, 0.7, 0.7, 2.4, 2.5, 2.6, 2.7])
    assert told["high_s"] > 1.7
    assert told["gain_low"] == pytest.approx(1.7 / (1.7 - told["low_s"]))
    assert told["gain_high"] is None


def test_twelve_times_as_fast_may_be_seven_or_forty_five():
    """A small network on an H200, compiled: gaps of 2.24 ms (2.11 to 2.40) of a step of 2.45."""
    metrics = {
        "step_s": {"value": 2.4526e-3, "low": 2.3155e-3, "high": 2.6067e-3},
        "launch_gap_s": {"value": 2.2447e-3, "low": 2.1076e-3, "high": 2.3988e-3},
        "exposed_comm_s": {"value": 0.0},
    }  # fmt: skip
    samples = {"block_steps": 1, "block_s": {"full": [[2.4526e-3]] * 9}}
    (told,) = diagnose(metrics, samples, CEILINGS, "cuda")["causes"]
    assert (told["gain"], told["gain_low"], told["gain_high"]) == pytest.approx((11.8, 7.1, 45.6), rel=0.01)


@pytest.mark.parametrize(
    ("truth", "name"),
    [(Truth(), "compute"), (Truth((passes(1.0),)), "memory"), (Truth((product(1.0, 0.3),)), "kernels")],
)
def test_work_of_one_pass_has_no_interval_where_its_ceilings_have_none(truth, name):
    told = cause_of(truth, name)
    assert (told["gain_low"], told["gain_high"], told["gain_interval"]) == (None, None, ONE_PASS)
    assert told["gain"] > 1


def test_the_spread_of_a_ceiling_is_in_the_gain_of_what_could_reach_it():
    told = cause_of(Truth((product(1.0, 0.3),)), "kernels", ceilings=CEILINGS | SPREAD)
    assert told["gain"] == pytest.approx(1 / 0.3)
    assert told["gain_low"] == pytest.approx(0.9 / 0.3)
    assert told["gain_high"] == pytest.approx(1.1 / 0.3)
    assert "one profiled pass" in told["gain_interval"]


def test_the_steps_interval_is_in_the_gain_of_work_and_widens_it():
    truth = Truth((product(1.0, 0.3), product(1.0, name="near")), noise=0.1)
    told = cause_of(truth, "kernels", ceilings=CEILINGS | SPREAD)
    alone = cause_of(truth.but(noise=0.0), "kernels", ceilings=CEILINGS | SPREAD)
    assert told["gain_low"] < alone["gain_low"] < alone["gain_high"] < told["gain_high"]


def test_arithmetic_has_no_interval_from_its_own_ceiling():
    """Were it to take no time, its ceiling would not matter."""
    assert cause_of(Truth(), "compute", ceilings=CEILINGS | SPREAD)["gain_interval"] == ONE_PASS


def test_calling_on_a_cpu_is_an_estimate():
    truth = Truth((product(0.2),), gaps_s=0.8, device="cpu", operations=60_000)
    told = cause_of(truth, "host")
    assert (told["gain_low"], told["gain_interval"]) == (None, ESTIMATE)
    assert (told["kind"], told["verdict"]) == ("launches", "host-bound (launches)")
