"""Files: whole or absent, true to their recipe, and distrusted as soon as anything in them changes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from augment.data.cosmology import Cosmology
from augment.data.make import join, make
from augment.data.recipe import Recipe
from augment.data.simulate import simulate
from augment.data.store import UniverseFile, chunk_shape, split
from augment.data.write import UniverseWriter
from augment.errors import DataError

RECIPE = Recipe(universes=3, edge=8, box_mpc_h=30.0, cuts=2)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(RECIPE, tmp_path_factory.mktemp("made") / "universes.h5")


@pytest.fixture
def copy(made, tmp_path):
    return Path(shutil.copy(made, tmp_path / "copy.h5"))


def distrusted(path, message):
    with pytest.raises(DataError, match=message) as caught:
        UniverseFile(path).close()
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_file_holds_its_recipe(made):
    with UniverseFile(made) as file:
        assert (file.samples, file.edge, file.redshifts) == (24, 8, (0.0, 0.5, 1.5, 3.0))
        assert file.digest == RECIPE.digest()
        assert file.sample_bytes == RECIPE.sample_bytes
        assert file.universe.tolist() == [0] * 8 + [1] * 8 + [2] * 8
        assert (file.header.box_mpc_h, file.header.growth, file.header.periodic) == (30.0, "fixed_box", False)
        assert file.header.label_names == ("omega_m", "sigma8", "ns", "h0")
        assert Recipe.from_mapping(json.loads(file.header.provenance)["recipe"]) == RECIPE
        np.testing.assert_array_equal(file.labels[8:16], np.tile(RECIPE.labels(1), (8, 1)))
        np.testing.assert_array_equal(file.parameters[9], Cosmology.from_labels(RECIPE.labels(1)).values())
        assert (file.labels.dtype, file.parameters.dtype, file.universe.dtype) == ("<f4", "<f8", "<i4")


def test_cubes_tile_the_universe(made):
    cosmology = Cosmology.from_labels(RECIPE.labels(2))
    whole = simulate(cosmology, 16, 60.0, RECIPE.redshifts, RECIPE.noise_seed(2))
    with UniverseFile(made) as file:
        cubes = file.read(range(16, 24)).reshape(2, 2, 2, 8, 8, 8, 4)
    np.testing.assert_array_equal(cubes.transpose(0, 3, 1, 4, 2, 5, 6).reshape(16, 16, 16, 4), whole)


def test_reading_in_any_order(made):
    with UniverseFile(made) as file, h5py.File(made, locking=False) as plain:
        counts = plain["counts"][()]
        order = [5, 0, 23, 5]
        np.testing.assert_array_equal(file.read(order), counts[order])
        out = np.full((2, 8, 8, 8, 4), -1, np.int16)
        assert file.read(np.array([7, 3]), out) is out
        np.testing.assert_array_equal(out, counts[[7, 3]])
        assert file.read([]).shape == (0, 8, 8, 8, 4)


def test_threads_that_share_a_file_read_what_they_asked_for(made):
    with UniverseFile(made) as file:
        expected = [file.read([row])[0] for row in range(file.samples)]

        def wrong(row):
            return sum(not np.array_equal(file.read([row])[0], expected[row]) for _ in range(200))

        with ThreadPoolExecutor(4) as threads:
            assert sum(threads.map(wrong, range(8))) == 0


def test_reading_what_is_not_there(made):
    with UniverseFile(made) as file:
        for index in (24, -1):
            with pytest.raises(IndexError, match=f"no sample {index} among 24"):
                file.read([0, index])
        for out in (np.empty((2, 8, 8, 8, 4), np.int16), np.empty((1, 8, 8, 8, 4), np.int32)):
            with pytest.raises(ValueError, match="must be contiguous int16"):
                file.read([0], out)


def test_verify_reads_all_and_reports(made):
    seen = []
    with UniverseFile(made) as file:
        file.verify(lambda done, total: seen.append((done, total)))
    assert seen == [(n, 24) for n in range(1, 25)]


def test_more_universes_extend_a_file(tmp_path, made):
    longer = make(replace(RECIPE, universes=4), tmp_path / "longer.h5")
    with UniverseFile(longer) as new, UniverseFile(made) as old:
        np.testing.assert_array_equal(new.read(range(24)), old.read(range(24)))
        np.testing.assert_array_equal(new.labels[:24], old.labels)
        assert new.samples == 32


def test_shared_work_makes_the_same_file(tmp_path, made):
    path = tmp_path / "joined.h5"
    for rank in range(2):
        part = make(RECIPE, path, shard=(rank, 2))
        assert part != path
        stopped = make(RECIPE, path, shard=(rank, 2), progress=lambda *step: pytest.fail("simulated again"))
        assert stopped == part
    join(RECIPE, path, 2)
    with h5py.File(path) as joined, h5py.File(made) as whole:
        for name in ("counts", "labels", "parameters", "universe", "crc32"):
            np.testing.assert_array_equal(joined[name][()], whole[name][()])
        assert joined.attrs["digest"] == whole.attrs["digest"]
    assert list(tmp_path.iterdir()) == [path]
    assert join(RECIPE, path, 2) == make(RECIPE, path, shard=(1, 2)) == path


def test_joining_what_does_not_belong(tmp_path):
    path = tmp_path / "joined.h5"
    make(RECIPE, path, shard=(0, 2))
    with pytest.raises(DataError, match="part-1-of-2: no such file"):
        join(RECIPE, path, 2)
    make(replace(RECIPE, seed=5), path, shard=(1, 2))
    with pytest.raises(DataError, match="part-1-of-2: a part of another recipe"):
        join(RECIPE, path, 2)
    assert not path.exists()


@pytest.mark.parametrize("shard", [(1, 1), (-1, 2), (0, 4), (0, 0)])
def test_shards_that_do_not_exist(tmp_path, shard):
    with pytest.raises(DataError, match="must be 0 <= rank < size <= 3 universes"):
        make(RECIPE, tmp_path / "x.h5", shard=shard)


def test_a_finished_file_is_kept(copy):
    before = copy.stat()
    assert make(RECIPE, copy, progress=lambda done, total: pytest.fail("simulated again")) == copy
    assert copy.stat() == before
    with pytest.raises(DataError, match="holds another recipe"):
        make(replace(RECIPE, seed=2), copy)
    assert copy.stat() == before


def test_progress_counts_universes(tmp_path):
    seen = []
    make(RECIPE, tmp_path / "new" / "folder" / "x.h5", progress=lambda *step: seen.append(step))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_killed_process_leaves_no_file(tmp_path):
    path = tmp_path / "killed.h5"
    code = f"""
import os, signal
from augment.data.make import make
from augment.data.recipe import Recipe
kill = lambda done, total: done == 2 and os.kill(os.getpid(), signal.SIGKILL)
make(Recipe({RECIPE.universes}, {RECIPE.edge}, box_mpc_h=30.0, cuts=2), {str(path)!r}, progress=kill)
"""
    died = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert died.returncode == -signal.SIGKILL
    assert not path.exists()
    assert [left.name.startswith(".killed.h5.") for left in tmp_path.iterdir()] == [True]
    with UniverseFile(make(RECIPE, path)) as file:
        file.verify()


def test_an_error_leaves_nothing(tmp_path):
    def fail(done, total):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        make(RECIPE, tmp_path / "failed.h5", progress=fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("samples", "edges", "message"),
    [
        (24, [8], "1 samples written of 24"),
        (24, [4], r"no room for a sample \(4, 8, 8, 4\)"),
        (1, [8, 8], r"no room for a sample \(8, 8, 8, 4\)"),
    ],
)
def test_what_the_header_does_not_promise_is_not_written(tmp_path, made, samples, edges, message):
    with UniverseFile(made) as file:
        header, counts = replace(file.header, samples=samples), file.read([0])[0]

    def write():
        with UniverseWriter(tmp_path / "x.h5", header) as writer:
            for edge in edges:
                writer.append(counts[:edge], np.zeros(4), np.zeros(4), 0)

    with pytest.raises(ValueError, match=message):
        write()
    assert list(tmp_path.iterdir()) == []


def test_damage_names_its_sample(copy):
    with h5py.File(copy) as file:
        where = file["counts"].id.get_chunk_info(13).byte_offset
    damaged = bytearray(copy.read_bytes())
    damaged[where + 100] ^= 1
    copy.write_bytes(damaged)
    with UniverseFile(copy) as file, pytest.raises(DataError) as caught:
        file.verify()
    assert str(caught.value).startswith(f"{copy}: sample 13 (universe 1) is damaged: its CRC-32 is ")


def test_every_flipped_bit_is_found_or_harmless(tmp_path):
    path = make(Recipe(universes=2, edge=4, box_mpc_h=20.0), tmp_path / "whole.h5")
    with UniverseFile(path) as file:
        header, labels, counts = file.header, file.labels, file.read([0, 1])
    whole, rng, found, flipped = path.read_bytes(), np.random.default_rng(1), 0, tmp_path / "flipped.h5"
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        flipped.write_bytes(damaged)
        try:
            with UniverseFile(flipped) as file:
                file.verify()
                assert file.header == header
                np.testing.assert_array_equal(file.labels, labels)
                np.testing.assert_array_equal(file.read([0, 1]), counts)
        except DataError:
            found += 1
    assert found > 150  # the others hit padding


def test_crc_is_of_the_raw_bytes(made):
    with h5py.File(made) as file:
        assert file["crc32"][4] == zlib.crc32(file["counts"][4].astype("<i2").tobytes())


def altered(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def set_first(name, value):
    def change(file):
        file[name][0] = value

    return change


def replace_array(name, dtype=None, rows=None):
    def change(file):
        values = file[name][()]
        del file[name]
        file[name] = values[:rows].astype(dtype or values.dtype)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_first("labels", 0.5), "were altered"),
        (set_first("parameters", 0.5), "were altered"),
        (set_first("universe", 2), "were altered"),
        (set_first("crc32", 7), "were altered"),
        (lambda file: file.attrs.modify("box_mpc_h", 31.0), "were altered"),
        (set_first("labels", np.nan), "the labels of sample 0 are not finite"),
        (lambda file: file.attrs.modify("format", "other"), "not a file of universes"),
        (lambda file: file.attrs.__delitem__("format"), "not a file of universes"),
        (lambda file: file.attrs.modify("format_version", 2), "format_version is 2: .* reads version 1"),
        (lambda file: file.attrs.__delitem__("complete"), "incomplete"),
        (lambda file: file.attrs.__delitem__("edge"), "the attribute 'edge' is missing"),
        (
            lambda file: file.attrs.modify("edge", 16),
            r"'counts' is int16 \(24, 8, 8, 8, 4\): must be int16 \(24, 16",
        ),
        (lambda file: file.attrs.__setitem__("edge", "wide"), "the attribute 'edge' is 'wide'"),
        (lambda file: file.__delitem__("labels"), "the array 'labels' is missing"),
        (replace_array("labels", "<f8"), r"'labels' is float64 \(24, 4\): must be float32 \(24, 4\)"),
        (replace_array("universe", rows=20), r"'universe' is int32 \(20,\): must be int32 \(24,\)"),
        (replace_array("counts", "<i4"), "'counts' is int32 .*: must be int16"),
    ],
)
def test_altered_files(copy, change, message):
    altered(copy, change)
    distrusted(copy, message)


def test_files_that_are_no_files(copy, tmp_path):
    distrusted(tmp_path / "absent.h5", "no such file")
    distrusted(tmp_path, "not a readable HDF5 file")
    whole = copy.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 1):
        copy.write_bytes(whole[:length])
        distrusted(copy, "not a readable HDF5 file")
    copy.write_bytes(b"not HDF5 at all" * 1000)
    distrusted(copy, "not a readable HDF5 file")


@pytest.mark.parametrize(
    ("edge", "redshifts", "brick"),
    [
        (32, 4, 32),
        (128, 4, 128),
        (256, 4, 256),  # 128 MiB: still one chunk
        (320, 4, 320),  # 250 MiB
        (512, 4, 128),  # 1 GiB in 64 bricks of 16 MiB
        (512, 1, 256),  # 256 MiB exactly, in 8 bricks of 32 MiB
        (511, 1, 511),
        (401, 4, 101),  # odd edges: the last brick is partly empty
    ],
)
def test_chunks(edge, redshifts, brick):
    assert chunk_shape(edge, redshifts) == (1, brick, brick, brick, redshifts)


def test_bricks_read_back_as_they_were_written(tmp_path, monkeypatch, made):
    monkeypatch.setattr("augment.data.store._WHOLE_BYTES", 1024)
    monkeypatch.setattr("augment.data.store._BRICK_BYTES", 1024)
    path = make(RECIPE, tmp_path / "bricks.h5")
    with UniverseFile(path) as bricks, UniverseFile(made) as whole, h5py.File(path, locking=False) as plain:
        assert plain["counts"].chunks == (1, 4, 4, 4, 4)
        np.testing.assert_array_equal(bricks.read([3, 20]), whole.read([3, 20]))
        bricks.verify()


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("universes", [2, 3, 7, 50])
def test_no_universe_is_on_both_sides(universes, fraction):
    universe = np.repeat(np.arange(universes), 3)
    train, validation = split(universe, fraction)
    assert set(universe[train]) & set(universe[validation]) == set()
    assert sorted([*train, *validation]) == list(range(3 * universes))
    assert len(train) > 0
    assert abs(len(validation) / 3 - universes * fraction) <= 1


def test_universes_keep_their_side():
    few, many = (set(split(np.arange(n))[1]) for n in (12, 30))
    assert few == {1, 6, 11}
    assert few == {n for n in many if n < 12}


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_fractions_that_leave_nothing(fraction):
    with pytest.raises(DataError, match="must lie between 0 and 1"):
        split(np.arange(10), fraction)


def test_one_universe_cannot_be_split():
    with pytest.raises(DataError, match=r"universes \[3\]: too few"):
        split(np.array([3, 3, 3]))
