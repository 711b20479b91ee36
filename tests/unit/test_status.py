import json
import os
import time
from pathlib import Path

import pytest

from saih import config, records
from saih.errors import InputError
from saih.folder import Folder
from saih.points import expand
from saih.records import Record
from saih.verbs import status
from tests.conftest import toy_config
from tests.toys import toy


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of four points, of which one is measured and one was preempted."""
    monkeypatch.syspath_prepend(Path(toy.__file__).parent)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    asked = config.Config.model_validate(toy_config())
    folder = Folder(tmp_path / "toy")
    folder.write_config(asked)
    first, second, *_ = expand(asked, toy.APP).wanted
    for point, outcome in ((first, "ok"), (second, "preempted")):
        records.write(folder.points, Record(point.id, outcome, point.to_dict(), provenance={"wall_s": 10.0}))
    return folder.path


def shown(path):
    return status.lines(status.read(path, time.time()))


def test_a_run_nobody_works_on(run):
    assert shown(run) == [
        f"{run}: 2 of 4 points (1 ok, 1 preempted)",
        "3 to be measured, about 30 s",
        "no driver is at work",
    ]


def test_a_driver_at_work_and_what_it_does(run):
    (run / "logs").mkdir()
    for age_s, name in ((90, "setup"), (5, "n16-power1-ranks1-abc")):
        (run / "logs" / f"{name}.log").touch()
        os.utime(run / "logs" / f"{name}.log", (time.time() - age_s,) * 2)
    with Folder(run).lock():
        *_, who, doing = shown(run)
    assert who.startswith(f"at work: process {os.getpid()} on ")
    assert doing == "now: n16-power1-ranks1-abc (its log last grew 5 s ago)"


def test_a_driver_that_ended_without_a_last_word(run):
    with Folder(run).lock():
        holder = json.loads((run / "lock").read_text())
    (run / "lock").write_text(json.dumps(holder | {"started": "1"}))  # the pid may be another process's by now
    assert "ended without a last word" in shown(run)[-1]


def test_an_application_that_cannot_be_imported_here(run):
    text = (run / "config.yaml").read_text().replace("toy:APP", "nowhere.to.be.found:APP")
    (run / "config.yaml").write_text(text)
    assert shown(run)[0] == f"{run}: 2 points (1 ok, 1 preempted)"
    assert "how many are left is unknown" in shown(run)[1]


def test_a_folder_that_holds_no_run(tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        status.read(tmp_path, 0.0)
