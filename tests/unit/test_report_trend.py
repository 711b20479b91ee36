"""Axes, roles, lines, growth, effects and scaling."""

import pytest

from reports.analysis.axes import assign, find_axes
from reports.analysis.cases import make_cases
from reports.analysis.runs import merge
from reports.analysis.step_parts import find_steps
from reports.analysis.trend import find_trend
from reports.charts.scaling import scaling_charts
from reports.charts.step import step_charts
from reports.charts.trend import trend_charts
from reports.tables.step import steps as steps_table
from tests.gold.small import cases_of, folder_of, held, lost, measured


def sweep(**dials):
    """A matrix of two dials and ranks, at a share that rises with the work."""
    found = []
    for edge in dials.get("edge", (16, 32, 64)):
        for width in dials.get("width", (1, 2)):
            for ranks in dials.get("ranks", (1, 2)):
                flop = 1e6 * edge**3 * width**2
                share = 50 * flop / (flop + 2e10) / ranks**0.2
                found.append(measured({"edge": edge, "width": width}, share, flop=flop, ranks=ranks))
    return found


def names(axes):
    return [axis.name for axis in axes]


def test_the_dial_with_most_values_grows_and_ranks_are_the_style():
    cases = cases_of(*sweep())
    axes = find_axes(cases)
    roles = assign(axes, cases)
    assert names(axes) == ["edge", "width", "ranks"]
    assert roles.growth.name == "edge"
    assert roles.style.name == "ranks"
    assert names(roles.colour) == ["width"]
    assert roles.panels == ()


def test_any_application_s_dials_will_do():
    cases = cases_of(*(measured({"tokens": t, "layers": n}, t, flop=t * n) for t in (1, 2, 3) for n in (4, 8)))
    assert assign(find_axes(cases), cases).growth.name == "tokens"


def test_of_two_dials_with_as_many_values_the_one_grows_that_adds_more_work():
    cases = cases_of(*sweep(edge=(16, 64), width=(1, 2)))
    assert assign(find_axes(cases), cases).growth.name == "edge"


def test_batch_can_be_what_grows():
    cases = cases_of(*(measured({"edge": 16}, 5 + batch, batch=batch) for batch in (1, 2, 4)))
    trend = find_trend(cases)
    assert trend.roles.growth.name == "batch"
    assert [case.flop_per_step for case in trend.series[0].cases] == [1e9, 2e9, 4e9]


def test_dials_that_grow_together_are_one_axis():
    cases = cases_of(*(measured({"edge": e, "width": w}, e, flop=e**3 * w) for e, w in ((16, 1), (32, 2), (64, 4))))
    (axis,) = find_axes(cases)
    assert axis.name == "edge with width"
    assert axis.label(axis.values[1]) == "edge=32, width=2"
    (series,) = find_trend(cases).series
    assert len(series.cases) == 3


def test_a_data_set_made_for_its_size_is_no_axis():
    cases = cases_of(*(measured({"edge": e}, e, flop=e**3, data={"recipe": {"edge": e}}) for e in (16, 32)))
    (axis,) = find_axes(cases)
    assert axis.name == "edge"
    assert len(find_trend(cases).series) == 1


def test_a_run_is_named_by_its_label_alone():
    a = folder_of(*sweep(ranks=(1,)), path="a")
    b = folder_of(*sweep(ranks=(1,)), path="b")
    cases = make_cases(merge([a, b]))
    trend = find_trend(cases)
    assert names(trend.axes) == ["edge", "width", "run"]
    assert {series.label for series in trend.series} == {"a, width=1", "a, width=2", "b, width=1", "b, width=2"}
    effect = next(effect for effect in trend.effects if effect.axis.name == "run")
    assert effect.rate == pytest.approx([1.0] * 6)
    assert effect.share == ()  # another run has another ceiling


def test_many_lines_become_panels():
    found = [
        measured({"edge": e, "width": w}, e / w, flop=e**3 * w, run={"precision": p, "execution": x})
        for e in (16, 32, 64)
        for w in (1, 2)
        for p in ("fp32", "bf16")
        for x in ("plain", "compiled")
    ]
    trend = find_trend(cases_of(*found))
    assert names(trend.roles.colour) == ["width", "precision"]
    assert names(trend.roles.panels) == ["execution"]
    chart = trend_charts(cases_of(*found), trend)[0]
    assert [panel.title for panel in chart.panels] == ["execution=compiled", "execution=plain"]
    assert all(len(panel.lines) == 4 for panel in chart.panels)


def test_more_panels_than_a_page_holds_become_several_charts():
    found = [
        measured({"edge": e, "width": w}, e, flop=e**3 * w, run={"input": f"i{i}"})
        for e in (16, 32, 64, 128, 256, 512, 1024)
        for w in range(1, 6)
        for i in range(6)
    ]
    cases = cases_of(*found)
    charts = [chart for chart in trend_charts(cases, find_trend(cases)) if chart.name.startswith("percent")]
    assert [len(chart.panels) for chart in charts] == [3, 3]
    assert len({chart.name for chart in charts}) == 2


@pytest.mark.parametrize(
    ("shares", "spread", "verdict", "resolved"),
    [
        ((10, 20), 0.01, "rises", True),
        ((10, 10.5), 0.01, "flat", True),  # gains less than 10 %
        ((10, 15), 0.4, "not resolved", False),  # gains more, but not beyond the intervals
        ((10, 10.5), 0.2, "not resolved", False),  # may gain much, or lose much
        ((10, 10.2), 0.02, "flat", False),  # the whole interval is small
        ((10, 12), 0.06, "rises", True),
        ((10, 15), 0, "rises", None),  # no interval is recorded: the size of the gain decides
        ((20, 10), 0.01, "falls", True),
    ],
)
def test_how_a_line_ends(shares, spread, verdict, resolved):
    found = [measured({"edge": 16 * 2**i}, share, spread, flop=8.0**i) for i, share in enumerate(shares)]
    (growth,) = find_trend(cases_of(*found)).growths
    assert growth.verdict == verdict
    assert (None if growth.last_gain.sign is None else growth.last_gain.sign != 0) is resolved


def test_a_line_knows_the_larger_points_that_gave_no_result():
    cases = cases_of(*sweep(edge=(16, 32), width=(1,), ranks=(1,)), lost({"edge": 64, "width": 1}, "oom"),
                     measured({"edge": 64, "width": 1}, 30, flop=1e12, ranks=2))  # fmt: skip
    growth = find_trend(cases).growths[0]
    assert [case.status for case in growth.beyond] == ["oom"]


def test_effects_compare_points_equal_in_all_else():
    trend = find_trend(cases_of(*sweep()))
    effects = {effect.axis.name: effect for effect in trend.effects}
    assert len(effects["edge"].pairs) == 4
    assert len(effects["width"].pairs) == 6
    assert all(value == pytest.approx(2**-0.2) for value in effects["ranks"].share)
    assert trend.effects[0].axis.name == "edge"


def test_scaling_is_relative_to_the_fewest_ranks():
    found = [measured({"edge": 16}, share, spread=0.0, ranks=ranks) for ranks, share in ((1, 40), (2, 30), (4, 20))]
    scalings = find_trend(cases_of(*found)).scalings
    assert [scaling.efficiency.value for scaling in scalings] == pytest.approx([0.75, 0.5])
    assert scalings[0].efficiency.low is None
    assert all(scaling.doubt == "" for scaling in scalings)


def test_scaling_is_drawn_from_three_numbers_of_ranks_on():
    found = [measured({"edge": 16}, share, ranks=ranks) for ranks, share in ((1, 40), (2, 30), (4, 20))]
    assert scaling_charts(find_trend(cases_of(*found[:2]))) == []
    (chart,) = scaling_charts(find_trend(cases_of(*found)))
    assert chart.ticks == (1, 2, 4)
    assert [mark.y for mark in chart.panels[0].lines[0].marks] == pytest.approx([100, 75, 50])


def test_scaling_takes_the_worst_ends_of_both_intervals():
    found = [measured({"edge": 16}, 40, spread=0.1, ranks=ranks) for ranks in (1, 2)]
    (scaling,) = find_trend(cases_of(*found)).scalings
    assert scaling.efficiency.low == pytest.approx(0.9 / 1.1)
    assert scaling.efficiency.high == pytest.approx(1.1 / 0.9)


def test_ranks_with_fewer_cores_are_other_devices():
    def on(cores):
        return {"ranks": [{"host": "n", "device": "cpu", "cores": cores}]}

    found = [
        measured({"edge": 16}, 40, ranks=1, system=on([0, 1])),
        measured({"edge": 16}, 40, ranks=2, system=on([0])),
    ]
    (scaling,) = find_trend(cases_of(*found)).scalings
    assert "1 core at 2 ranks and 2 at 1" in scaling.doubt


def test_charts_show_lost_points_where_they_would_stand():
    found = [
        *sweep(ranks=(1,)),
        lost({"edge": 64, "width": 2}, "failed", ranks=2),
        lost({"edge": 128, "width": 2}, "oom"),
    ]
    cases = cases_of(*found, lost({"edge": 32, "width": 2}, "skipped", ranks=2))
    chart = trend_charts(cases, find_trend(cases))[0]
    marks = [mark for panel in chart.panels for line in panel.lines for mark in line.marks]
    assert {mark.status for mark in marks if mark.y is None} == {"failed"}
    assert "Not drawn: #5 (not measured) and #9 (value or work per sample not known)" in chart.caption


def test_parts_of_the_step_add_up_and_negative_ones_stay():
    parts = {"exposed_input_s": (-0.01, -0.03, 0.02), "exposed_comm_s": (0.02, 0.01, 0.03)}
    cases = cases_of(measured({"edge": 16}, 10, exposed=parts, ranks=2))  # a step takes 0.1 s
    (step,) = find_steps(cases)
    assert [(part.name, pytest.approx(part.share), part.resolved) for part in step.parts] == [
        ("exposed input", -0.1, False), ("exposed communication", 0.2, True), ("rest of the step", 0.9, None),
    ]  # fmt: skip
    (chart,) = step_charts((step,), find_trend(cases))
    assert "negative" in chart.caption
    assert "includes zero" in chart.caption


@pytest.mark.parametrize(
    ("exposed", "copy", "shares"),
    [
        (0.03, 0.01, {"exposed input": 0.2, "waiting for the copy": 0.1}),
        (0.01, 0.03, {"exposed input": -0.2, "waiting for the copy": 0.3}),  # beside something else that lasts
        (-0.01, 0.0, {"exposed input": -0.1}),  # copied ahead
        (None, 0.03, {"waiting for the copy": 0.3}),
    ],
)
def test_the_copy_is_a_part_of_the_exposed_input(exposed, copy, shares):
    given = {"h2d_s": (0.05, 0.05, 0.05), "copy_wait_s": (copy, copy, copy)}
    if exposed is not None:
        given["exposed_input_s"] = (exposed, exposed, exposed)
    (step,) = find_steps(cases_of(measured({"edge": 16}, 10, exposed=given)))
    found = {part.name: part.share for part in step.parts}
    assert found.pop("rest of the step") == pytest.approx(1 - sum(shares.values()))
    assert found == pytest.approx(shares)
    assert ("exposed input" in dict(step.missing)) == (exposed is None)


@pytest.mark.parametrize(("exposed", "within"), [(0.03, "exposed input"), (None, "the rest")])
def test_a_copy_of_which_only_its_own_time_is_known_is_no_part_of_0_seconds(exposed, within):
    """It overlaps with the step: how much of it is exposed is not known, and the report says so."""
    given = {"h2d_s": (0.05, 0.05, 0.05)}
    if exposed is not None:
        given["exposed_input_s"] = (exposed, exposed, exposed)
    cases = cases_of(measured({"edge": 16}, 10, exposed=given))
    (step,) = find_steps(cases)
    assert step.part("waiting for the copy") is None
    why = "copies overlap with the step; how much of them is exposed was not measured"
    assert dict(step.missing)["waiting for the copy"] == why
    assert sum(part.share for part in step.parts) == pytest.approx(1)
    (chart,) = step_charts((step,), find_trend(cases))
    assert f"Within {within}, for it was not measured: waiting for the copy at #1." in chart.caption
    table = steps_table([step], [])
    assert table is not None
    (place,) = (i for i, head in enumerate(table.head) if head.text == "waiting for the copy")
    assert "0" not in table.rows[0][place].text
    assert why in dict(table.notes).values()


@pytest.mark.parametrize(
    ("second", "half_percent", "yardstick"),
    [
        (100, 0.5, "percent_of_measured_peak"),
        (100.9, 0.5, "percent_of_measured_peak"),  # the intervals meet
        (102, 0.5, "flop_per_s_per_device"),
        (102, 2, "percent_of_measured_peak"),
        (80, 2, "flop_per_s_per_device"),
    ],
)
def test_points_under_different_ceilings_are_compared_by_their_rates(second, half_percent, yardstick):
    found = [
        held(share, ceiling, half_percent, ranks, size={"edge": edge}, flop=edge**3)
        for ranks, ceiling in ((1, 100), (2, second))
        for edge, share in ((16, 5), (32, 10))
    ]
    trend = find_trend(cases_of(*found))
    assert trend.yardstick == yardstick
    assert trend.own_ceilings is (yardstick == "flop_per_s_per_device")
    effect = next(effect for effect in trend.effects if effect.axis.name == "ranks")
    expected = 1 if yardstick == "percent_of_measured_peak" else second / 100
    assert effect.share == pytest.approx([expected, expected])


def test_another_precision_has_another_ceiling_and_that_alone_does_not_matter():
    found = [held(10, ceiling, run={"precision": p}) for p, ceiling in (("fp32", 50), ("bf16", 700))]
    assert find_trend(cases_of(*found)).yardstick == "percent_of_measured_peak"


def test_runs_under_different_ceilings_are_compared_by_their_rates():
    """Field case: rates within 0.7 %, shares 4 % apart, for one run's ceiling was a burst."""
    runs = [folder_of(held(share, ceiling), path=path) for path, share, ceiling in (("a", 9.2, 105), ("b", 9.6, 101))]
    trend = find_trend(make_cases(merge(runs)))
    assert trend.yardstick == "flop_per_s_per_device"
    (effect,) = trend.effects
    assert effect.axis.name == "run"
    assert effect.share == pytest.approx([9.6 * 101 / (9.2 * 105)])
    assert abs(effect.share[0] - 1) < 0.007


def test_the_chart_shows_rates_where_shares_do_not_compare():
    found = [
        held(share, ceiling, ranks=ranks, size={"edge": edge}, flop=edge**3)
        for ranks, ceiling in ((1, 100), (2, 50))
        for edge, share in ((16, 5), (32, 10))
    ]
    cases = cases_of(*found)
    names = [chart.name for chart in trend_charts(cases, find_trend(cases))]
    assert "flop-per-s-per-device" in names
    assert "percent-of-measured-peak" not in names
