"""What the report says in words, and what it leaves unsaid."""

import pytest

from reports.analysis.cases import make_cases
from reports.analysis.input_sources import find_groups
from reports.analysis.trend import find_trend
from reports.findings.all import findings
from reports.tables.setup import run_facts
from tests.gold.small import held, lost, measured, run_of


def said(*found, **system):
    """The findings on one run, as "headline | evidence" with plain spaces."""
    run = run_of(*found, **system)
    cases = make_cases([run])
    trend = find_trend(cases)
    told = findings([run], cases, trend, find_groups(cases, trend.axes))
    return [f"{each.headline} | {each.evidence}".replace("\u00a0", " ") for each in told]


def one(told, words):
    """The one finding whose headline holds these words."""
    (found,) = [each for each in told if words in each.split(" | ")[0]]
    return found


def line(*shares, spread=0.01, **more):
    return [measured({"edge": 16 * 2**i}, y, spread, flop=1e9 * 8**i, **more) for i, y in enumerate(shares)]


def test_range_and_growth():
    told = one(said(*line(5, 20, 41)), "measured ceiling as the work")
    assert told.startswith("From 5.0 % to 41.0 % of the measured ceiling as the work of a step grows 64-fold")
    assert "At the smallest problem (1 GFLOP per device and step: edge=16)" in told
    assert "datasheet peak: not known (nobody asked)" in told


def test_growth_is_not_claimed_where_the_largest_problem_is_not_the_best():
    told = said(*line(5, 41, 20))
    assert one(told, "5.0 % to 41.0 % of the measured ceiling").startswith("5.0 %")
    assert "The highest, 41.0 % (40.6 to 41.4), is at edge=32 (#2)" in told[0]
    assert "no longer rises" in told[1]
    assert "(-51 %, -52 % to -50 %; work 8-fold)" in told[1]


def test_where_growth_ends_and_what_the_records_say_of_it():
    bound = {"verdict": "communication-bound", "evidence": "e"}
    told = said(*line(5, 20, 21, diagnosis=bound))[1]
    assert told.startswith("Along edge, the share of the measured ceiling no longer rises")
    assert "(+5.0 %, +2.9 % to +7.1 %; work 8-fold)" in told
    assert "communication-bound (#3)" in told


def test_a_reason_is_not_made_up():
    assert "The records do not say why: at #3 the diagnosis is no diagnosis" in said(*line(5, 20, 21))[1]


def test_growth_within_the_intervals_is_not_resolved():
    told = said(*line(5, 10, 12, spread=0.3))[1]
    assert told.startswith(
        "Along edge, it is not resolved whether the share of the measured ceiling still rises at the largest size"
    )
    assert "(+20 %, -35 % to +123 %, not resolved; work 8-fold)" in told


def test_rising_ended_and_unresolved_series_are_counted_apart():
    ends = {"rises": (10, 20, 0.01), "flat": (10, 10.5, 0.01), "blurred": (10, 12, 0.3)}
    found = [
        measured({"edge": 16 * 2**i}, y, spread, flop=8.0**i, run={"execution": name})
        for name, (*shares, spread) in ends.items()
        for i, y in enumerate(shares)
    ]
    told = one(said(*found), "has stopped rising")
    assert "has stopped rising in 1 of 3 series; in 1 it is not resolved (one process each)" in told


def test_findings_say_from_how_many_processes_their_figures_come():
    alone = said(*line(5, 20, 41))
    assert all(each.split(" | ")[0].endswith("(one process each)") for each in alone[:2])
    twice = [record for repeat in (0, 1) for record in line(5, 20, 41, repeat=repeat)]
    assert all(each.split(" | ")[0].endswith("(2 processes each)") for each in said(*twice)[:2])
    mixed = said(*twice, measured({"edge": 128}, 50, flop=1e9 * 8**3))
    assert mixed[0].split(" | ")[0].endswith("grows 512-fold (1 to 2 processes each)")


SHARED = {
    "suspect": [{"cause": "cores shared", "words": "n1: others kept 0.4 of the ranks' 2 cores busy (20 % of them)"}]
}


def test_suspect_and_imprecise_points_are_named_where_they_carry_a_figure():
    found = [
        *line(5, 20, diagnosis={"verdict": "undetermined"}),
        measured({"edge": 64}, 41, 0.12, flop=64e9, diagnosis=SHARED, stopped="limit"),
        measured({"edge": 128}, 50, 0.08, flop=512e9),
    ]
    told = said(*found)
    suspect = "#3 is suspect: others kept 0.4 of the ranks' 2 cores busy; #3 stopped at the time limit, ± 12 %"
    assert "#3" not in told[0]  # neither lowest nor highest
    assert "; #4 is known to ± 8.1 % only." in told[0]
    assert f"({suspect}; #4 is known to ± 8.1 % only)." in one(told, "rises")
    assert "suspect" not in " ".join(said(*line(5, 20, 41)))


def test_many_suspect_points_are_named_by_cause():
    told = said(*line(5, 20, 41, 50, diagnosis=SHARED))
    assert "; #1 is suspect: others kept" in told[0]  # two ends, each with its words
    dial = [
        measured({"edge": e, "width": w}, e * w, flop=e**3 * w * 1e5, diagnosis=SHARED)
        for e in (16, 32)
        for w in (1, 2)
    ]
    assert "(#1, #2, #3 and #4 are suspect: others used the ranks' cores)" in one(said(*dial), "Of the dials")


def test_scaling_names_its_suspect_points():
    found = [
        measured({"edge": 16}, 40, ranks=1, diagnosis=SHARED),
        measured({"edge": 16}, 30, ranks=2),
    ]
    assert "(#1 is suspect: others kept 0.4 of the ranks' 2 cores busy)." in one(said(*found), "Weak scaling")


def test_the_strongest_dial():
    found = [
        measured({"edge": e, "width": w}, e * w**0.1, flop=e**3 * w**2 * 1e5) for e in (16, 32, 64) for w in (1, 2)
    ]
    told = one(said(*found), "Of the dials, edge moves")
    assert "edge from 16 to 64: x 4 (2 pairs)" in told
    assert "width from 1 to 2: x 1.07" in told


def test_scaling():
    found = [measured({"edge": 16}, share, ranks=ranks) for ranks, share in ((1, 40), (2, 30))]
    told = one(said(*found), "Weak scaling: at 2 ranks the throughput of a rank is 75.0 % of that at 1")
    assert "weak scaling" in told
    assert "over 1 problem: 75.0 % (73.5 to 76.5) at #2" in told


def test_scaling_over_many_numbers_of_ranks_is_one_finding():
    found = [measured({"edge": 16}, 40 / ranks, ranks=ranks) for ranks in (1, 2, 4, 8)]
    told = one(said(*found), "throughput of a rank")
    assert told.startswith("Weak scaling: at 8 ranks the throughput of a rank is 12.5 % of that at 1")
    assert "50.0 % at 2 (median of 1 problem); 25.0 % at 4" in told


def test_scaling_beyond_perfect_is_doubted():
    found = [measured({"edge": 16}, share, ranks=ranks) for ranks, share in ((1, 10), (2, 30))]
    assert "Beyond 100 % by more than its interval at #2" in one(said(*found), "300 % of that at 1")


def test_communication_that_is_resolved():
    parts = {"exposed_comm_s": (0.02, 0.01, 0.03)}  # of steps of 0.1 and 0.05 s
    found = [measured({"edge": 16}, 10, ranks=2, exposed=parts), measured({"edge": 32}, 20, ranks=2, exposed=parts)]
    told = one(said(*found), "Exposed communication takes 20.0 % to 40.0 % of the step at 2 of 2 points")
    assert "Largest: 40.0 % (20.0 to 60.0), 20 ms of 50 ms, at #2" in told


def test_communication_that_is_not_distinguishable_from_zero():
    found = [measured({"edge": e}, 10, ranks=2, exposed={"exposed_comm_s": (0.01, -0.01, 0.03)}) for e in (16, 32)]
    told = one(said(*found), "Exposed communication is not distinguishable from zero")
    assert "at #1 and #2 (interval includes 0; at most 30.0 %)" in told


def test_one_rank_says_nothing_of_communication():
    told = said(measured({"edge": 16}, 10, exposed={"exposed_comm_s": (0.0, 0.0, 0.0)}))
    assert not any("communication" in each for each in told)


def test_a_negative_difference_beyond_its_interval_is_told():
    told = said(measured({"edge": 16}, 10, exposed={"exposed_input_s": (-0.02, -0.03, -0.01)}))
    assert "Negative beyond its interval at #1" in one(told, "Exposed input")


def test_where_memory_ends():
    told = said(*line(5, 20), lost({"edge": 64}, "oom", "no room for 4 GiB"))
    assert "edge=64 (#3): no room for 4 GiB; all else equal, edge=32 still ran" in one(told, "Memory ends: 1 point")


def test_points_without_a_result_are_told_with_their_reasons():
    told = said(
        *line(5, 20),
        lost({"edge": 64}, "failed", "rank 1 died"),
        lost({"edge": 128}, "timeout", "no answer within 5 s"),
        lost({"edge": 256}, "invalid", "loss is not finite"),
        lost({"edge": 512}, "skipped", "beyond the frontier"),
        lost({"edge": 1024}, "preempted", "SIGTERM"),
    )
    assert "edge=64 (#3): rank 1 died" in one(told, "1 point failed")
    assert "no answer within 5 s" in one(told, "1 point gave no answer in time")
    assert "loss is not finite" in one(told, "must not be believed")
    assert "beyond the frontier" in one(told, "1 point skipped")
    assert "SIGTERM" in one(told, "stopped by a signal")


def test_points_that_were_not_measured_precisely():
    told = one(said(*line(5, 20, spread=0.034, stopped="limit")), "2 of 2 measured points stopped at the time limit")
    assert "before the rate was known to the target of ± 1 %: #1 and #2." in told
    assert "± 3.4 % of the rate" in told


def test_a_ceiling_that_wobbles_is_told():
    peaks = [{"ranks": 2, "precision": "fp32", "flop_per_s": 1e11, "spread_percent": 27.4}]
    assert "fp32, 2 ranks: 27.4 %" in one(said(*line(5, 20), peaks=peaks), "ceiling differs between repeats")


def test_what_is_not_known_is_a_finding():
    gaps = {"launch_gap_s": {"value": None, "unit": "s", "better": "lower", "why": "this version does not"}}
    told = one(said(measured({"edge": 16}, metrics=gaps)), "Not known at any point")
    assert "host gaps: this version does not" in told
    assert "Share of the datasheet peak: nobody asked" in told


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            [measured({"edge": 16}, 12.3)],
            "The one measured point reaches 12.3 % (12.2 to 12.4) of the measured ceiling",
        ),
        ([lost({"edge": 16}, "failed"), lost({"edge": 32}, "oom")], "No point was measured | Of 2 points: 1 failed"),
        ([measured({"edge": 16}, None), measured({"edge": 32}, None)], "10 GFLOP/s to 10 GFLOP/s a device"),
        ([measured({"edge": 16}, 5), measured({"edge": 16}, 6, batch=2)], "From 5.0 % to 6.0 %"),
    ],
)
def test_little_data_still_makes_sense(found, words):
    assert words in said(*found)[0]


def test_points_of_equal_work_are_not_said_to_grow():
    found = [measured({"edge": 16, "kind": k}, y) for k, y in ((1, 5), (2, 6))]
    assert "All points do 1 GFLOP per device and step" in said(*found)[0]


def test_precisions_are_not_mixed():
    found = [measured({"edge": 16}, y, run={"precision": p}) for p, y in (("bf16", 5), ("fp32", 50))]
    told = said(*found)
    assert told[0].startswith("precision=fp32: The one measured point reaches 50.0 %")
    assert told[1].startswith("precision=bf16: The one measured point reaches 5.0 %")


def test_the_datasheet_peak_is_the_yardstick_where_no_ceiling_was_measured():
    quoted = {"percent_of_peak": {"value": 7.0, "unit": "%", "better": "higher", "method": "of 67 TFLOP/s dense"}}
    told = said(measured({"edge": 16}, None, metrics=quoted), measured({"edge": 32}, None, metrics=quoted))
    assert "7.0 % to 7.0 % of the datasheet peak" in told[0]
    assert "Share of the measured ceiling: not known (nobody asked)" in told[0]


def test_the_headline_tells_rates_where_ceilings_differ():
    """Field case: one rank under 160 and two under 80 GFLOP/s; the share rose where the rate fell."""
    found = [
        held(6.6, 160, ranks=1, size={"edge": 16}, flop=16**3),
        held(12.3, 80, ranks=2, size={"edge": 32}, flop=32**3),
    ]
    told = said(*found)
    assert told[0].startswith("9.84 GFLOP/s to 10.6 GFLOP/s a device (one process each) | ")
    assert "(#1)" in told[0]
    assert "is 10.6 GFLOP/s (10.5 to 10.7), 6.6 % of its own ceiling, at the largest" in told[0]
    assert "9.84 GFLOP/s (9.74 to 9.94), 12.3 % of its own ceiling" in told[0]
    assert "Rates are compared, since the measured ceilings differ by more than their intervals: 80 to 160" in told[0]
    assert not any("6.6 % to 12.3 %" in each for each in told)


def test_a_share_of_a_suspect_ceiling_says_so():
    busy = "n1: others kept 1 of the ranks' 2 cores busy (50 % of them)"
    told = said(held(10, 100, suspect=(busy,)))
    assert f"The measured ceiling is suspect: {busy}." in told[0]


def test_ceilings_that_were_disturbed_are_told():
    reason = {"cause": "clocks", "words": "rank 0 on n1: the GPU's clock fell by 9 %"}
    peaks = [{"ranks": 1, "precision": "bf16", "repeats": [1.0], "suspect": [reason]}]
    memory = {"ranks": 1, "memory": {"suspect": [{"cause": "unsettled", "words": "its rate had not settled"}]}}
    told = one(said(*line(5, 20), peaks=peaks, ceilings=[memory]), "2 measured ceilings may not stand for the device")
    assert "bf16, 1 rank: rank 0 on n1: the GPU's clock fell by 9 %" in told
    assert "memory bandwidth, 1 rank: its rate had not settled" in told


def test_an_uncertain_ceiling_is_told_and_a_sure_one_is_not():
    sure = {"ranks": 1, "precision": "bf16", "repeats": [1.0], "flop_per_s": 100.0, "flop_per_s_low": 97.0}
    sure |= {"flop_per_s_high": 102.0, "spread_percent": 30.0}
    unsure = sure | {"flop_per_s_high": 120.0, "precision": "fp32"}
    told = one(said(*line(5, 20), peaks=[sure, unsure]), "A measured ceiling is uncertain by more than 5 %")
    assert "fp32, 1 rank: \u00b1 11.5 %" in told
    assert "bf16" not in told


def test_a_point_beyond_its_ceiling_is_named_and_kept():
    """143 % once, of a ceiling that others had disturbed."""
    told = said(held(143, 100), held(90, 100, size={"edge": 32}, flop=8e9))
    assert "143 % of the measured ceiling, which does not hold for this work" in told[0]
    found = one(told, "The measured ceiling does not hold for 1 point")
    assert "#1 (edge=16) 143 % (142 to 144) of it" in found
    assert "Physics does not forbid these rates" in found


def test_a_point_at_its_ceiling_within_the_interval_is_not():
    told = said(held(100.5, 100), held(90, 100, size={"edge": 32}, flop=8e9))
    assert not any("does not hold" in each for each in told)


def test_what_a_core_can_do_is_told_among_the_facts():
    core = {"flop_per_cycle": {"fp32": 64}, "extensions": ["avx512f"], "clock_hz": 3.9e9}
    core["clock_source"] = "cpuinfo_max_freq"
    run = run_of(*line(5), machine={"device": "x", "core_limit": core | {"why": {}}})
    told = run_facts(run, [])["a core can do"].replace("\u00a0", " ")
    assert told == "FLOP a cycle: fp32 64 (avx512f); at most 3.90 GHz (cpuinfo_max_freq)"
    unknown = {"why": {"fp32": "no bound is known for the architecture riscv64"}}
    run = run_of(*line(5), machine={"device": "x", "core_limit": unknown})
    assert run_facts(run, [])["a core can do"] == "not known: no bound is known for the architecture riscv64"
