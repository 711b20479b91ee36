"""Where a profiled step's time goes, what bounds it and where that turns: parts, details, findings."""

import pytest

from reports.analysis.diagnosis import causes, diagnosis, roofline
from reports.analysis.input_sources import find_groups
from reports.analysis.layers import halves
from reports.analysis.step_parts import find_steps, share
from reports.analysis.trend import find_trend
from reports.charts.step import step_charts
from reports.findings.all import findings
from reports.tables.step import bounds, steps
from reports.tables.step_details import chosen, details
from saih.diagnosis.gains import ONE_PASS
from tests.gold.small import cases_of, lost, measured, run_of

SHARES = {
    "input": 0.1, "copy": 0.05, "communication": 0.0, "straggler": 0.0, "host": 0.3, "compute": 0.2, "memory": 0.2,
    "cache": 0.05, "kernels": 0.15, "rest": -0.05,
}  # fmt: skip
"""They add up to 1."""
LAYER = {"name": "block 1", "forward_s": 0.02, "backward_s": 0.05, "forward_flop": 8e8, "flop": 2.4e9,
         "forward_bytes": 1e8, "bytes": 3e8, "alone_forward_s": 0.018, "alone_backward_s": None}  # fmt: skip
PROFILE = {
    "steps": 3, "step_s": 0.12, "device": "cuda", "busy_s": 0.09, "phases": {"forward": 0.02, "backward": 0.05},
    "classes": [
        {"class": "convolution", "busy_s": 0.07, "count": 2, "bytes": 7e8},
        {"class": "reduction", "busy_s": 0.02, "count": 3, "bytes": None},
    ],
    "layers": [LAYER], "outside": [{"class": "reduction", "busy_s": 0.02, "count": 3, "bytes": None}],
    "why": {"bytes": "shapes"},
}  # fmt: skip


def cause(name, verdict, share, **more):
    return {"cause": name, "kind": None, "verdict": verdict, "share": share, "saved_s": 0.01, "gain": 1.25,
            "evidence": f"{name} takes its part", "help": f"Less {name}."} | more  # fmt: skip


HOST, KERNELS = cause("host", "host-bound", 0.3), cause("kernels", "kernel-bound", 0.5)
INPUT = cause("input", "input-bound (decode)", 0.2)


def diagnosed(*causes, shares=SHARES, **more):
    verdict = " and ".join(each["verdict"] for each in causes) or "undetermined"
    return {"verdict": verdict, "evidence": "e", "causes": list(causes), "shares": shares, "roofline": None} | more


def profiled(size, *causes, share=10.0, profile=PROFILE, told=None, **more):
    """A profiled point; a step takes 0.1 s at 10 % of the ceiling."""
    return measured(size, share, samples={"profile": profile}, diagnosis=told or diagnosed(*causes), **more)


def plain(text):
    return text.replace("\u00a0", " ")


def said(*found):
    run = run_of(*found)
    cases = cases_of(*found)
    trend = find_trend(cases)
    told = findings([run], cases, trend, find_groups(cases, trend.axes))
    return [plain(f"{each.headline} | {each.evidence}") for each in told]


def one(told, words):
    (found,) = [each for each in told if words in each.split(" | ")[0]]
    return found


def test_the_parts_of_a_profiled_step_are_the_diagnosis_s_and_add_up_with_a_negative_rest():
    parts = {"exposed_input_s": (0.015, 0.012, 0.018)}
    (step,) = find_steps(cases_of(profiled({"edge": 16}, exposed=parts)))
    told = {part.name: part for part in step.parts}
    assert sum(part.share for part in step.parts) == pytest.approx(1)
    assert told["host gaps"].seconds == pytest.approx(0.03)
    assert told["unexplained rest"].share == -0.05
    taken = told["exposed input"]  # of the metric's 15 %, 5 % are the copy
    assert (taken.share, taken.low, taken.high) == (0.1, pytest.approx(0.07), pytest.approx(0.13))
    assert "exposed communication" not in told  # one rank
    trend = find_trend([step.case])
    (chart,) = step_charts([step], trend)
    assert "negative" in chart.caption
    assert chart.bars[0].parts[-1] == ("unexplained rest", -0.05, None)
    table = steps([step], trend.axes)
    assert any("they add up to more than the step" in text for _, text in table.notes)


def test_replicates_parts_are_their_means_and_add_up():
    other = SHARES | {"host": 0.1, "kernels": 0.35}
    found = [profiled({"edge": 16}, told=diagnosed(shares=each), repeat=i) for i, each in enumerate((SHARES, other))]
    (step,) = find_steps(cases_of(*found))
    assert step.part("host gaps").share == pytest.approx(0.2)
    assert sum(part.share for part in step.parts) == pytest.approx(1)


def test_a_point_without_profile_falls_back_to_the_differences_and_says_so():
    none = {"why": {"profile": "memory ended while profiling"}}
    shares = dict.fromkeys(SHARES) | {"input": 0.2, "rest": 0.8}
    parts = {"exposed_input_s": (0.02, 0.01, 0.03)}
    found = [
        profiled({"edge": 16}, exposed=parts),
        profiled({"edge": 32}, profile=none, told=diagnosed(shares=shares), exposed=parts),
    ]
    cases = cases_of(*found)
    first, second = find_steps(cases)
    assert (first.profiled, second.profiled) == (True, False)
    assert [part.name for part in second.parts] == ["exposed input", "rest of the step"]
    (chart,) = step_charts((first, second), find_trend(cases))
    assert "At #2, which have no profile, the rest is computing" in chart.caption
    table = steps((first, second), find_trend(cases).axes)
    assert any("not profiled" in text for _, text in table.notes)
    assert [case.number for path in chosen(find_trend(cases)) for case in path] == [1]


def test_what_a_diagnosis_does_not_know_is_within_the_rest_with_its_reason():
    shares = SHARES | {"host": None, "rest": 0.25}
    why = {"launch_gap_s": {"value": None, "unit": "s", "better": "lower", "why": "the pass was cut short"}}
    (step,) = find_steps(cases_of(profiled({"edge": 16}, told=diagnosed(shares=shares), metrics=why)))
    assert step.missing == (("host gaps", "the pass was cut short"),)
    assert sum(part.share for part in step.parts) == pytest.approx(1)


def test_smallest_middle_and_largest_of_each_path_have_tables():
    found = [
        profiled({"edge": 16 * 2**i, "width": width}, flop=1e9 * 8**i * width) for width in (1, 2) for i in range(5)
    ]
    trend = find_trend(cases_of(*found))
    sizes = [(case.keys["width"], case.keys["edge"]) for path in chosen(trend) for case in path]
    assert sizes == [(1, 16), (1, 64), (1, 256), (2, 16), (2, 64), (2, 256)]
    told = details(trend)
    assert [each.open for each in told] == [True] * 3 + [False] * 3
    assert "edge=16, width=1" in told[0].summary
    assert "busy time 90.0 % of it, most in convolution" in plain(told[0].summary)


def rows(table):
    return [[plain(f"{cell.text} {cell.detail}".strip()) for cell in row] for row in table.rows]


def test_tables_of_a_profiled_step():
    marks = [
        {"name": "block 1", "part": "forward", "flop": 8e8, "bytes": 1e8, "intensity": 8.0, "seconds": 0.02,
         "flop_per_s": 4e10, "limit": "compute", "limit_s": 0.008, "alone_s": 0.018},
        {"name": "block 1", "part": "backward", "flop": 1.6e9, "bytes": 2e8, "intensity": 8.0, "seconds": 0.05,
         "flop_per_s": 3.2e10, "limit": "compute", "limit_s": 0.016, "alone_s": None},
    ]  # fmt: skip
    roofline = {"flop_per_s": 1e11, "bytes_per_s": 1e10, "point": {}, "layers": marks}
    trend = find_trend(cases_of(profiled({"edge": 16}, told=diagnosed(roofline=roofline))))
    (detail,) = details(trend)
    phases, classes, layers = detail.tables
    assert rows(phases) == [["forward", "20 ms", "20.0 %"], ["backward", "50 ms", "50.0 %"]]
    assert rows(classes)[0] == ["convolution", "70 ms", "70.0 %", "2", "9.31 GiB/s", "0 s"]  # 7e8 B in 70 ms
    assert rows(classes)[1][-2:] == ["\u2013", "20 ms"]  # traffic unknown; all of it outside layers
    assert rows(layers)[0] == [
        "block 1", "70.0 %", "20 ms 40 GFLOP/s", "40.0 % arithmetic", "18 ms x 0.900",
        "50 ms 32 GFLOP/s", "32.0 % arithmetic", "\u2013",
    ]  # fmt: skip
    assert rows(layers)[1][:2] == ["no layer optimiser, loss and the like", "20.0 %"]


def test_without_ceilings_layers_still_have_their_times():
    (case,) = cases_of(profiled({"edge": 16}))
    assert [(half.part, half.seconds, half.limit_s, half.alone_s) for half in halves(case)] == [
        ("forward", 0.02, None, 0.018), ("backward", 0.05, None, None),
    ]  # fmt: skip


def line(*causes, **more):
    """Sizes that grow, each with its causes."""
    return [
        profiled({"edge": 16 * 2**i}, *each, share=10 * 2**i, flop=1e9 * 8**i, **more) for i, each in enumerate(causes)
    ]


def test_what_bounds_is_told_once_a_cause_with_evidence_help_and_gain():
    told = said(*line([HOST], [HOST, INPUT], [KERNELS]))
    found = one(told, "Host-bound")
    assert found.startswith("Host-bound: 2 of 3 measured points, 30.0 % of the step (one process each) | #1: host")
    assert "Less host. Without it, that step is predicted to be 1.2 times as fast." in found
    order = [each.split(":")[0] for each in told if each.split(":")[0].endswith(("-bound", "(decode)"))]
    assert order == ["Host-bound", "Kernel-bound", "Input-bound (decode)"]  # by their shares of all steps


def test_a_named_part_is_not_told_again_as_a_difference():
    parts = {"exposed_input_s": (0.02, 0.019, 0.021)}
    assert not any(each.startswith("Exposed input") for each in said(*line([INPUT], [HOST], exposed=parts)))
    assert any(each.startswith("Exposed input") for each in said(*line([KERNELS], [HOST], exposed=parts)))


def test_points_of_older_versions_are_still_told_as_differences_beside_named_ones():
    parts = {"exposed_input_s": (0.02, 0.019, 0.021)}
    told = one(said(*line([INPUT], [INPUT], exposed=parts), measured({"edge": 8}, 10, exposed=parts)), "Exposed input")
    assert "20.0 % (19.0 to 21.0), 20 ms of 100 ms, at #1" in told
    assert "at the one point that has it" in told


def test_where_it_turns_and_what_ends_it():
    found = line([HOST], [HOST], [], [KERNELS], [KERNELS])
    told = one(said(*found, lost({"edge": 512}, "oom", "no room")), "what bounds the step turns")
    assert told == (
        "Along edge, what bounds the step turns: host-bound, then kernel-bound (one process each) | Host-bound up "
        "to edge=32, kernel-bound from edge=128 on (between them, at edge=64, nothing is named), memory ends it at "
        "edge=512."
    )


def test_a_path_that_does_not_turn_is_not_said_to():
    assert not any("turns" in each for each in said(*line([HOST], [HOST])))


def test_a_size_left_out_of_the_sweep_ends_nothing():
    found = line([HOST], [KERNELS])
    told = one(said(*found, lost({"edge": 512}, "skipped", "excluded")), "what bounds the step turns")
    assert told.endswith("kernel-bound from edge=32 on.")


BOUND = {"layer_bound_s": {"value": 0.04, "unit": "s", "better": "none", "method": "m"}}


def test_the_layers_alone_are_called_the_same_kernels_and_no_bound():
    told = one(said(*line([HOST], [KERNELS], metrics=BOUND)), "each layer run alone")  # steps of 0.1 and 0.4 s
    assert told.startswith("The same kernels, each layer run alone, take 40 ms of the largest step's 400 ms")
    assert "It is no bound" in told
    assert "Over 2 points it is 10.0 % to 40.0 % of the step" in told
    assert "does the same problem" not in told


@pytest.mark.parametrize(("share", "told"), [(50, "execution=compiled) does the same problem in 20 ms"), (20, "")])
def test_another_execution_that_is_faster_than_the_layers_alone_is_told(share, told):
    """The same problem at 50 % of the ceiling takes 20 ms, at 20 % 50 ms."""
    found = [
        profiled({"edge": 16}, KERNELS, metrics=BOUND),
        profiled({"edge": 16}, KERNELS, share=share, run={"execution": "compiled"}),
        profiled({"edge": 16}, KERNELS, share=90, run={"precision": "fp16"}),  # another problem
    ]
    finding = one(said(*found), "each layer run alone")
    assert told in finding
    assert ("does the same problem" in finding) == bool(told)


@pytest.mark.parametrize(
    ("gain", "words", "cell"),
    [
        ((11.79, 7.11, 45.6, "blocks"), "12 (7.1 to 46) times as fast", "x 12 7.1 to 46"),
        ((1.34, 1.33, 1.36, "blocks"), "1.34 (1.33 to 1.36) times as fast", "x 1.34 1.33 to 1.36"),
        ((6.29, 4.51, None, "blocks"), "at least 4.5 times as fast (6.3 by the medians)", "x 6.3 at least 4.5"),
        ((None, 4.51, None, "blocks"), "at least 4.5 times as fast", "> 4.5 no upper end"),
        ((2.39, None, None, ONE_PASS), f"2.4 times as fast ({ONE_PASS})", "x 2.39"),
        ((1.25, None, None, None), "1.2 times as fast", "x 1.25"),  # of older versions
        ((None, None, None, None), "", ""),
    ],
)  # fmt: skip
def test_a_gain_has_its_interval_or_says_why_not(gain, words, cell):
    numbers = dict(zip(("gain", "gain_low", "gain_high", "gain_interval"), gain, strict=True))
    found = line([cause("host", "host-bound", 0.9, saved_s=None, **numbers)])
    told = one(said(*found), "Host-bound")
    assert (f"predicted to be {words}." in told) if words else ("predicted" not in told)
    cases = cases_of(*found)
    table = bounds(cases, find_trend(cases).axes)
    assert rows(table)[0][-2] == cell
    assert [text for _, text in table.notes] == [gain[3]] * (gain[1] is None and gain[3] is not None)


def test_a_gain_at_a_suspect_point_has_a_caveat():
    caveat = "this point is suspect: the GPU's clock fell by 12 %"
    found = line([cause("host", "host-bound", 0.9, caveat=caveat)])
    assert "1.2 times as fast, if the point can be trusted: it is suspect." in one(said(*found), "Host-bound")
    cases = cases_of(*found)
    assert caveat in dict(bounds(cases, find_trend(cases).axes).notes).values()


def test_every_part_that_is_drawn_has_an_interval_or_a_mark():
    parts = {"exposed_input_s": (0.015, 0.012, 0.018), "launch_gap_s": (0.03, 0.028, 0.032)}
    shares = SHARES | {"straggler": 0.1, "rest": -0.15}
    intervals = {"straggler": [0.08, 0.13], "input": [0.07, 0.13], "host": [0.28, 0.32]}
    told = diagnosed(HOST, shares=shares, intervals=intervals)
    (step,) = find_steps(cases_of(profiled({"edge": 16}, exposed=parts, told=told, ranks=2)))
    late = step.part("waiting for the slowest rank")
    assert (late.low, late.high, late.resolved) == (0.08, 0.13, True)
    assert all(bool(part.why) == (part.low is None) for part in step.parts)
    trend = find_trend([step.case])
    (chart,) = step_charts([step], trend)
    starred = {name for name, _, resolved in chart.bars[0].parts if resolved is None}
    assert starred == {
        "waiting for the copy", "compute-bound work", "memory-bound work", "work from caches",
        "work at neither ceiling", "unexplained rest",
    }  # fmt: skip
    stars = chart.caption[chart.caption.index("* No interval: ") :]
    assert all(name in stars for name in starred)
    assert "work of the one profiled pass" in stars
    table = steps([step], trend.axes)
    (row,) = table.rows
    noted = {head.text for head, cell in zip(table.head, row, strict=True) if cell.note}
    assert starred <= noted
    assert "8.0 to 13.0" in rows(table)[0][[head.text for head in table.head].index(late.name)]


def test_replicates_intervals_of_a_part_that_is_no_metric_are_means_and_none_without_all():
    shares = SHARES | {"straggler": 0.1, "rest": -0.15}
    ends = ([0.08, 0.12], [0.06, 0.2])
    found = [
        profiled({"edge": 16}, ranks=2, repeat=i, told=diagnosed(shares=shares, intervals={"straggler": each}))
        for i, each in enumerate(ends)
    ]
    (step,) = find_steps(cases_of(*found))
    late = step.part("waiting for the slowest rank")
    assert (late.low, late.high) == (pytest.approx(0.07), pytest.approx(0.16))
    (step,) = find_steps(cases_of(found[0], profiled({"edge": 16}, ranks=2, repeat=1, told=diagnosed(shares=shares))))
    assert step.part("waiting for the slowest rank").low is None


@pytest.mark.parametrize(
    ("device", "words"), [("cuda", "by construction: it checks nothing"), ("cpu", "do not account")]
)
def test_the_rest_of_a_gpus_step_is_not_called_a_check(device, words):
    cases = cases_of(profiled({"edge": 16}, HOST, profile=PROFILE | {"device": device}))
    (chart,) = step_charts(find_steps(cases), find_trend(cases))
    assert words in chart.caption
    assert ("do not account for" in chart.caption) == (device == "cpu")


def test_undetermined_although_profiled_is_a_gap():
    told = said(*line([HOST], []))
    assert one(told, "Undetermined") == "Undetermined what bounds 1 of 2 measured points: #2 | #2: e."


def test_the_table_of_bounds_has_a_row_a_cause():
    cases = cases_of(*line([KERNELS, HOST], []))
    table = bounds(cases, find_trend(cases).axes)
    told = rows(table)
    assert [row[2] for row in told] == ["kernel-bound", "host-bound", "undetermined"]
    assert told[0][:5] == ["#1", "16", "kernel-bound", "50.0 %", "x 1.25 \u221210 ms"]
    assert told[1][:2] == ["", ""]
    assert told[0][5] == "kernels takes its part Less kernels."


def test_replicates_that_differ_in_their_verdict_are_told_once():
    found = [profiled({"edge": 16}, *each, repeat=i) for i, each in enumerate(([HOST], [HOST], [KERNELS]))]
    cases = cases_of(*found)
    (row,) = rows(bounds(cases, find_trend(cases).axes))
    assert "host-bound processes differ: host-bound (2), kernel-bound (1)" in row
    (told,) = [each for each in said(*found) if "differ" in each]
    assert told == (
        "Processes differ in what bounds the step at 1 of 1 repeated point | #1: host-bound (2), kernel-"
        "bound (1). Named is what at least half of a point's processes name; shares are means over all of them."
    )


def test_replicates_that_agree_in_another_order_do_not_differ():
    found = [profiled({"edge": 16}, *each, repeat=i) for i, each in enumerate(([KERNELS, HOST], [HOST, KERNELS]))]
    assert not any("differ" in each for each in said(*found))


def repeated(*inputs):
    """Replicates in which input takes these shares, with the copy that is a part of it, of steps of 0.1 and 0.125 s."""
    found = []
    for i, taken in enumerate(inputs):
        step = (0.1, 0.125)[i % 2]
        shares = SHARES | {"input": taken - 0.05, "copy": 0.05, "rest": 0.1 - taken + 0.05 + SHARES["rest"]}
        named = [cause("input", "input-bound (decode)", taken, saved_s=taken * step, gain=1 / (1 - taken))]
        told = diagnosed(*(named if taken >= 0.12 else []), shares=shares)
        parts = {"exposed_input_s": (taken * step, 0.9 * taken * step, 1.1 * taken * step)}
        found.append(profiled({"edge": 16}, told=told, repeat=i, share=1 / step, exposed=parts))
    return found


def test_finding_chart_and_table_tell_the_same_share_over_replicates():
    cases = cases_of(*repeated(0.2, 0.4))
    (step,) = find_steps(cases)
    (chart,) = step_charts([step], find_trend(cases))
    drawn = {name: share for name, share, _ in chart.bars[0].parts}
    assert drawn["exposed input"] + drawn["waiting for the copy"] == pytest.approx(0.3)
    (named,) = causes(cases[0])
    assert named["share"] == pytest.approx(0.3)
    assert named["gain"] == pytest.approx(1 / 0.7)
    assert named["saved_s"] == pytest.approx(0.3 * cases[0].value("step_s"))
    assert share(cases[0], "exposed_input_s").value == pytest.approx(0.3)
    (row,) = rows(bounds(cases, find_trend(cases).axes))
    assert row[1:3] == ["input-bound (decode)", "30.0 %"]
    told = one(said(*repeated(0.2, 0.4)), "Input-bound")
    assert told.startswith("Input-bound (decode): the one measured point, 30.0 % of the step (2 processes)")
    assert "#1: One of 2 processes: input takes its part." in told


def test_a_cause_that_half_of_the_replicates_name_counts_with_the_mean_of_all():
    (case,) = cases_of(*repeated(0.3, 0.1))
    (named,) = causes(case)
    assert named["share"] == pytest.approx(0.2)  # of the one that does not name it, its parts
    (too_little,) = cases_of(*repeated(0.13, 0.06))
    assert causes(too_little) == []  # 9.5 % on average
    (of_three,) = cases_of(*repeated(0.6, 0.06, 0.05))
    assert causes(of_three) == []
    assert diagnosis(of_three)["verdict"] == "undetermined"


def test_a_part_that_no_replicate_has_is_drawn_without_doubt():
    parts = {"exposed_input_s": (0.01, 0.008, 0.012), "exposed_comm_s": (0.0, 0.0, 0.0)}
    found = [measured({"edge": 16}, share, ranks=2, exposed=parts, repeat=i) for i, share in enumerate((10, 11))]
    (step,) = find_steps(cases_of(*found))
    assert step.part("exposed communication").resolved is None
    assert step.part("exposed input").resolved is True
    assert step.part("exposed input").share == pytest.approx((0.1 + 0.11) / 2)


def test_contradictions_of_one_replicate_are_kept():
    against = diagnosed(contradictions=["the profile is twice as slow as the step"])
    found = [profiled({"edge": 16}, HOST), profiled({"edge": 16}, told=against, repeat=1)]
    assert diagnosis(cases_of(*found)[0])["contradictions"] == ["the profile is twice as slow as the step"]


def test_the_roofline_s_point_is_at_the_rate_of_all_replicates():
    roof = {"flop_per_s": 1e11, "bytes_per_s": 1e10, "layers": [],
            "point": {"flop": 1e9, "bytes": 1e8, "intensity": 10.0, "flop_per_s": 1e10}}  # fmt: skip
    found = [profiled({"edge": 16}, told=diagnosed(roofline=roof), share=y, repeat=i) for i, y in enumerate((10, 20))]
    (case,) = cases_of(*found)
    assert roofline(case)["point"]["flop_per_s"] == pytest.approx(1e9 / case.value("step_s"))


def test_a_kind_that_replicates_do_not_agree_on_is_not_named():
    storage = cause("input", "input-bound (storage)", 0.2, kind="storage")
    found = [profiled({"edge": 16}, each, repeat=i) for i, each in enumerate((INPUT, storage))]
    (named,) = causes(cases_of(*found)[0])
    assert (named["verdict"], named["kind"], named["help"]) == ("input-bound", None, "")
    (named,) = causes(cases_of(*found, profiled({"edge": 16}, storage, repeat=2))[0])
    assert (named["verdict"], named["kind"]) == ("input-bound (storage)", "storage")


def test_intervals_of_a_cause_reach_over_its_replicates():
    ends = ((0.009, 0.011), (0.008, 0.0105))
    found = [
        profiled({"edge": 16}, cause("host", "host-bound", 0.3, low_s=low, high_s=high), repeat=i)
        for i, (low, high) in enumerate(ends)
    ]
    (named,) = causes(cases_of(*found)[0])
    assert (named["low_s"], named["high_s"]) == (0.008, 0.011)


def test_records_of_older_versions_have_neither_profile_nor_causes():
    old = {"verdict": "communication-bound", "evidence": "e", "shares": {"communication": 0.3, "rest": 0.7}}
    cases = cases_of(*(measured({"edge": e}, 10, diagnosis=old) for e in (16, 32)))
    trend = find_trend(cases)
    assert details(trend) == []
    assert [row[2] for row in rows(bounds(cases, trend.axes))] == ["communication-bound"] * 2
    assert not any(
        "turns" in each or "Communication-bound" in each for each in said(*(r for c in cases for r in c.records))
    )
