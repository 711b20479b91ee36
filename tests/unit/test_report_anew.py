"""Records read back are judged by today's rules; one that contradicts its own samples is told and left out."""

import json
import shutil

import pytest

from reports.analysis.judged_anew import anew
from reports.analysis.runs import read_runs
from reports.page.report import build
from reports.page.write import write_report
from saih import records
from tests.conftest import ROOT
from tests.gold.small import measured
from tests.report_parts import bars, definitions, findings

GOLD = ROOT / "tests" / "gold"
SAME = ("samples_per_s", "step_s", "flop_per_s_per_device", "peak_mem_bytes")
RUNS = sorted(path.name for path in GOLD.glob("run-*"))


def copied(tmp_path, name="run-profile"):
    return shutil.copytree(GOLD / name, tmp_path / name)


def changed(folder, change, place=0):
    """One measured record of a folder, changed on disk."""
    paths = [path for path in sorted((folder / "points").glob("*.json")) if '"status": "ok"' in path.read_text()]
    raw = json.loads(paths[place].read_text())
    change(raw)
    paths[place].write_text(json.dumps(raw))
    return raw["id"]


@pytest.mark.parametrize("name", RUNS)
def test_kept_runs_of_older_versions_are_judged_anew_without_a_doubt(name):
    (run,) = read_runs([GOLD / name])
    before = {record.id: record for record in records.read_all(GOLD / name / "points")}
    assert not run.unread
    for record in run.records:
        old = before[record.id]
        assert record.status == old.status
        if record.status != "ok":
            assert record == old
            continue
        for metric in SAME:
            assert record.value(metric) == pytest.approx(old.value(metric)), metric
        share = "percent_of_measured_peak"  # then of the fastest of short repeats, now of their median
        assert old.value(share) < record.value(share) < 1.04 * old.value(share)
        assert all(entry["value"] is not None or entry["why"] for entry in record.metrics.values())
        assert set(record.diagnosis) >= {"verdict", "causes", "shares", "suspect", "checks", "contradictions"}


def test_the_diagnosis_on_the_page_is_today_s_whatever_the_record_says(tmp_path):
    folder = copied(tmp_path)

    def lie(raw):
        raw["diagnosis"]["verdict"] = "bound by the moon"
        raw["diagnosis"]["causes"] = []
        raw["metrics"]["step_s"] |= {"low": 0.0, "high": 77.7}  # intervals are of the day

    changed(folder, lie)
    report = build(read_runs([folder]))
    assert "moon" not in str(report)
    assert str(report.table("bounds")) == str(build(read_runs([GOLD / "run-profile"])).table("bounds"))
    assert "77.7" not in str(report.table("points"))
    assert "Judged anew" in definitions(report)


@pytest.mark.parametrize(
    ("metric", "factor", "doubted"),
    [
        ("samples_per_s", 1.03, True),
        ("step_s", 0.97, True),
        ("flop_per_s_per_device", 1.00001, True),
        ("exposed_input_s", 2.0, True),
        ("h2d_s", 0.5, True),
        ("busy_s", 1.1, True),
        ("forward_s", 1.1, True),
        ("step_s", 1 + 1e-9, False),  # another order of sums
        ("percent_of_measured_peak", 1.3, False),  # what a ceiling is has changed since
        ("layer_bound_s", 1.3, False),
    ],
)
def test_a_metric_that_does_not_follow_makes_the_record_doubtful(tmp_path, metric, factor, doubted):
    folder = copied(tmp_path)
    values = []

    def lie(raw):
        values.append(raw["metrics"][metric]["value"])
        raw["metrics"][metric]["value"] *= factor

    id_ = changed(folder, lie)
    report = build(read_runs([folder]))
    told = [each for each in findings(report) if "do not follow from the raw data" in each.headline]
    assert bool(told) == doubted
    if not doubted:
        assert str(report.table("points")) == str(build(read_runs([GOLD / "run-profile"])).table("points"))
        return
    assert told[0].kind == "caution"
    assert id_ in told[0].evidence
    recorded, follows = (f"{value:.7g}" for value in (values[0] * factor, values[0]))
    assert f"{metric} is recorded as {recorded}, its samples give {follows}" in told[0].evidence
    (number,) = told[0].points
    others = [each for each in findings(report) if each is not told[0]]
    assert all(number not in each.points for each in others)
    tables = report.table("steps"), report.table("resources")
    assert f"#{number}" not in {row[0].text for table in tables for row in table.rows}
    assert number not in {bar.case for chart in bars(report) for bar in chart.bars}


def test_raw_times_that_were_changed_are_seen_by_the_metrics(tmp_path):
    folder = copied(tmp_path, "run-cpu")
    changed(folder, lambda raw: raw["samples"]["block_s"]["full"][4].__setitem__(0, 9.0))
    (told,) = [each for each in findings(build(read_runs([folder]))) if "do not follow" in each.headline]
    assert "samples_per_s is recorded as" in told.evidence


def test_an_application_s_own_metric_must_be_the_value_it_gave(tmp_path):
    folder = copied(tmp_path, "run-io")
    record = records.read_all(folder / "points")[0]
    name = next(iter(record.metrics.keys() - {"step_s"} & {"page_cache_percent"}))
    values = {name: 12.0}
    given = {**record.metrics, name: {**record.metrics[name], "value": 100.0}}
    samples = {**record.samples, "values": values}
    again = anew(type(record)(**{**vars(record), "metrics": given, "samples": samples}), {})
    assert again.status == "invalid"
    assert f"{name} is recorded as 100, its samples give 12" in again.error["message"]


def test_a_copy_s_figures_are_those_of_the_middle_one():
    (run,) = read_runs([GOLD / "run-devices"])
    for record in run.records:
        copies = [copy["samples_per_s"] for copy in record.diagnosis["everywhere"]["copies"]]
        assert record.value("samples_per_s") == pytest.approx(sorted(copies)[(len(copies) - 1) // 2])


def test_why_old_records_are_suspect_stays_where_no_telemetry_was_kept():
    suspect = ["rank 0 on n1: the GPU's clock fell by 9 % within the measurement"]
    record = measured({"edge": 16}, diagnosis={"verdict": "undetermined", "suspect": suspect})
    assert anew(record, {}).diagnosis["suspect"] == suspect


def test_what_a_record_lacks_is_null_with_a_reason():
    found = anew(measured({"edge": 16}), {})
    assert found.status == "ok"
    for name in ("peak_mem_bytes", "parameters", "energy_j_per_sample", "percent_of_peak", "busy_s"):
        assert found.metrics[name]["value"] is None
        assert found.metrics[name]["why"]


@pytest.mark.parametrize("key", ["ranks", "batch", "precision", "input"])
def test_a_record_that_does_not_say_how_it_ran_is_of_no_use(key):
    record = measured({"edge": 16})
    run = {name: value for name, value in record.point["run"].items() if name != key}
    found = anew(type(record)(**{**vars(record), "point": {**record.point, "run": run}}), {})
    assert found.status == "invalid"
    assert f"point.run.{key} is missing" in found.error["message"]


def test_a_page_of_doubtful_records_only_is_a_page(tmp_path):
    folder = copied(tmp_path, "run-strong")
    for place in range(6):
        changed(folder, lambda raw: raw["metrics"]["step_s"].update(value=1.0), place)
    page = write_report([folder]).read_text()
    assert "At 6 points metrics do not follow from the raw data" in page
    assert "No point was measured" in page
