"""Files of universes: whole or absent, readable without HDF5, and distrusted as soon as anything in them changes."""

import shutil
import zlib
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from augment.data.storage.data_set import name_of
from augment.data.storage.universe_file import UniverseFile, split
from augment.data.storage.universe_writer import UniverseWriter
from augment.errors import DataError
from tests.sets import counts_of, header, labels_of, write_universe
from tests.unit.test_published import crc32c

SAMPLES = 3


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_universe(tmp_path_factory.mktemp("made"), 7, SAMPLES)


@pytest.fixture
def copy(made, tmp_path):
    return Path(shutil.copy(made, tmp_path / made.name))


def distrusted(path, message):
    with pytest.raises(DataError, match=message) as caught:
        UniverseFile(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_file_says_what_it_holds(made):
    file = UniverseFile(made)
    assert file.header == header(SAMPLES, periodic=False)
    assert file.universe.tolist() == [7] * SAMPLES
    np.testing.assert_array_equal(file.labels, np.tile(labels_of(7), (SAMPLES, 1)))
    np.testing.assert_array_equal(file.parameters[1], labels_of(7) + 1.0)
    assert (file.labels.dtype, file.parameters.dtype) == ("<f4", "<f8")
    assert (file.universe.dtype, file.crc32c.dtype, file.offset.dtype) == ("<i4", "<u4", "<i8")


def test_counts_are_ranges_of_bytes_that_begin_where_direct_reads_may(made):
    file, content = UniverseFile(made), made.read_bytes()
    assert file.codec == "raw"
    assert file.offset[0] % 4096 == 0
    for row, (begin, size) in enumerate(zip(file.offset, file.stored_bytes, strict=True)):
        assert content[begin : begin + size] == counts_of(7, row).astype("<i2").tobytes()
    with h5py.File(made, locking=False) as plain:
        assert plain["counts"].chunks is None
        np.testing.assert_array_equal(plain["counts"][1], counts_of(7, 1))


@pytest.mark.parametrize("kind", ["counts", "noise"])
def test_compressed_counts_are_zlib_streams_that_hdf5_reads_too(tmp_path, kind):
    def sample(row):
        # Noise over the whole type grows under compression: even then it must be a stream.
        rng = np.random.default_rng(row)
        return counts_of(7, row) if kind == "counts" else rng.integers(-(2**15), 2**15, (8, 8, 8, 4), np.int16)

    path = tmp_path / name_of(7)
    with UniverseWriter(path, header(2), "gzip") as writer:
        for row in range(2):
            writer.append(sample(row), np.zeros(4), np.zeros(4), 7)
    file, content = UniverseFile(path), path.read_bytes()
    assert file.codec == "deflate"
    for row, (begin, size) in enumerate(zip(file.offset, file.stored_bytes, strict=True)):
        assert zlib.decompress(content[begin : begin + size]) == sample(row).tobytes()
    with h5py.File(path, locking=False) as plain:
        np.testing.assert_array_equal(plain["counts"][1], sample(1))
    assert (file.stored_bytes < 4096).all() == (kind == "counts")


def test_the_checksum_is_the_standard_one(made):
    assert UniverseFile(made).crc32c[2] == crc32c(counts_of(7, 2).astype("<i2").tobytes())


def test_an_error_leaves_nothing(tmp_path):
    def write():
        with UniverseWriter(tmp_path / "x.h5", header()):
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("samples", "edges", "message"),
    [
        (24, [8], "1 samples written of 24"),
        (24, [4], r"no room for a sample \(4, 8, 8, 4\)"),
        (1, [8, 8], r"no room for a sample \(8, 8, 8, 4\)"),
    ],
)
def test_what_the_header_does_not_promise_is_not_written(tmp_path, samples, edges, message):
    def write():
        with UniverseWriter(tmp_path / "x.h5", header(samples)) as writer:
            for edge in edges:
                writer.append(counts_of(0, 0)[:edge], np.zeros(4), np.zeros(4), 0)

    with pytest.raises(ValueError, match=message):
        write()
    assert list(tmp_path.iterdir()) == []


def test_compressions_that_cannot_be():
    with pytest.raises(DataError, match="compression = 'lzf': must be gzip"):
        UniverseWriter("x.h5", header(), "lzf")
    with pytest.raises(DataError, match="8589934592 bytes must be stored without"):
        UniverseWriter("x.h5", header(edge=1024), "gzip")


def altered(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def set_first(name, value):
    def change(file):
        file[name][0] = value

    return change


def replace_array(name, dtype=None, rows=None, **layout):
    def change(file):
        values = file[name][()]
        del file[name]
        file.create_dataset(name, data=values[:rows].astype(dtype or values.dtype), **layout)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_first("labels", 0.5), "were altered"),
        (set_first("parameters", 0.5), "were altered"),
        (set_first("universe", 2), "were altered"),
        (set_first("crc32c", 7), "were altered"),
        (lambda file: file.attrs.modify("box_mpc_h", 31.0), "were altered"),
        (set_first("labels", np.nan), "the labels of sample 0 are not finite"),
        (lambda file: file.attrs.modify("format", "other"), "not a file of universes"),
        (lambda file: file.attrs.__delitem__("format"), "not a file of universes"),
        (lambda file: file.attrs.modify("format_version", 1), "format_version is 1: .* reads version 2"),
        (lambda file: file.attrs.__delitem__("complete"), "incomplete"),
        (lambda file: file.attrs.__delitem__("edge"), "the attribute 'edge' is missing"),
        (
            lambda file: file.attrs.modify("edge", 16),
            r"'counts' is int16 \(3, 8, 8, 8, 4\): must be int16 \(3, 16",
        ),
        (lambda file: file.attrs.__setitem__("edge", "wide"), "the attribute 'edge' is 'wide'"),
        (lambda file: file.__delitem__("labels"), "the array 'labels' is missing"),
        (replace_array("labels", "<f8"), r"'labels' is float64 \(3, 4\): must be float32 \(3, 4\)"),
        (replace_array("universe", rows=2), r"'universe' is int32 \(2,\): must be int32 \(3,\)"),
        (replace_array("counts", "<i4"), "'counts' is int32 .*: must be int16"),
        (replace_array("counts", chunks=(1, 4, 4, 4, 4)), "'counts' has another layout"),
        (replace_array("counts", chunks=(1, 8, 8, 8, 4), compression="lzf"), "'counts' has another layout"),
        (replace_array("counts", compression="gzip", shuffle=True, chunks=(1, 8, 8, 8, 4)), "another layout"),
    ],
)
def test_altered_files(copy, change, message):
    altered(copy, change)
    distrusted(copy, message)


def test_counts_that_lie_elsewhere(copy, tmp_path):
    counts = np.fromfile(copy, np.uint8)  # any bytes
    (tmp_path / "elsewhere").write_bytes(counts.tobytes())

    def change(file):
        shape = file["counts"].shape
        del file["counts"]
        file.create_dataset("counts", shape, "<i2", external=[(str(tmp_path / "elsewhere"), 0, 2**20)])

    altered(copy, change)
    distrusted(copy, "'counts' lies in other files")


def test_links_and_views_of_other_files(copy, tmp_path):
    other = tmp_path / "elsewhere.h5"
    other.write_bytes(copy.read_bytes())

    def link(file):
        del file["labels"]
        file["labels"] = h5py.ExternalLink(str(other), "/labels")

    def view(file):
        labels = h5py.VirtualSource(str(other), "labels", file["labels"].shape)
        layout = h5py.VirtualLayout(file["labels"].shape, "<f4")
        layout[...] = labels
        del file["labels"]
        file.create_virtual_dataset("labels", layout)

    for change, says in ((link, "'labels' is a link"), (view, "'labels' lies in other files")):
        copy.write_bytes(other.read_bytes())
        altered(copy, change)
        distrusted(copy, says)


@pytest.mark.parametrize("samples", [2**33, 2**62])
def test_what_a_small_file_claims_is_not_believed(copy, samples):
    """Nor is room made for it: 2^33 labels would take 137 GB."""

    def claim(file):
        shapes = {name: (samples, *file[name].shape[1:]) for name in ("labels", "parameters", "universe", "crc32c")}
        counts = (samples, *file["counts"].shape[1:])
        types = {name: file[name].dtype for name in (*shapes, "counts")}
        for name, shape in {**shapes, "counts": counts}.items():
            del file[name]
            file.create_dataset(name, shape, types[name], chunks=(1, *shape[1:]))
        file.attrs["samples"] = samples

    altered(copy, claim)
    distrusted(copy, "and the file holds 0 of it")


def test_files_that_are_no_files(copy, tmp_path):
    distrusted(tmp_path / "absent.h5", "no such file")
    distrusted(tmp_path, "not a readable HDF5 file")
    whole = copy.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 1):
        copy.write_bytes(whole[:length])
        distrusted(copy, "not a readable HDF5 file")
    copy.write_bytes(b"not HDF5 at all" * 1000)
    distrusted(copy, "not a readable HDF5 file")


def test_headers_are_told_apart_by_their_checksum(made):
    file = UniverseFile(made)
    arrays = {name: getattr(file, name) for name in file.header.small_arrays()}
    assert file.header.checksum(arrays) == file.checksum
    assert replace(file.header, box_mpc_h=1.0).checksum(arrays) != file.checksum


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
