"""Run folders -> runs -> cases: merging, replicates, intervals, problem size."""

import math

import pytest

from reports.analysis.cases import make_cases
from reports.analysis.runs import merge, read_runs
from saih.errors import InputError
from tests.gold.small import cases_of, folder_of, lost, measured, run_of, write_run

CPU = {"machine": {"device": "A", "cores": 4}, "software": {"torch": "1"}}


def test_array_tasks_become_one_run():
    a = folder_of(measured({"edge": 16}), path="runs/x-0", **CPU)
    b = folder_of(measured({"edge": 32}), path="runs/x-1", machine={"device": "A", "cores": 8}, software={"torch": "1"})
    (run,) = merge([a, b])
    assert run.label == "one"
    assert len(run.records) == 2


@pytest.mark.parametrize(
    "other",
    [
        folder_of(measured({"edge": 16}), path="runs/b", **CPU),  # the same point again
        folder_of(measured({"edge": 32}), path="runs/b", machine={"device": "B"}, software={"torch": "1"}),
        folder_of(measured({"edge": 32}), path="runs/b", machine={"device": "A"}, software={"torch": "2"}),
        folder_of(measured({"edge": 32}), path="runs/b", name="two", **CPU),
    ],
)
def test_other_folders_stay_runs_of_their_own(other):
    runs = merge([folder_of(measured({"edge": 16}), path="runs/a", **CPU), other])
    assert [run.label for run in runs] in (["a", "b"], ["one", "two"])


def test_labels_are_unique_whatever_the_folders_are_called():
    runs = merge([folder_of(measured({"edge": 16}), path=f"{parent}/x") for parent in "ab"])
    assert [run.label for run in runs] == ["a/x", "b/x"]


def test_the_same_folder_named_twice_is_read_once(tmp_path):
    folder = write_run(tmp_path / "run", measured({"edge": 16}))
    (run,) = read_runs([folder, tmp_path / "." / "run"])
    assert len(run.records) == 1
    assert run.label == "run"  # no config.yaml: the folder's name


@pytest.mark.parametrize("config", ["- a\n- b\n", "a: [", "x: 2026-13-45\n", ""])
def test_a_configuration_that_is_none_does_not_matter(tmp_path, config):
    (run,) = read_runs([write_run(tmp_path, measured({"edge": 16}), config=config)])
    assert run.first.config == {}
    assert run.first.config_text == config


@pytest.mark.parametrize("prepare", [lambda p: None, lambda p: p.mkdir(), lambda p: (p / "points").mkdir(parents=True)])
def test_a_folder_that_is_no_run_is_named(tmp_path, prepare):
    prepare(tmp_path / "run")
    with pytest.raises(InputError, match=str(tmp_path / "run")):
        read_runs([tmp_path / "run"])
    with pytest.raises(InputError, match="at least one"):
        read_runs([])


def test_a_damaged_record_is_named_and_spoils_nothing(tmp_path):
    folder = write_run(tmp_path, measured({"edge": 16}))
    (folder / "points" / "bad.json").write_text("{")
    (run,) = read_runs([folder])
    assert len(run.records) == 1
    assert [file.path.name for file in run.unread] == ["bad.json"]


def test_a_folder_of_damaged_records_only_is_refused_with_the_reason(tmp_path):
    (tmp_path / "points").mkdir()
    (tmp_path / "points" / "bad.json").write_text("{")
    with pytest.raises(InputError, match=r"holds no records .*bad\.json: is not JSON"):
        read_runs([tmp_path])


def test_cases_are_ordered_by_value_not_by_name():
    cases = cases_of(*(measured({"edge": edge}, ranks=ranks) for edge in (128, 16, 32) for ranks in (2, 1)))
    assert [(case.keys["edge"], case.ranks) for case in cases] == [
        (16, 1), (16, 2), (32, 1), (32, 2), (128, 1), (128, 2),
    ]  # fmt: skip
    assert [case.number for case in cases] == [1, 2, 3, 4, 5, 6]


def replicates(*percents):
    return cases_of(*(measured({"edge": 16}, percent, repeat=i) for i, percent in enumerate(percents)))


def test_few_replicates_become_one_case_with_their_range_and_their_own_intervals():
    (case,) = replicates(10, 14, 11)
    found = case.quantity("percent_of_measured_peak")
    assert found.value == 11
    assert (found.low, found.high) == pytest.approx((10 / 1.01, 14 / 0.99))  # a step's is 1 % either way
    assert found.interval == "order statistics of 3 fresh-process replicates and their own intervals, 75 %"
    assert case.quantity("flop_per_sample").low is None  # a count that all agree on has no range
    assert case.status_text == "ok (3 of 3)"


def test_many_replicates_have_the_interval_of_order_statistics():
    (case,) = replicates(*range(1, 21))
    found = case.quantity("percent_of_measured_peak")
    assert (found.value, found.low, found.high) == (10.5, 6, 15)  # Conover's table: ranks 6 and 15 of 20
    assert found.interval == "order statistics of 20 fresh-process replicates, 96 %"


def test_a_case_is_ok_if_one_replicate_is():
    failed = lost({"edge": 16}, "failed")
    point = {**failed.point, "repeat": 1}
    (case,) = cases_of(measured({"edge": 16}), type(failed)("x", "failed", point))
    assert case.status_text == "ok (1 of 2)"
    assert case.value("step_s") is not None


def test_a_rate_takes_the_interval_of_the_step():
    (case,) = cases_of(measured({"edge": 16}, 10.0, spread=0.25))
    found = case.quantity("percent_of_measured_peak")
    assert found.low == pytest.approx(8.0)
    assert found.high == pytest.approx(10 / 0.75)
    assert "step" in found.interval
    assert case.quantity("step_s").interval == "within-run, 95 %"


def test_a_missing_value_has_a_reason():
    ok, failed = cases_of(measured({"edge": 16}), lost({"edge": 32}, "failed"))
    assert ok.quantity("percent_of_peak").why == "nobody asked"
    assert ok.quantity("launch_gap_s").why == "not recorded"
    assert failed.quantity("step_s").why == "the point is failed"
    (case,) = cases_of(measured({"edge": 16}, metrics={"step_s": {"value": math.inf, "unit": "s"}}))
    assert case.quantity("step_s").why == "not a finite number"


def test_problem_size_is_known_for_a_lost_point_of_a_measured_size():
    cases = cases_of(
        measured({"edge": 16}, batch=2, flop=1e9), lost({"edge": 16}, "oom", batch=8), lost({"edge": 32}, "oom")
    )
    sizes = {(case.keys["edge"], case.keys["batch"]): case.flop_per_step for case in cases}
    assert sizes == {(16, 2): 2e9, (16, 8): 8e9, (32, 1): None}


def test_problem_size_is_unknown_where_records_disagree():
    cases = cases_of(
        measured({"edge": 16}, flop=1e9), measured({"edge": 16}, flop=2e9, ranks=2), measured({"edge": 16}, ranks=4)
    )
    assert all(case.flop_per_step is None for case in cases)


def test_signs_of_intervals():
    parts = {"exposed_input_s": (0.1, 0.05, 0.2), "exposed_comm_s": (-0.1, -0.2, -0.05), "h2d_s": (0.0, -0.1, 0.1)}
    (case,) = cases_of(measured({"edge": 16}, exposed=parts))
    assert [case.quantity(name).sign for name in (*parts, "flop_per_sample")] == [1, -1, 0, None]


def test_a_record_that_says_little_is_a_case_all_the_same():
    bare = type(lost({"edge": 1}, "failed"))("x", "failed", {})
    (case,) = make_cases([run_of(bare)])
    assert case.ranks == 0
    assert case.flop_per_step is None
