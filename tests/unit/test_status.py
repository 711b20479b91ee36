import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from saih import config, records
from saih.cli import status
from saih.cli.progress import roughly
from saih.common.holder import mine
from saih.config.points import expand
from saih.errors import InputError
from saih.records.record import Record
from saih.records.run_folder import Folder
from tests.conftest import toy_config
from tests.holders import of_a_dead_process
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
        "3 to be measured",
        "no driver is at work",
    ]


def test_how_long_the_rest_takes_is_told_from_what_was_measured(run):
    folder = Folder(run)
    folder.write_system({"machine": {"device_kind": "cpu"}, "cores_per_rank": 1, "peaks": []})
    (measured,) = (each for each in records.read_all(folder.points) if each.status == "ok")
    samples = {"block_steps": 10, "block_s": {"full": [[0.2], [0.2], [0.2]]}}
    records.write(folder.points, replace(measured, samples=samples))
    told = shown(run)[1]
    left = status.read(run, time.time()).left_s
    assert told == f"3 to be measured, about {roughly(left.middle)}"
    assert 10 < left.low < left.middle < left.high
    slower = replace(measured, samples=samples, provenance={"wall_s": 100.0})
    records.write(folder.points, slower)
    assert status.read(run, time.time()).left_s.middle > 3 * left.middle


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
    (run / "lock").write_bytes(of_a_dead_process().to_bytes())
    assert "ended without a last word" in shown(run)[-1]


def test_a_driver_that_cannot_be_seen_from_here(run):
    (run / "lock").write_bytes(replace(mine(), host="else\x1b[31mwhere", boot="another", pid=12).to_bytes())
    assert shown(run)[-1].startswith("perhaps at work: process 12 on else?[31mwhere; it ran on another machine")


def test_a_lock_that_cannot_be_read(run):
    (run / "lock").write_text('{"host": "x", "pid": "abc"}')
    assert shown(run)[-1].startswith("nobody can tell whether a driver is at work: ")
    assert "is no lock that can be read (pid = abc)" in shown(run)[-1]


def test_an_application_that_cannot_be_imported_here(run):
    text = (run / "config.yaml").read_text().replace("toy:APP", "nowhere.to.be.found:APP")
    (run / "config.yaml").write_text(text)
    assert shown(run)[0] == f"{run}: 2 points (1 ok, 1 preempted)"
    why = f"{run / 'config.yaml'}: app = nowhere.to.be.found:APP: there is no module nowhere.to.be.found"
    assert shown(run)[1].startswith(f"how many are left is unknown: {why}")


def test_a_folder_that_holds_no_run(tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        status.read(tmp_path, 0.0)


class Growing:
    """A run that grows n of the toy from 8 by 2; sizes come to what is told of them."""

    def __init__(self, folder):
        grown = {"kind": "grow", "grow": {"along": {"n": 2}, "steps": 5, "bisections": 1, "flat_percent": None}}
        self.config = config.Config.model_validate(toy_config(size={"n": 8}, run={"ranks": 1}, sweep=grown))
        self.folder = Folder(folder)
        self.folder.write_config(self.config)
        (self.start,) = expand(self.config, toy.APP).wanted

    def begin(self):
        self.folder.write_system({"machine": {}, "cores_per_rank": 1})

    def came_to(self, n, outcome, why="", repeat=0):
        point = replace(self.start, size={**self.start.size, "n": n}, repeat=repeat)
        error = {"kind": outcome, "message": why, "log_end": None} if why else None
        records.write(self.folder.points, Record(point.id, outcome, point.to_dict(), error=error))

    @property
    def stands(self):
        head, growth, driver = shown(self.folder.path)
        self.head, self.driver = head.removeprefix(f"{self.folder.path}: "), driver
        assert growth.startswith(f"growing from {self.start.label}: ")
        return growth.removeprefix(f"growing from {self.start.label}: ")


@pytest.fixture
def growing(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(toy.__file__).parent)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return Growing(tmp_path / "toy")


def test_a_growing_run_says_how_far_it_is_and_claims_no_number_of_points(growing):
    assert growing.stands == "not begun"
    growing.begin()
    assert growing.stands == "at its first size; next n=8 power=1"
    assert growing.head == "0 points so far (no record yet)"
    growing.came_to(8, "ok")
    growing.came_to(16, "ok")
    assert growing.stands == "n=16 power=1 ran; next n=32 power=1"
    growing.came_to(32, "preempted", "stopped by SIGTERM")
    assert growing.stands == "n=16 power=1 ran; next n=32 power=1, which was preempted (stopped by SIGTERM)"
    assert growing.head == "3 points so far (2 ok, 1 preempted)"
    growing.came_to(32, "oom", "no memory left")
    with growing.folder.lock():
        bracket = "between n=16 power=1, which ran, and n=32 power=1, which ended as oom (no memory left)"
        assert growing.stands == f"{bracket}; now n=24 power=1"
        assert growing.driver.startswith("at work")
    growing.came_to(24, "ok")
    largest = "n=24 power=1 is the largest that ran"
    ended = "n=32 power=1 ended as oom (no memory left)"
    assert growing.stands == f"{largest}, as {ended}; it is run a second time; next n=24 power=1"
    growing.came_to(24, "ok", repeat=1)
    assert growing.stands == f"ended, {largest}: {ended}"
    assert growing.head == "5 points so far (4 ok, 1 oom)"
