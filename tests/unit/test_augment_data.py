"""`saih augment data` as a user types it: what it makes, says and refuses, in one line each."""

import gzip
import json
import signal
import time
from io import StringIO

import numpy as np
import pytest
import torch
from rich.console import Console

from augment.data.reading.sample_reader import SampleReader
from augment.data.storage.data_set import UniverseSet, name_of
from saih.cli import augment_progress, progress
from saih.cli import main as cli
from saih.cli.augment_progress import Tally
from tests.sets import random_set
from tests.unit.test_published import cosmoflow, counts_of, framed

pytestmark = pytest.mark.slow


@pytest.fixture
def source(saih):
    return random_set(saih.folder / "source", universes=4)


def data(saih, *words, status=0):
    done = saih("augment", "data", *words, status=status)
    if status == 2:
        assert done.stderr.startswith("saih")
        assert done.stderr.count("\n") == 1, done.stderr
    return done


def test_an_operation_makes_a_set_and_says_what_it_is(saih, source):
    out = data(saih, "symmetries", "source", "--views", "3", "--out", "made", "--verify").stdout.splitlines()
    found = UniverseSet(saih.folder / "made")
    assert found.samples == 12
    assert out[0].startswith("made: 12 samples of 8^3 x 4 in 4 universes, 0.0492 MB (raw), digest " + found.digest)
    assert "GB/s" in out[0]
    assert out[1].startswith("made: all 12 samples are as written")
    again = data(saih, "symmetries", "source", "--views", "3", "--out", "made").stdout
    assert again == "made: is whole already\n"


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        (["coarsen", "--factor", "2"], (4, 4, 4, 4)),
        (["refine-for-load", "--factor", "2", "--seed", "5", "--compression", "gzip"], (16, 16, 16, 4)),
        (["shifts", "--views", "2"], (8, 8, 8, 4)),
        (["tile", "--repeats", "2"], (16, 16, 16, 4)),
        (["redshifts", "--keep", "0", "3"], (8, 8, 8, 2)),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else None,
)
def test_every_operation(saih, source, words, shape):
    data(saih, words[0], "source", *words[1:], "--out", "made")
    found = UniverseSet(saih.folder / "made")
    assert found.header.sample_shape == shape
    assert found.codec == ("deflate" if "gzip" in words else "raw")
    SampleReader(found).read(0, np.empty(shape, np.int16))


@pytest.fixture
def here(saih, monkeypatch, capsys):
    """The command in this process, which has torch already: (status, standard output, standard error)."""
    monkeypatch.chdir(saih.folder)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def run(*words):
        try:
            status = cli.main(["augment", "data", *words])
        except SystemExit as error:  # argparse ends by itself
            status = error.code
        return status, *capsys.readouterr()

    yield run
    torch.set_num_threads(threads)


def test_simulated_universes(saih, here):
    words = ["simulate", "--universes", "2", "--edge", "8", "--steps", "1", "--redshifts", "0", "1", "--out", "set"]
    status, said, _ = here(*words, "--dry-run")
    assert status == 0
    assert "0.0041 MB to be written" in said
    assert "2 of 8^3 voxels, 128 Mpc/h, redshifts 0 1" in said
    assert "2, of which 0 are finished" in said
    assert "a rank, on cpu" in said
    assert not (saih.folder / "set").exists()
    data(saih, *words, "--device", "cpu")
    assert UniverseSet(saih.folder / "set").redshifts == (0.0, 1.0)


def test_what_a_sweep_would_make_is_what_the_sweep_finds(saih, here):
    from apps.cosmoflow.input.settings import resolve, set_of
    from saih import config
    from saih.applications import load
    from saih.config import points

    recipe = {"universes": 8, "edge": 16, "steps": 0}
    sweep = {
        "schema": 1, "name": "s", "app": "cosmoflow",
        "data": {"recipe": recipe, "folder": "kept"}, "size": {"edge": [8, 16]},
    }  # fmt: skip
    saih.write("s.yaml", sweep)
    said = here("simulate", "--config", "s.yaml", "--dry-run")[1]
    assert said.count("would make    kept/universes-edge") == 2
    assert here("simulate", "--config", "s.yaml", "--edge", "8")[0] == 0
    (folder,) = (saih.folder / "kept").iterdir()
    parsed = config.load(saih.folder / "s.yaml")
    assert resolve(parsed.data)["folder"] == "kept"
    asked = next(p for p in points.expand(parsed, load("cosmoflow")).wanted if p.size["edge"] == 8)
    assert saih.folder / set_of(asked) == folder
    assert "--seed: comes from s.yaml" in here("simulate", "--config", "s.yaml", "--seed", "2")[2]
    assert "has 2 edges; choose one with --edge" in here("simulate", "--config", "s.yaml", "--out", "x")[2]


def test_published_files_are_linked_and_converted(saih):
    for n in range(3):
        content = framed(cosmoflow(counts_of(4, n), np.float32([n / 4, 0, 0, 0])))
        (saih.folder / f"{n}.tfrecord").write_bytes(gzip.compress(content))
    files = [f"{n}.tfrecord" for n in range(3)]
    assert "an index only" in data(saih, "link", *files, "--edge", "4", "--out", "linked", "--dry-run").stdout
    data(saih, "link", *files, "--edge", "4", "--out", "linked", "--verify")
    assert UniverseSet(saih.folder / "linked").codec == "tfrecord-gzip"
    data(saih, "convert", *files, "--edge", "4", "--out", "ours", "--verify")
    ours, linked = UniverseSet(saih.folder / "ours"), UniverseSet(saih.folder / "linked")
    np.testing.assert_array_equal(ours.crc32c, linked.crc32c)
    (saih.folder / "1.tfrecord").unlink()
    said = data(saih, "coarsen", "linked", "--factor", "2", "--out", "x", status=2).stderr
    assert "1.tfrecord: no such file (file 1 of the data set linked)" in said


def test_verify_names_what_is_damaged_and_no_more_than_is_readable(saih):
    source = random_set(saih.folder / "source", universes=2, samples=20)
    assert "all 40 samples are as written" in data(saih, "verify", "source").stdout
    for universe, path in enumerate(source.files):
        content = bytearray(path.read_bytes())
        for sample in np.flatnonzero(source.universe == universe):
            content[source.offset[sample]] ^= 1
        path.write_bytes(content)
    lines = saih("augment", "data", "verify", "source", status=2).stderr.splitlines()
    assert len(lines) == 21
    assert "sample 0 (universe 0): it is damaged" in lines[0]
    assert lines[-1] == "saih: and 20 more are damaged"
    (saih.folder / "source" / "manifest.json").write_text("{}")
    assert "manifest.json: not a data set" in data(saih, "verify", "source", status=2).stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["simulate", "--edge", "8", "--out", "x"], "--universes is required"),
        (["simulate", "--universes", "2", "--edge", "8"], "--out is required"),
        (["simulate", "--universes", "1", "--edge", "8", "--out", "x"], "universes = 1: must be an integer"),
        (["simulate", "--universes", "2", "--edge", "8", "--growth", "up", "--out", "x"], "growth = 'up': must be"),
        (["simulate", "--universes", "2", "--edge", "x", "--out", "x"], "--edge: invalid int value: 'x'"),
        (["simulate", "--config", "none.yaml"], "none.yaml: cannot be read"),
        (["coarsen", "none", "--factor", "2", "--out", "x"], "none: no such data set"),
        (["coarsen", "source", "--factor", "3", "--out", "x"], "factor = 3: must divide the edge, 8"),
        (["coarsen", "source", "--factor", "2", "--out", "source"], "--out source: is the source"),
        (["coarsen", "source", "--factor", "2"], "required: --out"),
        (["symmetries", "source", "--views", "50", "--out", "x"], "views = 50: must be from 1 to 48"),
        (["tile", "source", "--repeats", "0", "--out", "x"], "repeats = 0: must be an integer of at least 1"),
        (["redshifts", "source", "--keep", "9", "--out", "x"], "keep = 9: must be of the set's redshifts"),
        (["coarsen", "source", "--factor", "2", "--out", "x", "--compression", "lzf"], "invalid choice: 'lzf'"),
        (["link", "none.tfrecord", "--out", "x"], "none.tfrecord: no such file"),
        (["convert", "source/manifest.json", "--out", "x"], "manifest.json: record 0"),
        (["coarsen", "source", "--factor", "2", "--out", "/proc/x"], "/proc/x: cannot be written"),
        (["melt", "source"], "invalid choice: 'melt'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(saih, source, words, says, here):
    status, out, err = here(*words)
    assert (status, out) == (2, "")
    assert says in err
    assert err.startswith("saih")
    assert err.count("\n") == 1
    assert not (saih.folder / "x").exists() or not list((saih.folder / "x").glob("universe-*"))


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda name: name.name)
def test_a_run_that_was_stopped_goes_on(saih, name):
    random_set(saih.folder / "source", universes=12, edge=32)
    words = ["augment", "data", "symmetries", "source", "--views", "48", "--out", "made"]
    process = saih.start(*words)
    made = saih.folder / "made"
    while not (made / name_of(1)).exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(name)
    out, err = process.communicate(timeout=60)
    left = {path.name: path.stat().st_mtime_ns for path in made.glob("universe-*")}
    assert 2 <= len(left) < 12
    assert not (made / "manifest.json").exists()
    if name == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert (process.returncode, out) == (75, "")
        assert err == f"saih: stopped by {name.name}; the same command goes on from here\n"
        assert not [path for path in made.iterdir() if not path.name.startswith("universe-")]
    assert "made: 576 samples" in saih(*words, "--verify").stdout
    assert all((made / each).stat().st_mtime_ns == stamp for each, stamp in left.items())
    assert not [path for path in made.iterdir() if path.name.startswith(".") or path.name == "lock"]


def test_ranks_that_are_alone_are_caught(saih, source):
    """What a launcher of another MPI does: each process believes that it is one of two, and MPI counts one."""
    saih.env |= {"OMPI_COMM_WORLD_SIZE": "2", "PYTHONWARNINGS": "ignore"}
    assert "2 ranks were asked for, but MPI counts 1" in data(saih, "verify", "source", status=2).stderr


def test_the_line_of_progress(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    tally = Tally("universes", 8)
    tally.done = tally.found = 2
    assert tally.line() == "[2/8] universes"
    now[0], tally.done, tally.bytes = 104.0, 4, 1_600_000_000
    assert tally.line() == "[4/8] universes: 1.6 GB, 0.4 GB/s, about 8 s left"
    tally.done = 8
    assert tally.line() == "[8/8] universes: 1.6 GB, 0.4 GB/s"


def test_plain_lines_now_and_then_without_a_terminal(monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "HEARTBEAT_S", 0.0)
    monkeypatch.setattr(augment_progress, "LOOK_S", 0.01)
    outputs = [tmp_path / f"{n}" for n in range(3)]
    text = StringIO()
    line = progress.Line(Console(file=text, width=100))
    with line, augment_progress.Watch(line, "universes", outputs, lambda number: 10**9) as watch:
        for path in outputs:
            path.touch()
            time.sleep(0.05)
    assert (watch.tally.done, watch.tally.bytes) == (3, 3 * 10**9)
    lines = text.getvalue().splitlines()
    assert any(each.startswith("[1/3] universes: 1 GB, ") and each.endswith(" left") for each in lines)


def test_the_manifest_says_how_it_came_about(saih, source):
    data(saih, "coarsen", "source", "--factor", "2", "--out", "made")
    said = json.loads((saih.folder / "made" / "manifest.json").read_text())
    assert said["provenance"]["operation"] == "coarsen"
    assert [each["path"] for each in said["files"]] == [name_of(n) for n in range(4)]
    assert all((saih.folder / "made" / each["path"]).stat().st_size == each["bytes"] for each in said["files"])
