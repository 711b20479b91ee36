"""A damaged, foreign or newer file is named and left out by report, status and resume; it never blocks a folder."""

import contextlib
import json
import os
import random
import shutil
import time
from pathlib import Path

import pytest

from reports.analysis.runs import read_runs
from reports.page.report import build
from reports.page.write import render
from saih import config, records
from saih.cli import status
from saih.config.points import expand
from saih.errors import InputError
from saih.judge import Measured, judge
from saih.measure.blocks import METHOD_VERSION
from saih.records import json_files
from saih.records.record import Record
from saih.records.run_folder import Folder
from tests.conftest import ROOT, toy_config
from tests.gold.small import measured, write_run
from tests.made_points import CEILINGS, Truth
from tests.mutations import WRONG, mutated, places
from tests.report_parts import findings
from tests.toys import toy

pytestmark = pytest.mark.slow

GOLD = ROOT / "tests" / "gold"
RUNS = sorted(path.name for path in GOLD.glob("run-*"))


def told(folder):
    """What report and status say of what they left out."""
    report = build(read_runs([folder]))
    found = [each for each in findings(report) if "cannot be read" in each.headline]
    shown = "\n".join(line for line in status.lines(status.read(folder, time.time())) if line.startswith("left out"))
    assert "Traceback" not in shown
    return (found[0].evidence if found else ""), shown


@pytest.fixture
def run(tmp_path):
    """A folder of one good record, which holds whatever else it is given."""
    return write_run(tmp_path / "run", measured({"edge": 16}), config="name: one\n", system={"schema": 1})


def newer():
    return json.dumps({**json.loads(json.dumps(vars(measured({"edge": 32})))), "schema": 2})


DAMAGED = {
    "empty": (lambda path: path.write_text(""), "is not JSON"),
    "half written": (lambda path: path.write_text('{"schema": 1, "id": "x'), "is not JSON"),
    "another file": (lambda path: path.write_text('{"compilerOptions": {}}'), "schema = null"),
    "a list": (lambda path: path.write_text("[]"), "must hold a JSON object"),
    "newer": (lambda path: path.write_text(newer()), "schema = 2: this version reads 1"),
    "no text": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "is not JSON"),
    "deep": (lambda path: path.write_text("[" * 100_000), "is nested too deep"),
    "deep within limits of the parser": (
        lambda path: path.write_text('{"a":' * 90 + "1" + "}" * 90),
        "nested too deep",
    ),
    "a folder": (lambda path: path.mkdir(), "cannot be read|no regular file"),
    "a pipe": (lambda path: os.mkfifo(path), "is no regular file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "is no regular file"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), "cannot be read"),
    "another name": (lambda path: path.write_text(json.dumps(vars(measured({"edge": 16})))), "under another name"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_record_is_named_and_spoils_nothing(run, name):
    make, says = DAMAGED[name]
    make(run / "points" / "bad.json")
    for words in told(run):
        assert "points/bad.json: " in words
        assert any(each in words for each in says.split("|"))
    assert len(read_runs([run])[0].records) == 1


@pytest.mark.parametrize("name", [name for name in DAMAGED if name not in ("newer", "another file", "another name")])
def test_a_damaged_system_is_named_and_spoils_nothing(run, name):
    make, says = DAMAGED[name]
    (run / "system.json").unlink()
    make(run / "system.json")
    for words in told(run):
        assert "system.json: " in words
        assert any(each in words for each in says.split("|"))


@pytest.mark.parametrize("text", ["measure: 5\n", "name: [\n", "a: &a [*a, *a]\n", "\x00"])
def test_a_damaged_configuration_is_named_and_spoils_nothing(run, text):
    (run / "config.yaml").write_text(text)
    report = build(read_runs([run]))
    assert any("config.yaml" in each.evidence for each in findings(report))


def test_a_file_that_is_too_large_is_not_read(run, monkeypatch):
    monkeypatch.setattr(json_files, "MOST_BYTES", 2**21)
    with open(run / "points" / "bad.json", "wb") as file:
        file.truncate(2**40)  # it has holes only
    began = time.monotonic()
    assert "is larger than 2 MiB" in told(run)[0]
    assert time.monotonic() - began < 5


def test_many_are_counted(run):
    for i in range(9):
        (run / "points" / f"bad{i}.json").write_text("{")
    report, shown = told(run)
    assert "and 4 more" in report
    assert shown.endswith("left out: 4 more files that cannot be read")


def test_a_resumed_sweep_moves_them_aside_and_goes_on(run):
    (run / "points" / "bad.json").write_text("{")
    (run / "system.json").write_text("{")
    folder = Folder(run)
    assert folder.records().keys() == {measured({"edge": 16}).id}
    assert folder.system() == {}
    assert sorted(each.path.name for each in folder.set_aside()) == ["bad.json", "system.json"]
    assert sorted(path.name for path in (run / "unread").iterdir()) == ["bad.json", "system.json"]
    assert folder.unread() == []
    (run / "points" / "bad.json").write_text("[")
    folder.set_aside()
    assert (run / "unread" / "bad.json").read_text() == "{"  # nothing is written over
    assert told(run) == ("", "")


def test_without_a_system_the_records_say_on_which_machine_the_folder_was_measured(run):
    machine = {"device": "NVIDIA H100", "device_kind": "cuda", "devices": 1, "cores": 8, "architecture": "x86_64"}
    system = {"machine": machine, "software": {"torch": "2.11"}}
    write_run(run, measured({"edge": 32}, system=system, provenance={"app_version": "1", "method_version": 3}))
    (run / "system.json").write_text('{"machine": {"devi')
    folder = Folder(run)
    described = {"machine": machine, "software": {"torch": "2.11"}}
    folder.check_machine(described, "1", 4)
    with pytest.raises(InputError, match=r"machine.cores = 8, but this one has 16"):
        folder.check_machine({**described, "machine": {**machine, "cores": 16}}, "1", 4)
    with pytest.raises(InputError, match="application version 1"):
        folder.check_machine(described, "2", 4)
    assert folder._method_version() == 3 != METHOD_VERSION


# every leaf replaced


class Pictures(dict):
    def __missing__(self, name):
        return "<svg></svg>"


def survives(folder, drawn=False):
    """Whether report and status say something of the folder, or refuse it in one line."""
    with contextlib.suppress(InputError):
        report = build(read_runs([folder]))
        if drawn:
            render(report, Pictures())
    status.lines(status.read(folder, 0.0))


def mutations(name):
    """(File, what lies beside it, its content, a leaf, what is wrong): every place in a kept run's files."""
    files = [*sorted((GOLD / name / "points").glob("*.json")), GOLD / name / "system.json"]
    contents = [json.loads(path.read_text()) for path in files]
    for number, leaf in places(contents):
        for wrong in WRONG:
            yield files[number], files[(number + 1) % (len(files) - 1)], contents[number], leaf, wrong


def put(folder, name, path, beside, text):
    """Make the folder of one mutation."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "points").mkdir(parents=True)
    for file in ("config.yaml", "system.json"):
        shutil.copy(GOLD / name / file, folder)
    shutil.copy(beside, folder / "points")
    (folder / path.relative_to(GOLD / name)).write_text(text)


def all_survive(folder, name, found):
    for i, (path, beside, content, leaf, wrong) in enumerate(found):
        put(folder, name, path, beside, mutated(content, leaf, WRONG[wrong]))
        try:
            survives(folder, drawn=i % 20 == 0)
        except Exception as error:
            raise AssertionError(f"{path.name} {leaf} {wrong}") from error


@pytest.mark.parametrize("name", RUNS)
def test_a_wrong_leaf_gives_no_traceback(tmp_path, name):
    """A sample; the long test has all of them."""
    all_survive(tmp_path / "run", name, random.Random(name).sample(list(mutations(name)), 100))


def test_a_wrong_leaf_gives_no_traceback_where_the_application_is_at_hand(tmp_path, monkeypatch):
    """Status then estimates what is left from what the records hold."""
    monkeypatch.syspath_prepend(Path(toy.__file__).parent)
    asked = config.Config.model_validate(toy_config(run={"ranks": 1}, size={"n": [8, 16, 32]}))
    folder = Folder(tmp_path / "run")
    folder.write_config(asked)
    first, second, _ = expand(asked, toy.APP).wanted
    system = json.loads((GOLD / "run-cpu" / "system.json").read_text()) | {"cores_per_rank": 1, "ceilings": []}
    folder.write_system(system)
    for point in (first, second):
        made = judged(point, system)
        path = records.write(folder.points, made)
    assert "1 to be measured, about" in "\n".join(status.lines(status.read(folder.path, 0.0)))
    for target in (path, folder.system_path):
        content = json.loads(target.read_text())
        found = [(leaf, wrong) for _, leaf in places([content]) for wrong in WRONG]
        for leaf, wrong in random.Random(7).sample(found, 150):
            target.write_text(mutated(content, leaf, WRONG[wrong]))
            try:
                survives(folder.path)
            except Exception as error:
                raise AssertionError(f"{target.name} {leaf} {wrong}") from error
        target.write_text(json.dumps(content))


def judged(point, system):
    """A record of the toy, as a sweep keeps it."""
    samples = Truth(input_s=0.1, phases={"h2d_s": 0.01}, device="cpu").samples()
    cost, place = toy.APP.cost(point), {"host": "node01", "device": "cpu", "cores": [0]}
    found = judge(Measured(samples, point.run, cost, [place], system["machine"], CEILINGS))
    about = {"machine": system["machine"], "software": system["software"], "ranks": [place], "ceilings": CEILINGS}
    told = {"app_version": "1", "method_version": METHOD_VERSION, "started": "2026-01-01", "wall_s": 9.0}
    return Record(point.id, "ok", point.to_dict(), found.metrics, samples, found.diagnosis, about, told)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", RUNS)
def test_no_wrong_leaf_of_any_kept_file_gives_a_traceback(tmp_path, name):
    all_survive(tmp_path / "run", name, mutations(name))
