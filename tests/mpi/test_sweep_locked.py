"""Sweeps that meet another one in their folder, a lock that nobody can read, or links that somebody has planted."""

import json
import os
import subprocess
import sys
import time

import pytest

from saih.common import procfs
from tests.conftest import toy_config

pytestmark = pytest.mark.mpi

IN_A_NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"]
ONE_POINT = {"size": {"n": [8]}, "run": {"ranks": [1]}, "measure": {"target_percent": 50, "max_s": 0.2}}
HANGS = ONE_POINT | {"data": {"faults": {"8": "hang"}}}


def one_line(done):
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="PID namespaces need root")
def test_two_sweeps_in_containers_of_one_host(saih):
    """Both drivers are process 1, of different namespaces: the second is refused, and leaves the first its lock."""
    saih.write("toy.yaml", toy_config(**HANGS))
    lock = saih.folder / "runs" / "toy" / "lock"
    words = [*IN_A_NAMESPACE, sys.executable, "-m", "saih", "sweep", "toy.yaml"]
    first = subprocess.Popen(words, cwd=saih.folder, env=saih.env, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (lock.exists() and lock.read_bytes()):
            assert first.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        held = lock.read_bytes()
        second = subprocess.run(words, cwd=saih.folder, env=saih.env, capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert "a sweep may be at work here (process 1 on " in one_line(second)
        assert f"if it is gone, delete {lock.relative_to(saih.folder)}" in second.stderr
        assert "a sweep is at work here" in one_line(saih("sweep", "toy.yaml", status=2))  # the host sees them all
        assert "at work: process 1 on " in saih("status", "runs/toy").stdout
        assert lock.read_bytes() == held
    finally:
        (inner,) = (each.pid for each in procfs.everyone() if each.parent == first.pid)
        os.kill(inner, 9)
        first.wait(30)
    assert "ended without a last word" in saih("status", "runs/toy").stdout
    saih.write("toy.yaml", toy_config(**ONE_POINT, data={"faults": {}}))
    saih("sweep", "toy.yaml")
    assert not lock.exists()


@pytest.mark.parametrize("text", ['{"host": "x", "pid": "abc"}', '{"host": "x"}', '{"host": "x", "pid": 1e400}', ""])
def test_a_lock_that_nobody_can_read_is_one_line(saih, text):
    saih.write("toy.yaml", toy_config(**ONE_POINT))
    (saih.folder / "runs" / "toy").mkdir(parents=True)
    (saih.folder / "runs" / "toy" / "lock").write_text(text)
    assert "runs/toy/lock: is no lock that can be read" in one_line(saih("sweep", "toy.yaml", status=2))
    assert "nobody can tell whether a driver is at work" in saih("status", "runs/toy").stdout


@pytest.mark.parametrize("name", ["logs", "points"])
def test_a_folder_of_a_run_that_leads_elsewhere_is_refused(saih, name):
    saih.write("toy.yaml", toy_config(**ONE_POINT))
    victim, run = saih.folder / "victim", saih.folder / "runs" / "toy"
    victim.mkdir()
    (victim / "setup.log").write_text("dear")
    run.mkdir(parents=True)
    (run / name).symlink_to(victim)
    done = saih("sweep", "toy.yaml", status=2)
    assert f"runs/toy/{name}" in one_line(done)
    assert "is a symbolic link, which is not followed" in done.stderr
    assert [path.name for path in victim.iterdir()] == ["setup.log"]
    assert (victim / "setup.log").read_text() == "dear"
    assert not (run / "lock").exists()


def test_files_that_lead_elsewhere_are_replaced(saih):
    saih.reports = True
    saih.write("toy.yaml", toy_config(**ONE_POINT))
    saih("sweep", "toy.yaml")
    run = saih.folder / "runs" / "toy"
    (record,) = (run / "points").iterdir()
    kept = json.loads(record.read_text())
    planted = [run / "report.html", run / "config.yaml", run / "system.json", record, *(run / "logs").glob("*.log")]
    for path in planted:
        victim = saih.folder / f"victim-{path.name}"
        path.rename(victim)
        path.symlink_to(victim)
    before = {path: path.read_bytes() for path in saih.folder.glob("victim-*")}
    saih.write("toy.yaml", toy_config(**ONE_POINT | {"size": {"n": [8, 16]}}))
    saih("sweep", "toy.yaml", "--retry", "ok")
    assert {path: path.read_bytes() for path in before} == before
    assert not record.is_symlink()
    assert not (run / "report.html").is_symlink()
    assert not (run / "system.json").is_symlink()
    assert not (run / "config.yaml").is_symlink()
    assert json.loads(record.read_text())["provenance"] != kept["provenance"]
