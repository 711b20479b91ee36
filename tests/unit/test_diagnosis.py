"""What bounds points whose truth is known: verdicts, shares, predicted gains, and what stays unknown."""

import copy
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saih.diagnosis import diagnose, out_of_memory
from saih.diagnosis.causes import VERDICTS
from saih.diagnosis.parts import divide
from tests.made_points import BYTES_PER_S, CEILINGS, FLOP_PER_S, Layer, Truth, passes, product

NEITHER = Layer("odd", 1.0, 0.1 * FLOP_PER_S, 0.01 * BYTES_PER_S)
BARE = {"class": "elementwise", "bytes": 0.8e11, "busy_s": 1.0}


def named(found):
    return [cause["cause"] for cause in found["causes"]]


@pytest.mark.parametrize("device", ["cuda", "cpu"])
@pytest.mark.parametrize(
    ("truth", "verdict"),
    [
        (Truth(), "compute-bound"),
        (Truth((passes(1.0),)), "memory-bandwidth-bound"),
        (Truth((), (BARE,)), "memory-bandwidth-bound"),
        (Truth((NEITHER,)), "kernel-bound"),
        (
            Truth((product(0.2),), input_s=0.8, phases={"storage_wait_s": 0.6}, from_storage=1.0),
            "input-bound (storage)",
        ),
        (Truth((product(0.2),), input_s=0.8, phases={"decode_wait_s": 0.6}), "input-bound (decode)"),
        (Truth((product(0.2),), input_s=0.8, phases={"copy_wait_s": 0.5}), "input-bound (copy)"),
        (Truth((product(0.2),), input_s=0.8, contention_s=0.7), "input-bound (contention)"),
        (Truth((product(0.2),), input_s=0.8), "input-bound"),
        (Truth((product(0.2),), comm_s=0.8, late=(0.0, 0.0)), "communication-bound"),
        (Truth((product(0.2),), late=(0.0, 0.8)), "straggler"),
    ],
)
def test_each_cause_leads_where_it_takes_most_of_the_step(truth, verdict, device):
    found = truth.but(device=device).diagnosis()
    assert found["causes"][0]["verdict"] == verdict
    assert found["verdict"].split(" and ")[0] == verdict
    assert {cause["cause"] for cause in found["causes"][1:]} <= {"compute"}  # the fifth that is left


def test_a_gpu_that_waits_for_its_host_is_host_bound():
    found = Truth((product(0.2),), gaps_s=0.8).diagnosis()
    assert found["verdict"] == "host-bound (framework) and compute-bound"
    assert found["causes"][0]["evidence"].startswith(
        "For 800 ms of 1 s (80 %, 800 ms to 800 ms) the device is idle for want"
    )
    assert found["causes"][0]["low_s"] == pytest.approx(0.8)


def test_a_gpu_that_was_slower_while_timed_is_not_host_bound():
    samples = Truth((product(1.0),)).samples()
    samples["block_s"] = {name: [[1.2 * block[0]] for block in each] for name, each in samples["block_s"].items()}
    found = diagnose(Truth().metrics(samples), samples, CEILINGS, "cuda")
    assert named(found) == ["compute"]
    assert found["shares"]["host"] == pytest.approx(0.0)
    assert found["shares"]["rest"] == pytest.approx(0.2 / 1.2)


MIXTURE = Truth(
    (product(0.3), passes(0.3)), input_s=0.4, comm_s=0.35, gaps_s=0.25, late=(0.0, 0.0, 0.3),
    phases={"storage_wait_s": 0.3}, from_storage=1.0,
)  # fmt: skip


def test_a_mixture_is_named_whole_the_largest_first():
    found = MIXTURE.diagnosis()
    assert named(found)[:2] == ["input", "communication"]
    assert set(named(found)) == {"input", "communication", "straggler", "compute", "memory", "host"}
    assert found["verdict"].startswith("input-bound (storage) and communication-bound and ")


@pytest.mark.parametrize("late", [(0.3, 0.0, 0.0), (0.0, 0.3, 0.0), (0.0, 0.0, 0.0)])
def test_no_second_is_counted_twice_whichever_rank_is_late(late):
    truth = MIXTURE.but(late=late)
    shares = truth.diagnosis()["shares"]
    told = {
        "input": 0.4, "copy": None, "communication": 0.35, "straggler": max(late), "host": 0.25, "compute": 0.3,
        "memory": 0.3, "cache": 0.0, "kernels": 0.0, "rest": 0.0,
    }  # fmt: skip
    for part, seconds in told.items():
        expected = None if seconds is None else pytest.approx(seconds / truth.step_s, abs=1e-9)
        assert shares[part] == expected, part


@pytest.mark.parametrize("input_s", [0.5, 0.1, 0.0])
@pytest.mark.parametrize(
    ("phases", "copy_s"),
    [
        ({"h2d_s": 0.9, "copy_wait_s": 0.2}, 0.2),  # it overlaps
        ({"h2d_s": 0.9, "copy_wait_s": 0.0}, 0.0),  # it overlaps wholly
        ({"h2d_s": 0.9}, None),  # how much of it overlaps was not measured
        ({"h2d_s": 0.0}, 0.0),  # there is none
        ({}, None),
    ],
)
def test_the_copy_is_what_the_device_waits_for_it_and_unknown_where_that_was_not_timed(input_s, phases, copy_s):
    found = Truth(input_s=input_s, phases=phases).diagnosis()
    shares, step_s = found["shares"], 1 + input_s
    assert shares["copy"] == (None if copy_s is None else pytest.approx(copy_s / step_s))
    assert shares["input"] == pytest.approx((input_s - (copy_s or 0.0)) / step_s)
    assert sum(share for share in shares.values() if share is not None) == pytest.approx(1)


REMOVED = {
    "input": {"input_s": 0.0},
    "communication": {"comm_s": 0.0},
    "host": {"gaps_s": 0.0},
    "straggler": {"late": (0.0, 0.0, 0.0)},
    "memory": {"layers": (product(0.3), passes(0.003, 0.0))},  # its arithmetic is 1 % of its time
    "compute": {"layers": (passes(0.003, 1.0), passes(0.3))},  # what it moves takes 1 % of its time
}


@pytest.mark.parametrize("cause", REMOVED)
def test_the_predicted_gain_is_what_removing_the_cause_gives(cause):
    truth = MIXTURE.but(input_s=0.3, comm_s=0.3, gaps_s=0.3)
    (told,) = (each for each in truth.diagnosis()["causes"] if each["cause"] == cause)
    gained = truth.step_s / truth.but(**REMOVED[cause]).step_s
    assert told["gain"] == pytest.approx(gained)
    assert told["saved_s"] == pytest.approx(truth.step_s * (1 - 1 / gained))


def test_work_near_neither_ceiling_would_gain_up_to_the_nearer_one():
    (told,) = Truth((NEITHER,)).diagnosis()["causes"]
    assert told["gain"] == pytest.approx(10)  # it reaches 10 % of arithmetic and 1 % of memory


def test_two_ranks_that_take_turns_in_being_slower_are_no_straggler():
    samples = Truth(late=(0.0, 0.0)).samples()
    samples["block_s"]["without_communication"] = [[5.0, 4.0], [4.0, 5.0]] * 4 + [[5.0, 4.0]]
    found = diagnose(Truth(late=(0.0, 0.0)).metrics(samples), samples, CEILINGS, "cuda")
    assert "straggler" not in named(found)


def test_a_rank_that_waits_for_its_input_is_bound_by_input_and_no_straggler():
    samples = Truth(input_s=0.5, late=(0.0, 0.0)).samples()
    samples["block_s"]["without_communication"] = [[4.0, 6.0]] * 9  # four steps of 1 s; rank 1 waits half a second each
    samples["phases_s"] = {"input_wait_s": [[0.0, 2.0]] * 9}
    found = diagnose(Truth(input_s=0.5, late=(0.0, 0.0)).metrics(samples), samples, CEILINGS, "cuda")
    assert named(found) == ["compute", "input"]
    assert found["shares"]["straggler"] == found["shares"]["rest"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("share", [0.119, 0.121])
def test_a_part_is_named_from_12_percent_of_the_step_on(share):
    truth = Truth((product(1 - share),), input_s=share)
    assert ("input" in named(truth.diagnosis())) == (share > 0.12)


def test_a_difference_whose_interval_includes_zero_is_not_named():
    samples = Truth(input_s=0.5).samples()
    samples["block_s"]["without_input"] = [[6.0 * (0.2 if i % 2 else 1.3)] for i in range(9)]
    found = diagnose(Truth(input_s=0.5).metrics(samples), samples, {}, "cuda")
    assert found["causes"] == []
    assert found["verdict"] == "undetermined"


def test_a_difference_that_all_rounds_but_one_show_is_named():
    """The one that does not is the smallest: signs and sizes together exclude chance, as signs alone would not."""
    samples = Truth(input_s=0.5).samples()
    input_s = [0.86, 0.75, 0.58, 0.52, 0.30, 0.35, 0.67, 0.41, 0.47, 0.44, -0.05, 0.68]
    samples["block_s"]["full"] = [[4 * (1.0 + each)] for each in input_s]
    samples["block_s"]["without_input"] = [[4.0]] * len(input_s)
    metrics = Truth(input_s=0.5).metrics(samples)
    assert metrics["exposed_input_s"]["low"] > 0
    assert named(diagnose(metrics, samples, CEILINGS, "cuda")) == ["compute", "input"]


def test_a_difference_of_few_rounds_is_not_named_however_large():
    samples = Truth(input_s=0.5).samples()
    samples["block_s"] = {name: blocks[:7] for name, blocks in samples["block_s"].items()}
    found = diagnose(Truth(input_s=0.5).metrics(samples), samples, CEILINGS, "cuda")
    assert named(found) == ["compute"]


def test_what_a_gpus_profile_shows_of_waiting_stands_beside_what_removing_it_saves():
    samples = Truth(input_s=0.5, comm_s=0.5, late=(0.0, 0.0)).samples()
    samples["profile"] |= {"exposed_input_s": 0.56, "exposed_comm_s": 0.54}
    metrics = Truth(input_s=0.5, comm_s=0.5, late=(0.0, 0.0)).metrics(samples)
    told = {cause["cause"]: cause["evidence"] for cause in diagnose(metrics, samples, CEILINGS, "cuda")["causes"]}
    assert told["input"].startswith("Without input the step is 25 % shorter (500 ms of 2 s, 500 ms to 500 ms).")
    assert told["input"].endswith(
        " In the profiled steps the host is at the input, or a copy runs, while the device computes nothing, for "
        "560 ms (28 % of the step)."
    )
    assert told["communication"].endswith("included, for 540 ms (27 % of the step).")


def test_a_cpus_profile_tells_no_waiting():
    samples = Truth(comm_s=0.5, late=(0.0, 0.0), device="cpu").samples()
    samples["profile"] |= {"exposed_comm_s": 0.54}
    metrics = Truth(comm_s=0.5, late=(0.0, 0.0), device="cpu").metrics(samples)
    told = {cause["cause"]: cause["evidence"] for cause in diagnose(metrics, samples, CEILINGS, "cpu")["causes"]}
    assert "profiled" not in told["communication"]


def test_a_negative_difference_is_shown_and_what_is_left_grows_by_it():
    found = Truth((product(0.8), passes(0.2)), input_s=-0.05).diagnosis()
    assert found["shares"]["input"] == pytest.approx(-0.05 / 0.95)
    assert found["shares"]["compute"] == pytest.approx(0.8 / 0.95)
    assert found["shares"]["rest"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("layer", [NEITHER, Layer("odd", 1.0, 0.01 * FLOP_PER_S, 0.1 * BYTES_PER_S)])
def test_work_that_is_as_slow_alone_is_told_apart_from_what_the_step_slows_down(layer):
    slow_alone = Truth((replace(layer, alone_s=0.9),)).diagnosis()["causes"][0]
    assert slow_alone["cause"] == "kernels"  # arithmetic and memory alike
    assert (
        "1 s of it is as slow alone: that is due to the library's kernels for these shapes." in slow_alone["evidence"]
    )
    disturbed = Truth((replace(layer, alone_s=0.2),)).diagnosis()["causes"][0]
    assert "Alone, 1 s of it take 200 ms." in disturbed["evidence"]
    assert "faster alone" in disturbed["help"]


def test_a_suspect_point_is_told_beside_each_cause():
    cpu = {"cores": [0, 1], "others_cores": 0.8, "throttled_cores": []}
    samples = Truth((NEITHER,)).samples()
    samples["telemetry"] = [{"host": "a", "device": "cpu", "gpu": None, "allocation_retries": None, "host_cpu": cpu,
                             "cpu_clock_mhz": None}]  # fmt: skip
    metrics = Truth((NEITHER,)).metrics()
    (told,) = diagnose(metrics, samples, CEILINGS, "cuda")["causes"]
    assert told["caveat"] == "this point is suspect: a: others kept 0.8 of the ranks' 2 cores busy (40 % of them)"
    assert told["evidence"].endswith(
        " This point is suspect: a: others kept 0.8 of the ranks' 2 cores busy (40 % of them)."
    )


def test_the_hosts_time_to_hand_out_is_told_beside_a_gpus_gaps():
    samples = Truth((product(0.2),), gaps_s=0.8).samples()
    samples["handed_out_s"] = [[0.97 * seconds for seconds in block] for block in samples["block_s"]["full"]]
    told = diagnose(Truth().metrics(samples), samples, CEILINGS, "cuda")["causes"][0]
    assert told["evidence"].endswith("framework. The host was handing out work for 97 % of the blocks' time.")


def test_without_a_profile_the_differences_still_tell():
    samples = Truth(input_s=0.5).samples() | {"profile": {"why": {"profile": "measure.profile = false"}}}
    found = diagnose(Truth(input_s=0.5).metrics(samples), samples, CEILINGS, "cuda")
    assert found["verdict"] == "input-bound"
    assert found["shares"]["input"] == pytest.approx(1 / 3)
    assert found["shares"]["rest"] == pytest.approx(2 / 3)
    for part in ("host", "compute", "memory", "cache", "kernels"):
        assert found["shares"][part] is None
    assert found["roofline"] is None


def test_records_of_older_versions_can_be_diagnosed():
    metrics = {"step_s": {"value": 1.0}, "exposed_comm_s": {"value": 0.4, "low": 0.3, "high": 0.5}}
    found = diagnose(metrics, {"block_steps": 1, "block_s": {"full": [[1.0, 1.0]]}}, {}, "cpu")
    assert found["verdict"] == "communication-bound"
    assert found["shares"]["rest"] == pytest.approx(0.6)


def test_work_is_not_judged_without_ceilings_and_the_evidence_says_how_much():
    found = Truth(input_s=0.1).diagnosis({"flop_per_s": None, "memory_bytes_per_s": None, "launch_s": None})
    assert found["verdict"] == "undetermined"
    assert found["shares"]["compute"] is None
    assert "1 s of work whose counts or ceilings are not known" in found["evidence"]


def test_a_part_below_the_threshold_is_told_in_the_evidence():
    samples = Truth(input_s=0.1).samples() | {"profile": {"why": {"profile": "off"}}}
    found = diagnose(Truth(input_s=0.1).metrics(samples), samples, CEILINGS, "cuda")
    assert found["evidence"] == "Input 9.1 %; the other 91 % are not told apart."


def test_an_allocator_that_had_to_ask_again_is_capacity_beside_what_else_holds():
    samples = Truth().samples()
    samples["telemetry"] = [{"allocation_retries": 0}, {"allocation_retries": 3}]
    found = diagnose(Truth().metrics(Truth().samples()), samples, CEILINGS, "cuda")
    assert found["verdict"] == "compute-bound and capacity-limited"
    assert "rank 1's allocator" in found["causes"][1]["evidence"]
    assert found["causes"][1]["gain"] is None


@pytest.mark.parametrize(("needed", "words"), [(40 * 2**30, "at most 40 GiB, and has 16 GiB."), (2**30, "sufficed")])
def test_the_end_of_memory_is_told_with_what_was_needed(needed, words):
    found = out_of_memory("rank 0: CUDA out of memory", needed, 16 * 2**30)
    assert found["verdict"] == "capacity-limited"
    assert words in found["evidence"]
    assert "rank 0: CUDA out of memory" in found["evidence"]
    assert "batch" in found["causes"][0]["help"]
    assert set(found["shares"].values()) == {None}


PHASES = ("input_wait_s", "storage_wait_s", "decode_wait_s", "h2d_s", "copy_wait_s", "read_s", "decode_s")
seconds = st.floats(0.0, 10.0)
signed = st.floats(-0.3, 10.0)
near = st.floats(0.01, 1.2)
TRUTHS = st.builds(
    Truth,
    layers=st.tuples(
        st.builds(product, st.floats(0.1, 10.0), near),
        st.builds(passes, seconds, near),
        st.builds(Layer, st.just("odd"), seconds, st.floats(0, 1e13), st.floats(0, 1e12), st.none() | seconds),
    ),
    outside=st.tuples(st.fixed_dictionaries({"class": st.sampled_from(["copy", "other", "convolution"]),
                                             "busy_s": seconds, "bytes": st.none() | st.floats(0, 1e12)})),
    input_s=st.floats(-0.05, 10.0), comm_s=st.floats(0.0, 10.0), gaps_s=seconds,
    late=st.tuples(seconds, seconds), phases=st.fixed_dictionaries({}, optional=dict.fromkeys(PHASES, seconds)),
    contention_s=st.none() | st.floats(-0.01, 5.0), from_storage=st.none() | st.floats(0, 1.2),
    device=st.sampled_from(["cuda", "cpu"]), operations=st.floats(1, 1e5), profiler_s=st.floats(-0.05, 5.0),
)  # fmt: skip


@settings(deadline=None)
@given(TRUTHS, st.data())
def test_shares_add_up_whatever_is_known(truth, data):
    samples, ceilings = copy.deepcopy(truth.samples()), dict(CEILINGS)
    for place, keys in (
        (ceilings, list(CEILINGS)),
        (samples["profile"], ["busy_s", "operations", "layers", "classes"]),
    ):
        for key in data.draw(st.lists(st.sampled_from(keys), unique=True)):
            place[key] = None if key != "why" else {}
    metrics = truth.metrics(samples, ceilings)
    found = diagnose(metrics, samples, ceilings, truth.device)
    shares = divide(metrics, samples, ceilings, truth.device).shares()
    assert sum(share for share in shares.values() if share is not None) == pytest.approx(1, abs=1e-6)
    if found["contradictions"]:  # a profiler may have cost five steps
        assert found["causes"] == []
        assert set(found["shares"].values()) == {None}
        return
    assert found["shares"] == shares
    for cause in found["causes"]:
        assert cause["share"] >= 0.12
        assert cause["verdict"].startswith(VERDICTS[cause["cause"]])
        assert cause["evidence"].endswith(".")
        assert cause["gain"] is None or cause["gain"] > 0
    assert [cause["share"] for cause in found["causes"]] == sorted((c["share"] for c in found["causes"]), reverse=True)


def test_gaps_that_all_rounds_show_are_named_though_their_interval_is_wide():
    """A host that sets the pace varies by a third from round to round; eight such rounds leave no doubt of its gaps."""
    truth = Truth((product(0.4),), gaps_s=0.6)
    samples = truth.samples()
    slow = [0.45, 1.8, 0.5, 1.6, 0.5, 2.0, 0.6, 1.5]
    samples["block_s"] = {name: [[4 * each] for each in slow] for name in samples["block_s"]}
    metrics = truth.metrics(samples)
    told = next(each for each in diagnose(metrics, samples, CEILINGS, "cuda")["causes"] if each["cause"] == "host")
    assert metrics["launch_gap_s"]["low"] < 0 < metrics["launch_gap_s"]["value"]
    assert "in 8 of 8 rounds" in told["evidence"]
