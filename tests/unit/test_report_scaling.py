"""Weak and strong scaling over ranks."""

import pytest

from reports.analysis.axes import is_ranks
from reports.analysis.trend import find_trend
from reports.charts.scaling import scaling_charts
from reports.findings.scaling import scaling
from reports.tables.scaling import scaling as scaling_table
from tests.gold.small import cases_of, measured

STRONG = ((1, 32, 40), (2, 16, 30), (4, 8, 20))


def at(ranks, batch, percent, edge=16):
    return measured({"edge": edge}, percent, spread=0.0, ranks=ranks, batch=batch)


def test_ranks_that_share_a_batch_scale_strongly():
    trend = find_trend(cases_of(*(at(*each) for each in STRONG)))
    assert {each.kind for each in trend.scalings} == {"strong"}
    # measured() gives 0.4, 0.3, 0.2 samples/s a rank: 1, 1.5 and 2 times the lone rank's, of the ideal 2 and 4.
    found = {each.case.ranks: each for each in trend.scalings}
    assert [found[n].efficiency.value for n in (2, 4)] == pytest.approx([0.75, 0.5])
    assert [found[n].speed_up for n in (2, 4)] == pytest.approx([1.5, 2.0])
    for each in trend.scalings:
        rates = [case.value("samples_per_s") for case in (each.case, each.reference)]
        assert each.efficiency.value == pytest.approx(rates[0] / (each.case.ranks / 1 * rates[1]))


def test_a_shared_batch_does_not_grow_the_problem():
    trend = find_trend(cases_of(*(at(*each) for each in STRONG)))
    (axis,) = trend.axes
    assert is_ranks(axis)
    assert trend.roles.growth is None
    assert trend.growths == ()


def test_a_batch_that_grows_with_the_ranks_is_no_strong_scaling():
    trend = find_trend(cases_of(*(at(n, 8 * n, 10) for n in (1, 2, 4))))
    assert trend.scalings == ()
    assert trend.roles.growth.name == "batch with ranks"


def test_a_point_may_stand_in_a_weak_and_in_a_strong_comparison():
    cases = cases_of(*(at(n, b, 10) for n in (1, 2, 4) for b in (8, 16, 32)))
    found = find_trend(cases).scalings
    pairs = {(each.kind, each.reference.ranks, each.case.ranks, each.case.keys["batch"]) for each in found}
    assert {pair for pair in pairs if pair[0] == "weak"} == {("weak", 1, n, b) for n in (2, 4) for b in (8, 16, 32)}
    assert {pair for pair in pairs if pair[0] == "strong"} == {
        ("strong", 1, 2, 8), ("strong", 1, 2, 16), ("strong", 1, 4, 8), ("strong", 2, 4, 16),
    }  # fmt: skip
    told = [each.headline for each in scaling(found)]
    assert [each.split(":")[0] for each in told] == ["Weak scaling", "Strong scaling"]


def test_another_size_is_not_compared():
    assert find_trend(cases_of(at(1, 32, 40), at(2, 16, 30, edge=32))).scalings == ()


def test_findings_chart_and_table_say_which_kind_it_is():
    trend = find_trend(cases_of(*(at(*each) for each in STRONG), at(2, 32, 38), at(4, 32, 36)))
    weak, strong = (each.headline.replace("\u00a0", " ") for each in scaling(trend.scalings))
    assert weak == "Weak scaling: at 4 ranks the throughput of a rank is 90.0 % of that at 1"
    assert strong == "Strong scaling: at 4 ranks the same work goes 2 times as fast as at 1, 50.0 % of the ideal 4"
    charts = scaling_charts(trend)
    assert [(chart.name, chart.title) for chart in charts] == [
        ("scaling", "scaling efficiency, weak"), ("scaling-strong", "scaling efficiency, strong"),
    ]  # fmt: skip
    assert [mark.y for mark in charts[1].panels[0].lines[0].marks] == pytest.approx([100, 75, 50])
    assert "stays (strong scaling)" in charts[1].caption
    shown = scaling_table(trend.scalings, trend.axes)
    kinds = [next((c.text, c.detail) for c in row if c.text in ("weak", "strong")) for row in shown.rows]
    assert kinds == [("weak", "32 a rank")] * 2 + [("strong", "32 of all ranks")] * 2


def test_other_fewest_ranks_are_named_on_the_way():
    trend = find_trend(cases_of(*(at(n, b, 10) for n in (1, 2, 4) for b in (8, 16, 32))))
    strong = scaling(trend.scalings)[1].evidence.replace("\u00a0", " ")
    assert "100.0 % at 4 relative to 2" in strong or "100 % at 4 relative to 2" in strong
