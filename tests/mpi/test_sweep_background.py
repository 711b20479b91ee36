"""Background reading in real sweeps of the toy: what it achieves, what it leaves alone, and how it fails."""

import contextlib
import os
import time
from pathlib import Path

import pytest

from saih import records
from tests.conftest import Cli, toy_config

pytestmark = pytest.mark.mpi
MIB = 2**20
SIZES = (8, 10, 12)
CORES = len(os.sched_getaffinity(0))


def files(folder):
    """A folder with a file for each size of the toy."""
    data = folder / "data"
    data.mkdir()
    for n in SIZES:
        (data / f"{n}.bin").write_bytes(os.urandom(16 * MIB))
    return str(data)


def point(n, ranks, mb_s):
    return {"n": n, "ranks": ranks, "background_read_mb_s": mb_s}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """One sweep that several tests look at: n = 10 loses its file, of n = 12 a file shrinks that the reader reads."""
    saih = Cli(tmp_path_factory.mktemp("swept"))
    changes = {
        "size": {"n": list(SIZES)},
        "run": {"ranks": [1, 2], "background_read_mb_s": [0, 40]},
        "sweep": {"only": [point(8, [1], [0, 40]), point(8, 2, 40), point(10, 1, 0), point(12, 1, 40)]},
        "data": {"folder": files(saih.folder), "faults": {"10": "vanish", "12": "truncate"}},
        "measure": {"target_percent": 1e-6, "max_s": 1.0},
    }
    saih.write("toy.yaml", toy_config(**changes))
    saih.done = saih("sweep", "toy.yaml", status=1)
    saih.found = {key(r): r for r in records.read_all(saih.folder / "runs" / "toy" / "points")}
    return saih


def key(record):
    run = record.point["run"]
    return record.point["size"]["n"], run["ranks"], run["background_read_mb_s"]


def test_what_was_asked_for_is_read(swept):
    assert "background=40MB/s" in swept.done.stdout
    for ranks in (1, 2):
        loud = swept.found[8, ranks, 40]
        (host,) = loud.samples["background"]  # one reader a host, however many ranks
        assert loud.value("background_read_bytes_per_s") == pytest.approx(40e6, rel=0.25)

        assert 0.5 < host["seconds"] < 5


def test_where_nothing_was_asked_for_nothing_is_read(swept):
    quiet = swept.found[8, 1, 0]
    assert quiet.samples["background"] == []
    assert quiet.metrics["background_read_bytes_per_s"]["why"] == "no background reading was asked for"


@pytest.mark.skipif(CORES < 2, reason="one core cannot be shared out")
def test_a_core_is_left_to_the_reader_where_there_is_one(swept):
    for record in (swept.found[8, 1, 40], swept.found[8, 2, 40]):
        (host,) = record.samples["background"]
        own = {core for rank in record.system["ranks"] for core in rank["cores"]}
        assert host["shares_cores"] == bool(own & set(host["cores"])) == (len(own) == CORES)
        told = record.metrics["background_read_bytes_per_s"]["method"]
        assert ("on cores that ranks use too" in told) == host["shares_cores"]
    assert not swept.found[8, 1, 40].samples["background"][0]["shares_cores"]


def test_files_that_go_bad_fail_their_points_and_the_sweep_goes_on(swept):
    assert {where: record.status for where, record in swept.found.items()} == {
        (8, 1, 0): "ok", (8, 1, 40): "ok", (8, 2, 40): "ok", (10, 1, 0): "failed", (12, 1, 40): "failed",
    }  # fmt: skip
    vanished, shrunk = swept.found[10, 1, 0].error, swept.found[12, 1, 40].error
    data = swept.folder / "data"
    assert (vanished["kind"], vanished["message"]) == ("input", f"{data / '10.bin'}: No such file or directory")
    assert shrunk["message"].startswith(f"run.background_read_mb_s: {data / '12.bin'}: ends before byte")
    assert vanished["log_end"]
    assert shrunk["log_end"]


def test_no_reader_stays(swept):
    assert not _readers_of(swept.folder)


def test_an_application_that_names_no_files_is_one_line(saih):
    saih.write("toy.yaml", toy_config(run={"background_read_mb_s": [0, 100]}))
    saih.measure_ceilings = True
    err = saih("sweep", "toy.yaml", status=2).stderr
    assert err == "saih: run.background_read_mb_s = 100: the application names no files to read\n"
    assert not list((saih.folder / "runs").rglob("*.json"))


def test_the_plan_tells_points_apart(saih):
    saih.write("toy.yaml", toy_config(size={"n": 8}, run={"input": ["a", "b"], "background_read_mb_s": [0, 250]}))
    lines = saih("plan", "toy.yaml").stdout.splitlines()
    assert lines[0].split()[1:3] == ["input", "background_read_mb_s"]
    assert [line.split()[1:3] for line in lines[1:5]] == [["a", "0"], ["a", "250"], ["b", "0"], ["b", "250"]]


@pytest.mark.long
def test_a_driver_that_is_killed_takes_its_readers_along(saih):
    changes = {"size": {"n": 8}, "run": {"background_read_mb_s": 40}, "data": {"folder": files(saih.folder)}}
    saih.write("toy.yaml", toy_config(**changes, measure={"target_percent": 1e-6, "max_s": 30}))
    driver = saih.start("sweep", "toy.yaml")
    _wait(lambda: _readers_of(saih.folder))
    driver.kill()
    driver.communicate()
    _wait(lambda: not _readers_of(saih.folder), 20)


def _readers_of(folder):
    """Reader processes of this test's sweeps, which are started in its folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (
                b"saih.interference.background_reader" in (path / "cmdline").read_bytes()
                and (path / "cwd").readlink() == folder
            ):
                found.append(path.name)
    return found


def _wait(condition, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)
