"""`saih augment data` on real MPI ranks: the same set as one rank makes; all ranks end together, and can go on."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from augment.data.reading.sample_reader import SampleReader
from augment.data.reading.verify import verify
from augment.data.storage.data_set import UniverseSet, name_of
from tests.sets import random_set
from tests.unit.test_published import cosmoflow, counts_of, framed, universe

pytestmark = pytest.mark.mpi

MPIEXEC = str(Path(sys.executable).with_name("mpiexec"))


def start(saih, ranks, *words):
    command = [MPIEXEC, "-n", str(ranks), sys.executable, "-m", "saih", "augment", "data", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=saih.folder, env=saih.env | {"OMP_NUM_THREADS": "1"}, **pipes)


def ranks(saih, number, *words, status=0):
    process = start(saih, number, *words)
    out, err = process.communicate(timeout=100)
    assert process.returncode == status, f"{out}\n{err}"
    assert "Traceback" not in err
    return out, err


def same(one, other):
    for name in ("labels", "parameters", "universe", "crc32c", "file", "offset", "stored_bytes"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    return one.digest == other.digest


def test_ranks_simulate_what_one_process_does(saih):
    words = ["simulate", "--universes", "5", "--edge", "8", "--cuts", "2", "--steps", "2", "--device", "cpu"]
    out, _ = ranks(saih, 2, *words, "--out", "two", "--verify")
    assert [line.split(":")[0] for line in out.splitlines()] == ["two", "two"]
    ranks(saih, 1, *words, "--out", "one")
    assert same(UniverseSet(saih.folder / "one"), UniverseSet(saih.folder / "two"))


def test_ranks_derive_and_convert_what_one_process_does(saih):
    source = random_set(saih.folder / "source", universes=5, samples=2)
    for number in (1, 3):
        ranks(saih, number, "symmetries", "source", "--views", "3", "--compression", "gzip", "--out", f"made{number}")
    made = UniverseSet(saih.folder / "made3")
    assert same(UniverseSet(saih.folder / "made1"), made)
    assert made.samples == 3 * source.samples
    files = [str(universe(saih.folder / f"u{n}.hdf5", counts_of(8, n), np.float32([n / 9] * 4))) for n in range(5)]
    (saih.folder / "t.tfrecord").write_bytes(framed(cosmoflow(counts_of(4, 7))))
    for number in (1, 2):
        words = ["convert", *files, "t.tfrecord", "--edge", "4", "--out", f"ours{number}"]
        ranks(saih, number, *words)
    assert same(UniverseSet(saih.folder / "ours1"), UniverseSet(saih.folder / "ours2"))
    out, _ = ranks(saih, 2, "verify", "ours2")
    assert out.startswith("ours2: all 41 samples are as written")


def test_a_rank_that_fails_ends_all_with_one_line(saih):
    source = random_set(saih.folder / "source", universes=40)
    path = source.files[30]
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[source.offset[30]] ^= 1
    path.write_bytes(damaged)
    words = ["symmetries", "source", "--views", "2", "--out", "made"]
    out, err = ranks(saih, 2, *words, status=2)
    assert out == ""
    assert err.splitlines() == [
        line for line in err.splitlines() if line.startswith(f"saih: {path}: sample 30 (universe 30): it is damaged")
    ]
    assert err.count("\n") == 1
    made = saih.folder / "made"
    finished = {each.name: each.stat().st_mtime_ns for each in made.iterdir()}
    assert all(name.startswith("universe-") for name in finished)
    assert name_of(20) in finished  # the failing rank began there
    _, err = ranks(saih, 2, "verify", "source", status=2)
    assert err.count("\n") == 1
    path.write_bytes(whole)
    ranks(saih, 2, *words)
    assert all((made / name).stat().st_mtime_ns == stamp for name, stamp in finished.items())
    assert verify(made) == []


@pytest.mark.parametrize("name", ["terminate", "kill"])
def test_ranks_that_were_stopped_go_on(saih, name):
    random_set(saih.folder / "source", universes=16, edge=32)
    words = ["symmetries", "source", "--views", "48", "--out", "made"]
    process, made = start(saih, 2, *words), saih.folder / "made"
    while not made.exists() or len(list(made.glob("universe-*"))) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    getattr(process, name)()
    _, err = process.communicate(timeout=60)
    if name == "terminate":
        assert process.returncode == 75
        assert err == "saih: stopped by SIGTERM; the same command goes on from here\n"
        assert not (made / "lock").exists()
    finished = {each.name: each.stat().st_mtime_ns for each in made.glob("universe-*")}
    assert 2 <= len(finished) < 16
    _gone_on(saih, words)
    assert all((made / each).stat().st_mtime_ns == stamp for each, stamp in finished.items())
    found = UniverseSet(made)
    SampleReader(found).read(found.samples - 1, np.empty(found.header.sample_shape, np.int16))
    assert verify(made) == []


def _gone_on(saih, words):
    """Ranks whose launcher was killed may need a moment to die: until then the lock is theirs."""
    for _ in range(50):
        process = start(saih, 2, *words)
        _, err = process.communicate(timeout=60)
        if process.returncode == 0:
            return
        assert "another run is at work here" in err
        time.sleep(0.2)
    raise AssertionError(err)
