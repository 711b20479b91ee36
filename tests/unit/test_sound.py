"""Samples that cannot be make an invalid record with the reason in words, in a sweep and in a report alike."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from reports.analysis.judged_anew import anew
from reports.analysis.runs import read_runs
from reports.page.report import build
from saih import records
from saih.app import Cost, Execution, Point
from saih.judge import Measured, judge
from saih.metrics.soundness import completed, storable, unsound
from saih.records.record import Record
from saih.sweep.record_of_point import RunContext, of_answer
from tests.made_points import CEILINGS, Truth
from tests.report_parts import findings

NAN, INF = math.nan, math.inf
RUN = Execution(2, 2, "fp32", "plain", "dataset")


def made():
    """What a worker group answers for two ranks; sound."""
    return json.loads(json.dumps(Truth(input_s=0.2, comm_s=0.1, late=(0.0, 0.1), phases={"h2d_s": 0.01}).samples()))


def put(samples, path, value):
    *way, last = path
    at = samples
    for part in way:
        at = at[part]
    at[last] = value
    return samples


FULL = ("block_s", "full")
READER = {"bytes": 1, "seconds": 1.0, "files": 1, "direct_files": 1, "shares_cores": False}
IMPOSSIBLE = {
    "NaN": ((*FULL, 0, 1), NAN, "block_s.full[0][1] = nan: must be finite"),
    "infinity": ((*FULL, 3, 0), INF, "block_s.full[3][0] = inf: must be finite"),
    "zero": ((*FULL, 2), [0.0, 0.0], "block_s.full[2][0] = 0.0: must be more than 0"),
    "a single zero": ((*FULL, 2, 1), 0.0, "block_s.full[2][1] = 0.0: must be more than 0"),
    "all zero": (FULL, [[0.0, 0.0]] * 9, "block_s.full[0][0] = 0.0: must be more than 0"),
    "negative": ((*FULL, 8, 0), -0.5, "block_s.full[8][0] = -0.5: must be more than 0"),
    "no block": (FULL, [], "block_s.full: is empty"),
    "an empty block": ((*FULL, 1), [], "block_s.full[1]: is empty"),
    "a rank missing": ((*FULL, 4), [1.0], "block_s.full[4]: holds figures of 1 ranks, but 2 took part"),
    "a rank too many": ((*FULL, 4), [1.0] * 3, "block_s.full[4]: holds figures of 3 ranks, but 2 took part"),
    "no steps": (("block_steps",), 0, "block_steps = 0: must be an integer, 1 or more"),
    "half a step": (("block_steps",), 0.5, "block_steps = 0.5: must be an integer, 1 or more"),
    "no variants": (("block_s",), {}, "no times of blocks were recorded"),
    "no full step": (("block_s",), {"without_input": [[1.0, 1.0]]}, "block_s.full: is empty"),
    "a variant's NaN": (("block_s", "without_input", 0, 0), NAN, "block_s.without_input[0][0] = nan"),
    "an empty variant": (("block_s", "without_input"), [], "block_s.without_input: is empty"),
    "a negative wait": (("phases_s", "h2d_s", 0, 0), -1.0, "phases_s.h2d_s[0][0] = -1.0: must be 0 or more"),
    "waits of some blocks": (("phases_s", "h2d_s"), [[0.0, 0.0]], "phases_s.h2d_s: holds 1 blocks, but 9 full ones"),
    "negative bytes": (("read_bytes", 0, 0), -8, "read_bytes[0][0] = -8: must be 0 or more"),
    "words for a time": ((*FULL, 0, 0), "1.0", "block_s.full[0][0] = 1.0: must be a number"),
    "true for a time": ((*FULL, 0, 0), True, "block_s.full[0][0] = true: must be a number"),
    "a time of ages": ((*FULL, 0, 0), 10**400, "block_s.full[0][0] = a number of more than 30 digits"),
    "a profiled step of no time": (("profile", "step_s"), 0.0, "profile.step_s = 0.0: must be more than 0"),
    "a layer's NaN": (("profile", "layers", 0, "forward_s"), NAN, "profile.layers[0].forward_s = nan: must be finite"),
    "a profile of steps not timed": (("profile", "variant"), "without_gravity", "no such steps were timed"),
    "a reader's time": (("background",), [READER | {"seconds": 0.0}], "background[0].seconds = 0.0: must be more"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_each_kind_is_refused_with_its_place(name):
    path, value, says = IMPOSSIBLE[name]
    why = unsound(completed(put(made(), path, value)), 2)
    assert why
    assert says in why


def test_what_can_be_is_left_alone():
    assert unsound(completed(made()), 2) is None
    slow = put(made(), FULL, [[10.0, 30.0 + i] for i in range(9)])  # odd, but a machine can do it
    assert unsound(completed(slow), 2) is None


STANDING_IN = SimpleNamespace(cost=lambda _: Cost(10**9, 1, 7, 1, 1), metrics=(), version="1")


def kept(samples, doubt=None, ranks=2):
    """What a sweep keeps of such samples."""
    point = Point("toy:APP", {"n": 8}, RUN)
    places = [{"host": "n1", "device": "cpu", "cores": [i], "emulated": None} for i in range(ranks)]
    machine = {"device": "CPU", "device_kind": "cpu", "device_memory_bytes": None}
    system = {"machine": machine, "software": {}, "peaks": [], "ceilings": []}
    answer = {"samples": samples, "peak_mem_bytes": 1, "doubt": doubt, "ranks": places}
    blank = Record(point.id, "failed", point.to_dict(), system={"machine": machine})
    return of_answer(RunContext(STANDING_IN, system), point, answer, blank)


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_sweep_keeps_an_invalid_record_without_any_rate(tmp_path, name):
    path, value, says = IMPOSSIBLE[name]
    record = kept(put(made(), path, value))
    assert record.status == "invalid"
    assert says in record.error["message"]
    assert record.diagnosis is None
    assert {key for key, entry in record.metrics.items() if entry["value"] is not None} == {
        "flop_per_sample",
        "parameters",
    }
    text = records.write(tmp_path, record).read_text()  # would refuse NaN
    assert "NaN" not in text
    assert "Infinity" not in text


def test_a_sweep_keeps_what_is_sound():
    record = kept(made())
    assert record.status == "ok"
    assert record.value("step_s") > 0
    assert record.diagnosis["suspect"] == []


def test_a_sweep_refuses_times_of_other_ranks_than_it_asked():
    record = kept(made(), ranks=3)
    assert record.status == "invalid"
    assert "3 ranks took part, but the point has 2" in record.error["message"]


def test_what_follows_from_samples_must_be_finite_too():
    tiny = put(made(), FULL, [[1e-320, 1e-320]] * 9)
    assert "from them follows samples_per_s.value" in kept(tiny).error["message"]


def test_an_ok_record_of_an_older_version_that_cannot_be_is_named_and_shown_nowhere(tmp_path):
    point = Point("toy:APP", {"n": 8}, RUN)
    folder = tmp_path / "run" / "points"
    folder.mkdir(parents=True)
    old = kept(made())
    good = Record(point.id, "ok", point.to_dict(), old.metrics, old.samples, old.diagnosis, old.system)
    records.write(folder, good)
    other = Point("toy:APP", {"n": 16}, RUN)
    raw = vars(good) | {"id": other.id, "point": other.to_dict(), "samples": put(made(), (*FULL, 0, 0), NAN)}
    raw["metrics"] = {**old.metrics, "percent_of_measured_peak": {"value": 44.8, "low": NAN, "high": NAN}}
    (folder / f"{other.id}.json").write_text(json.dumps(raw))
    report = build(read_runs([tmp_path / "run"]))
    (told,) = [each for each in findings(report) if "must not be believed" in each.headline]
    assert told.kind == "caution"
    assert "block_s.full[0][0] = nan" in told.evidence
    assert told.points == (2,)
    assert dict(report.statuses) == {"ok": 1, "invalid": 1}
    assert "44.8" not in str(report)
    assert not any("nan to nan" in str(each) for each in vars(report).values())


def test_a_report_says_of_samples_what_the_sweep_says():
    record = kept(made())
    again = anew(record, {"method_version": 7})
    assert again.metrics["step_s"] == record.metrics["step_s"]
    assert again.diagnosis == record.diagnosis
    assert {name: entry["value"] for name, entry in again.metrics.items()} == {
        name: entry["value"] for name, entry in record.metrics.items()
    }


def test_samples_become_storable():
    assert storable({"a": [1.0, NAN, {"b": -INF}], "c": "x", "d": True}) == {
        "a": [1.0, None, {"b": None}],
        "c": "x",
        "d": True,
    }


def test_records_of_older_versions_lack_some_of_the_samples():
    """As version 1 kept them."""
    old = {"block_steps": 2, "block_s": {"full": [[1.0]] * 3}}
    run = Execution(1, 4, "fp32", "plain", "dataset")
    judged = judge(Measured(old, run, Cost(10, 1, 1, 1, 1), [{}], {"device_kind": "cpu"}, CEILINGS))
    assert judged.doubt is None
    assert judged.metrics["samples_per_s"]["value"] == pytest.approx(8.0)
    for name in ("read_bytes_per_s", "energy_j_per_sample", "busy_s", "exposed_input_s"):
        assert judged.metrics[name]["value"] is None
        assert judged.metrics[name]["why"]


def test_every_kept_run_is_sound():
    for folder in sorted((Path(__file__).parents[1] / "gold").glob("run-*")):
        for record in records.read_all(folder / "points"):
            if record.status == "ok":
                ranks = len(record.system["ranks"])
                assert unsound(completed(record.samples), ranks) is None, record.id
