"""Building out of core: every universe whole or not at all, gone on with after a kill, shared, and alone at work."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augment.data.making.build import Stopped, begun, build, work
from augment.data.making.derive import derive
from augment.data.making.job import Job
from augment.data.making.operations import turned
from augment.data.reading.verify import verify
from augment.data.storage.data_set import UniverseSet, name_of
from augment.errors import DataError
from saih.common.holder import mine
from tests.conftest import ROOT
from tests.holders import of_a_dead_process
from tests.sets import counts_of, header, labels_of, random_set

UNIVERSES = 6


def job(folder, made=None, **changes):
    """Makes six universes of two samples; `made` collects which."""

    def rows(universe, tick):
        if made is not None:
            made.append(universe)
        for row in range(2):
            yield counts_of(universe, row), labels_of(universe), labels_of(universe)

    given = {"digest": header().digest, "header": lambda universe: header(2, periodic=False), "rows": rows} | changes
    return Job(folder, universes=range(UNIVERSES), **given)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_everything_is_made_once(tmp_path):
    made, seen = [], []
    folder = tmp_path / "deep" / "set"
    found = build(job(folder, made), lambda *step: seen.append(step))
    assert made == list(range(UNIVERSES))
    assert seen == [(n, UNIVERSES) for n in range(1, UNIVERSES + 1)]
    assert found.samples == 2 * UNIVERSES
    assert names(folder) == ["index.npz", "manifest.json", *[name_of(n) for n in range(UNIVERSES)]]
    before = [path.stat() for path in sorted(folder.iterdir())]
    build(job(folder, made))
    assert [path.stat() for path in sorted(folder.iterdir())] == before
    assert len(made) == UNIVERSES


def test_what_is_finished_is_kept(tmp_path):
    stop, made = {3}, []

    def rows(universe, tick):
        if universe in stop:
            raise RuntimeError("the power is gone")
        yield from job(tmp_path, made).rows(universe, tick)

    with pytest.raises(RuntimeError):
        build(job(tmp_path, rows=rows))
    assert names(tmp_path) == [name_of(n) for n in range(3)]
    with pytest.raises(DataError, match="not a whole data set"):
        UniverseSet(tmp_path)
    before = [path.stat() for path in sorted(tmp_path.iterdir())]
    stop.clear()
    made.clear()
    found, whole = build(job(tmp_path, made)), build(job(tmp_path.with_name("whole")))
    assert made == [3, 4, 5]
    assert [(tmp_path / name_of(n)).stat() for n in range(3)] == before
    np.testing.assert_array_equal(found.crc32c, whole.crc32c)


def test_a_killed_process_costs_one_universe(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from tests.unit.test_build import build, job, counts_of, labels_of
folder = Path({str(tmp_path)!r})
def rows(universe, tick):
    yield counts_of(universe, 0), labels_of(universe), labels_of(universe)
    if universe == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    yield counts_of(universe, 1), labels_of(universe), labels_of(universe)
build(job(folder, rows=rows))
"""
    died = subprocess.run([sys.executable, "-c", code], cwd=ROOT)
    assert died.returncode == -signal.SIGKILL
    left = names(tmp_path)
    assert [name for name in left if not name.startswith(".")] == ["lock", name_of(0), name_of(1)]
    assert any(name.startswith(f".{name_of(2)}.") for name in left)
    with pytest.raises(DataError, match="not a whole data set"):
        UniverseSet(tmp_path)
    made = []
    build(job(tmp_path, made))
    assert made == [2, 3, 4, 5]
    assert not [name for name in names(tmp_path) if name.startswith(".") or name == "lock"]
    assert verify(tmp_path) == []


def test_processes_that_share_take_what_is_left(tmp_path):
    """Two at once, of which one is slow: no universe is made twice, and the quick one makes most."""
    mine = {0: [], 1: []}
    slow = threading.Event()

    def share(rank):
        def rows(universe, tick):
            mine[rank].append(universe)
            if rank == 0:
                slow.wait(20)
            yield from job(tmp_path).rows(universe, tick)

        for stage in job(tmp_path, rows=rows).stages():
            work(tmp_path, stage, (rank, 2))
            slow.set()

    plan = job(tmp_path)
    with begun(plan):
        threads = [threading.Thread(target=share, args=(rank,)) for rank in (0, 1)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        plan.finish()
    assert sorted(mine[0] + mine[1]) == list(range(UNIVERSES))
    assert len(mine[0]) <= 2
    assert mine[1][0] == UNIVERSES // 2
    np.testing.assert_array_equal(UniverseSet(tmp_path).crc32c, build(job(tmp_path.with_name("one"))).crc32c)


def test_a_failure_stops_the_others(tmp_path):
    plan = job(tmp_path)
    with begun(plan):
        (stage,) = plan.stages()
        failing = replace(stage, make=lambda number, tick: (_ for _ in ()).throw(DataError("no")))
        with pytest.raises(DataError, match="no"):
            work(tmp_path, failing)
        with pytest.raises(Stopped):
            work(tmp_path, stage)
    build(plan)


def test_finishing_what_is_not_finished(tmp_path):
    plan = job(tmp_path)
    build(plan)
    (tmp_path / "manifest.json").unlink()
    (tmp_path / name_of(4)).unlink()
    with pytest.raises(DataError, match=r"universe-00004\.h5: no such file"):
        plan.finish()
    assert not (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"digest": "f" * 16}, "holds another data set"),
        ({"compression": "gzip"}, "its samples are stored as raw, not deflate"),
    ],
)
def test_a_folder_that_holds_another_set(tmp_path, changes, message):
    build(job(tmp_path))
    before = [path.stat() for path in sorted(tmp_path.iterdir())]
    with pytest.raises(DataError, match=f"{message}.*; name another folder"):
        build(job(tmp_path, **changes))
    assert [path.stat() for path in sorted(tmp_path.iterdir())] == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"header": lambda universe: replace(header(2, periodic=False), digest="f" * 16)}, "belongs to another data"),
        ({"compression": "gzip"}, "its samples are stored as raw"),
        ({"universes": range(2)}, "this data set has no universe 2"),
    ],
)
def test_a_folder_that_holds_parts_of_another_set(tmp_path, changes, message):
    build(job(tmp_path))
    (tmp_path / "manifest.json").unlink()
    plan = replace(job(tmp_path), **changes)
    with pytest.raises(DataError, match=message):
        build(plan)
    assert (tmp_path / name_of(5)).exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(DataError, match=r"holds thesis\.tex, which is no part of this data set"):
        build(job(tmp_path))
    assert names(tmp_path) == ["thesis.tex"]
    with pytest.raises(DataError, match="is a file; a data set is a folder"):
        build(job(tmp_path / "thesis.tex"))


def test_a_damaged_universe_is_named_before_anything_is_made(tmp_path):
    build(job(tmp_path))
    (tmp_path / "manifest.json").unlink()
    path = tmp_path / name_of(3)
    path.write_bytes(path.read_bytes()[:-100])
    (tmp_path / name_of(5)).unlink()
    with pytest.raises(DataError, match=r"universe-00003\.h5: not a readable HDF5 file"):
        build(job(tmp_path))
    assert not (tmp_path / name_of(5)).exists()


def test_one_run_at_a_time(tmp_path):
    message = rf"another run is at work here \(process {os.getpid()} on .*delete"
    with begun(job(tmp_path)), pytest.raises(DataError, match=message):
        build(job(tmp_path))
    build(job(tmp_path))


def test_locks_of_the_dead(tmp_path):
    (tmp_path / "lock").write_bytes(of_a_dead_process().to_bytes())
    build(job(tmp_path))
    assert not (tmp_path / "lock").exists()


def test_a_lock_of_another_machine_stands(tmp_path):
    (tmp_path / "lock").write_bytes(replace(mine(), host="elsewhere", boot="another").to_bytes())
    with pytest.raises(DataError, match=f"another run may be at work here .* on elsewhere.*delete {tmp_path}/lock"):
        build(job(tmp_path))


def test_a_full_disk_is_told_before_it_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr("augment.data.making.job.free_bytes", lambda folder: 10**4)
    with pytest.raises(DataError, match=r"0\.0492 MB are to be written, and 0\.01 MB are free"):
        build(job(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_disk_that_fills_up(tmp_path, monkeypatch, compression):
    """For real: a file system of 256 kB. What is finished stays, and the rest is made when there is room."""
    monkeypatch.setattr("augment.data.making.job.free_bytes", lambda folder: 10**12)
    source = random_set(tmp_path / "source", 6, edge=16)
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mount: {mounted.stderr.decode()}")
    try:
        plan = derive(source, turned(2 if compression is None else 8), disk / "set", compression)
        with pytest.raises(DataError, match=r"universe-0000\d\.h5: cannot be written: No space left on device"):
            build(plan)
        assert name_of(0) in names(disk / "set")
        assert not [name for name in names(disk / "set") if name.startswith(".") or name == "lock"]
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        assert build(plan).samples == 6 * plan.header(0).samples
        assert verify(disk / "set") == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_files_that_may_not_become_so_large(tmp_path):
    """What a quota looks like: the system ends the writing of any file beyond 8 kB."""
    code = f"""
import resource
from pathlib import Path
from tests.unit.test_build import build, job
from augment.errors import DataError
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    build(job(Path({str(tmp_path)!r})))
except DataError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == f"{tmp_path / name_of(0)}: cannot be written: File too large\n", done.stderr
    assert done.stderr == ""
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/set: cannot be written: Not a directory"):
        build(job(tmp_path / "file" / "set"))
    with pytest.raises(DataError, match="cannot be written"):
        build(job(Path("/proc/set")))
