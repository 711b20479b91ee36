"""Input sources and background reading in the report: groups, slowdowns, findings, table and figures."""

import pytest

from reports import write_report
from reports.analysis.input_sources import find_groups
from reports.analysis.trend import find_trend
from reports.charts.input import MOST_GROUPS, load_charts, source_charts
from reports.findings.input import io_findings
from reports.page.report import build
from reports.tables.input import inputs, where_data_lay
from reports.tables.setup import constants
from saih.records.record import Record
from tests.gold.small import cases_of, lost, measured, run_of, write_run
from tests.report_parts import findings


def point(source="cold", rate=100.0, others=0.0, asked=None, edge=16, spread=0.01, shares_cores=False, **evidence):
    """A point at ``rate`` samples/s while others achieved ``others`` MB/s."""
    asked = others if asked is None else asked
    found = {name: {"value": value, "unit": "%", "better": "none", "method": "?"} for name, value in evidence.items()}
    if asked:
        method = {"unit": "B/s", "better": "none", "method": "?", "shares_cores": shares_cores}
        found["background_read_bytes_per_s"] = {"value": others * 1e6, **method}
    run = {"input": source, "background_read_mb_s": asked}
    reader = {"bytes": others * 5e6, "seconds": 5.0, "files": 8, "direct_files": 8, "shares_cores": shares_cores}
    samples = {"background": [reader] if asked else []}
    return measured({"edge": edge}, rate, spread, run=run, metrics=found, samples=samples)


def groups_of(*found):
    cases = cases_of(*found)
    return find_groups(cases, find_trend(cases).axes)


def slowdown(*found):
    ((curve,),) = (group.curves for group in groups_of(*found))
    return curve.slowdown


def said(*found):
    told = io_findings(groups_of(*found))
    return [f"{each.kind}: {each.headline} | {each.evidence}".replace("\u00a0", " ") for each in told]


def one(told, words):
    (found,) = [each for each in told if words in each.split(" | ")[0]]
    return found


def test_where_nothing_can_be_compared_there_is_no_section():
    assert groups_of(point(), point(edge=32)) == ()
    assert groups_of(point(others=100), point(others=200)) == ()  # nothing undisturbed to hold them against
    assert groups_of(lost({"edge": 16}, "failed")) == ()
    report = build([run_of(point(), point(edge=32))])
    assert "input" not in [section.anchor for section in report.sections]


def test_only_points_equal_in_all_else_are_compared():
    found = groups_of(point("memory"), point("cold"), point("cold", edge=32), point("cold", 90, 100))
    (group,) = found
    assert [case.keys["input"] for case in group.sources] == ["cold", "memory"]
    assert [len(curve.cases) for curve in group.curves] == [2]
    assert all(case.keys["edge"] == 16 for case in group.cases)


def test_the_load_at_95_percent_lies_on_the_line_between_two_points():
    found = slowdown(
        point(rate=100), point(rate=99, others=200), point(rate=91, others=400), point(rate=50, others=600)
    )
    assert found.mb_s == pytest.approx(300)
    assert found.samples_per_s == pytest.approx(95)
    assert [case.keys["background_read_mb_s"] for case in found.around] == [200, 400]
    assert found.real


def test_a_line_that_recovers_is_slow_only_where_it_stays_slow():
    found = slowdown(point(), point(rate=80, others=100), point(rate=100, others=200), point(rate=90, others=300))
    assert found.mb_s == pytest.approx(250)


def test_what_was_achieved_counts_and_not_what_was_asked_for():
    found = slowdown(point(rate=100), point(rate=100, others=100, asked=200), point(rate=90, others=50, asked=400))
    assert found is None  # in order of the load there was, the slow point comes first


def test_no_slowdown_within_the_range():
    assert slowdown(point(), point(rate=96, others=900)) is None
    told = one(said(point(), point(rate=96, others=900)), "stays within")
    assert told.startswith("result: With input cold throughput stays within 5 % while others read up to 900 MB/s")
    assert "beyond the measured range" in told


def test_a_slowdown_within_the_noise_is_none():
    noisy = [point(rate=100, spread=0.2), point(rate=90, others=500, spread=0.2)]
    assert slowdown(*noisy).real is False
    assert "is not told apart from noise" in said(*noisy)[0]
    ((chart,),) = [load_charts(groups_of(*noisy))]
    assert chart.lines[0].slowed is None
    assert slowdown(point(spread=0), point(rate=90, others=500, spread=0)).real is None


def test_the_finding_is_a_sentence():
    told = one(said(point(), point(rate=100, others=300), point(rate=90, others=520)), "slows")
    assert told.startswith(
        "result: With input cold the work slows by 5 % when others read 410 MB/s from the data set's storage | "
        "Undisturbed 100 samples/s (99.0 to 101), #1; +0.0 % at 300 MB/s; -10 % at 520 MB/s. Interpolated"
    )


def test_an_undisturbed_point_that_is_the_slower_one_is_no_ground_for_a_finding():
    told = said(point(rate=50), point(rate=100, others=100), point(rate=40, others=900))
    assert one(told, "undisturbed point is slower").startswith("caution")
    assert "See #2;" in told[0]
    assert not [each for each in told if "the work slows" in each]


def test_sources_are_compared_undisturbed():
    exposed = {"exposed_input_s": (0.004, 0.003, 0.005)}
    slow = measured({"edge": 16}, 50.0, run={"input": "cold"}, exposed=exposed)
    told = one(said(point("memory"), slow, point("cold", 10, 800)), "instead of")
    assert told.startswith("result: With input cold instead of memory throughput is 50.0 % lower")
    assert "exposed input 20.0 % (15.0 to 25.0) of the step (#1)" in told
    assert "No input source is slower beyond doubt" in said(point("memory", 100), point("cold", 101))[0]


def test_what_is_slow_without_being_exposed_is_no_matter_of_input():
    """Another process on the machine slows the step without input as much, so that the difference stays zero."""
    drift = [measured({"edge": 16}, 60.0, run={"input": "memory"}, exposed={"exposed_input_s": (0.0, -0.001, 0.001)})]
    assert "No input source is slower beyond doubt" in said(point("cold", 100), *drift)[0]
    found = point("cold", 60, 500)
    zero = {"value": 0.0, "low": -0.001, "high": 0.001, "unit": "s", "better": "lower", "method": "?"}
    found.metrics["exposed_input_s"] = zero
    told = one(said(point("cold"), found), "slows")
    assert told.startswith("caution: With input cold the work slows by 5 % when others read 62.5 MB/s")
    assert "but not for want of input | " in told
    found.metrics["exposed_input_s"] = zero | {"value": 0.004, "low": 0.003, "high": 0.005}
    assert one(said(point("cold"), found), "slows").startswith("result")


def test_a_control_that_slows_down_is_a_caution():
    warm = [point("warm", from_storage_percent=0.0), point("warm", 80, 500, from_storage_percent=0.0)]
    cold = [point("cold", from_storage_percent=100.0), point("cold", 60, 500, from_storage_percent=100.0)]
    told = one(said(*warm, *cold), "read no storage")
    assert told.startswith("caution: 1 input that read no storage")
    assert "warm by 20.0 %" in told
    assert "cold by" not in told
    steady = [warm[0], point("warm", 99, 500, from_storage_percent=0.0)]
    assert not [each for each in said(*steady, *cold) if "read no storage" in each]


def test_shared_cores_are_a_caution():
    assert one(said(point(), point(rate=90, others=9, shares_cores=True)), "shared cores").startswith("caution")
    assert not [each for each in said(point(), point(rate=90, others=9)) if "shared cores" in each]


def test_reading_from_memory_by_accident_is_a_caution():
    read = {"page_cache_percent": 100.0, "direct_read_percent": 0.0, "data_to_memory_ratio": 0.25}
    told = said(point("dataset", **read), point("dataset-warm", **read), point("memory"))
    found = one(told, "measured memory")
    assert found.startswith("caution: 1 point measured memory, not storage | At #1 (dataset) up to 100 % of the data")
    assert "holds 0.250 times the host's memory; MLPerf Storage asks for at least 5 times." in found
    past = read | {"direct_read_percent": 100.0}
    assert not [each for each in said(point("a", **past), point("b")) if "measured memory" in each]


def test_trend_lines_do_not_mix_disturbed_points_with_others():
    found = [point(rate=10 * edge / others, others=others, edge=edge) for edge in (16, 32) for others in (10, 100)]
    calm = [point(rate=edge, edge=edge) for edge in (16, 32)]
    trend = find_trend(cases_of(*calm, *found))
    assert len(trend.series) == 3
    assert all(len({case.keys["background_read_mb_s"] for case in series.cases}) == 1 for series in trend.series)


def test_the_reach_is_that_of_undisturbed_points():
    report = build([run_of(point(rate=20), point("memory", 30), point(rate=10, others=500))])
    (reach,) = [each for each in findings(report) if "of the measured ceiling" in each.headline]
    assert reach.headline.replace("\u00a0", " ").startswith("20.0 % to 30.0 %")


def test_records_that_know_no_background_are_undisturbed():
    old = point()
    run = {key: value for key, value in old.point["run"].items() if key != "background_read_mb_s"}
    (case,) = cases_of(Record(old.id, "ok", {**old.point, "run": run}, old.metrics, old.samples))
    assert case.keys["background_read_mb_s"] == 0
    assert not case.disturbed
    assert "background" not in constants([case])
    assert "background_read_mb_s=9" in constants(cases_of(point(others=9)))


def test_the_table_has_rates_in_the_unit_they_are_asked_for_and_the_evidence_there_is():
    groups = groups_of(point(page_cache_percent=0.0), point(rate=90, others=80, asked=100, page_cache_percent=0.0))
    table = inputs(groups, ())
    titles = [head.text for head in table.head]
    assert titles[-1] == "page_cache_percent"  # and no column for what nothing recorded
    undisturbed, disturbed = table.rows
    others, change = titles.index("others read"), titles.index("change")
    assert (undisturbed[others].text, undisturbed[change].text) == ("0", "")
    shown = (disturbed[others].text, disturbed[others].detail, disturbed[change].text)
    assert [text.replace("\u00a0", " ") for text in shown] == ["80 MB/s", "of 100 MB/s", "-10 %"]


def test_file_systems_are_named_where_the_facts_name_them():
    run = run_of(point(), data={"16": {"path": "/x/set", "file_system": "ext4"}, "32": {"path": "/y"}})
    assert where_data_lay([run]) == "File systems of the data sets: ext4 (/x/set)."
    assert where_data_lay([run_of(point())]) == ""


def test_many_problems_get_few_figures_and_a_whole_table():
    edges = range(8, 8 + 2 * MOST_GROUPS)
    found = [point(source, rate, edge=edge) for edge in edges for source, rate in (("memory", 9), ("cold", 8))]
    groups = groups_of(*found)
    charts = source_charts(groups)
    assert len(charts) == MOST_GROUPS
    assert charts[1].caption.startswith("edge=9. ")
    assert len(inputs(groups, find_trend(cases_of(*found)).axes).rows) == len(found)


@pytest.mark.parametrize("spread", [0, 0.01])
def test_figures_are_drawn(tmp_path, spread):
    found = [point(spread=spread), point(rate=50, others=300, spread=spread), point("memory", spread=spread)]
    page = write_report([write_run(tmp_path / "run", *found)]).read_text()
    assert 'id="figure-input-sources"' in page
    assert 'id="figure-background-reading"' in page
    assert "\u22125\u00a0% at 30\u00a0MB/s" in page
