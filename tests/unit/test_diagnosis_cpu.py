"""A CPU's points whose truth is known: the thread that works also calls, tells the profiler and shares its cores."""

import pytest

from saih.diagnosis import diagnose
from tests.made_points import CEILINGS, LAUNCH_S, Truth, passes, product


def samples_of(truth, calls):
    """The point's samples, with the profile's own count of operations outside layers in place of an even one."""
    samples = truth.samples()
    for entry in samples["profile"]["outside"]:
        entry["count"] = calls
    return samples


def shares_of(truth, samples):
    """The parts of its step."""
    return diagnose(truth.metrics(samples), samples, CEILINGS, "cpu")["shares"]


def test_a_cpu_that_calls_small_operations_is_host_bound():
    calls = {"class": "elementwise", "bytes": 100.0, "busy_s": 50_000 * LAUNCH_S}
    truth = Truth((product(0.2),), (calls,), device="cpu", operations=50_000)
    samples = samples_of(truth, 49_900)
    found = diagnose(truth.metrics(samples), samples, CEILINGS, "cpu")
    assert found["verdict"] == "host-bound (launches) and compute-bound"
    assert found["shares"]["host"] == pytest.approx(0.5 / 0.7)
    assert found["shares"]["compute"] == pytest.approx(0.2 / 0.7, rel=0.01)
    assert found["shares"]["rest"] == pytest.approx(0.0, abs=0.01)


def test_a_cpu_whose_timed_steps_were_disturbed_does_not_call_that_calling():
    calls = {"class": "elementwise", "bytes": 100.0, "busy_s": 50_000 * LAUNCH_S}
    truth = Truth((product(1.0),), (calls,), device="cpu", operations=50_000)
    samples = samples_of(truth, 49_900)
    samples["block_s"] = {name: [[1.2 * block[0]] for block in each] for name, each in samples["block_s"].items()}
    shares = shares_of(truth, samples)
    assert shares["host"] == pytest.approx(0.5 / 1.8, rel=0.01)
    assert shares["rest"] == pytest.approx(0.3 / 1.8, rel=0.05)


@pytest.mark.parametrize("input_s", [0.0, 0.5])
def test_a_cpus_profiler_pays_for_itself(input_s):
    """Its steps are those without input, and are held against those."""
    layers = (product(0.5), product(0.1, name="small"))
    truth = Truth(layers, input_s=input_s, device="cpu", operations=1000, profiler_s=0.2)
    plain, profiled = truth.but(profiler_s=0.0).diagnosis()["shares"], truth.diagnosis()["shares"]
    assert plain["compute"] > 0.95 * 0.6 / (0.6 + input_s)
    for part in ("host", "compute", "memory", "kernels", "rest"):
        assert profiled[part] == pytest.approx(plain[part], abs=0.02), part


def test_calling_takes_no_more_than_there_is_time_for():
    calls = {"class": "elementwise", "bytes": 100.0, "busy_s": 0.1}
    truth = Truth((product(0.8),), (calls,), gaps_s=0.1, device="cpu", operations=50_000)  # 0.5 s, were they as slow
    shares = shares_of(truth, samples_of(truth, 49_999))
    assert shares["host"] == pytest.approx(0.2, rel=1e-3)
    assert shares["compute"] == pytest.approx(0.8, rel=1e-3)
    assert shares["rest"] == pytest.approx(0.0, abs=1e-3)


def test_a_cpus_work_is_not_longer_for_the_threads_that_decode_beside_it():
    """In records of method version 5 and before the profiled steps had their input."""
    truth = Truth((product(0.6), passes(0.3)), input_s=1.0, device="cpu", phases={"decode_s": 1.9})
    samples = truth.samples()
    for layer in samples["profile"]["layers"]:
        layer["forward_s"] *= 2
    samples["profile"]["busy_s"] *= 2
    samples["profile"]["step_s"] = truth.step_s
    del samples["profile"]["variant"]
    shares, undisturbed = shares_of(truth, samples), truth.diagnosis()["shares"]
    assert shares["compute"] == pytest.approx(0.6 / 1.9, rel=0.01)
    for part in ("input", "host", "compute", "memory", "rest"):
        assert shares[part] == pytest.approx(undisturbed[part], abs=1e-3), part


@pytest.mark.parametrize(("others", "cause"), [(0.0, "kernels"), (0.4, "kernels"), (0.8, "compute"), (1.9, "compute")])
def test_a_cpus_work_is_judged_by_the_time_in_which_it_had_its_cores(others, cause):
    truth = Truth((product(1.0, near=0.3),), device="cpu")
    samples = truth.samples()
    cpu = {"cores": [0, 1], "others_cores": others, "throttled_cores": []}
    samples["telemetry"] = [{"host": "a", "device": "cpu", "gpu": None, "allocation_retries": None, "host_cpu": cpu,
                             "cpu_clock_mhz": None}]  # fmt: skip
    (told,) = diagnose(truth.metrics(), samples, CEILINGS, "cpu")["causes"]
    assert told["cause"] == cause
    assert told["share"] == pytest.approx(1.0, rel=0.01)
    left = {0.0: "30 % of", 0.4: "38 % of the ceiling of arithmetic in the 80 %", 0.8: "50 % of", 1.9: "60 % of"}
    assert left[others] in told["evidence"]
