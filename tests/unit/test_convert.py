"""Published files as data sets: linked where they lie, or converted; grouped by their labels, all or nothing."""

import gzip
import json

import numpy as np
import pytest

from augment.data.foreign import published
from augment.data.foreign.convert import Conversion, Link
from augment.data.foreign.survey import Sources
from augment.data.making.build import build
from augment.data.reading.verify import verify
from augment.data.storage.data_set import UniverseSet
from augment.data.storage.universe_file import split
from augment.data.universe.cosmology import Cosmology
from augment.errors import DataError
from tests.sets import counts_in
from tests.unit.test_published import LABELS, cosmoflow, counts_of, framed, universe, written

OTHER = np.float32([0.5, 0.5, -0.5, 0.0])


@pytest.fixture
def sources(tmp_path):
    """Three cubes of edge 4 of two universes, and a third universe of eight cubes."""
    full = counts_of(8, 9)
    return [
        written(tmp_path, framed(cosmoflow(counts_of(4, 0), OTHER)), "a_000.tfrecord"),
        written(tmp_path, framed(cosmoflow(counts_of(4, 1))), "b_000.tfrecord"),
        written(tmp_path, gzip.compress(framed(cosmoflow(counts_of(4, 2), OTHER))), "a_001.tfrecord"),
        universe(tmp_path / "univ_ics_2019-03_a10000668.hdf5", full, -OTHER),
    ]


def converted(sources, folder, edge=4, **more):
    return build(Conversion(folder, Sources.of(sources, edge), **more))


def linked(sources, folder, edge=4):
    return build(Link(folder, Sources.of(sources, edge)))


def cube(full, number):
    x, y, z = 4 * np.array(np.unravel_index(number, (2, 2, 2)))
    return full[x : x + 4, y : y + 4, z : z + 4]


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_samples_are_grouped_by_their_labels(sources, tmp_path, compression):
    found = converted(sources, tmp_path / "set", compression=compression)
    assert verify(found.path) == []
    assert (found.samples, found.edge, found.redshifts) == (11, 4, (0.0, 0.5, 1.5, 3.0))
    assert (found.header.growth, found.header.box_mpc_h, found.header.periodic) == ("fixed_voxel", 4.0, False)
    assert found.universe.tolist() == [0, 0, 1] + [2] * 8
    np.testing.assert_array_equal(found.labels[:4], [OTHER, OTHER, LABELS, -OTHER])
    np.testing.assert_allclose(found.parameters[0], [0.315, 0.84, 0.912, 70.0], rtol=1e-12)
    np.testing.assert_array_equal(found.parameters[2], Cosmology.from_labels(LABELS).values())
    np.testing.assert_array_equal(counts_in(found)[:3], [counts_of(4, 0), counts_of(4, 2), counts_of(4, 1)])
    np.testing.assert_array_equal(counts_in(found)[3:], [cube(counts_of(8, 9), number) for number in range(8)])
    provenance = json.loads(found.header.provenance)
    assert (provenance["operation"], provenance["sources"], provenance["universes"]) == ("convert", 4, 3)
    train, validation = split(found.universe)
    assert (train.tolist(), validation.tolist()) == ([0, 1, *range(3, 11)], [2])
    assert sorted(path.name for path in found.path.iterdir())[:2] == ["index.npz", "manifest.json"]
    assert len(list(found.path.iterdir())) == 5


@pytest.mark.parametrize(
    ("pack", "codec"), [(bytes, "raw"), (gzip.compress, "tfrecord-gzip")], ids=["plain", "compressed"]
)
def test_records_are_linked_where_they_lie(tmp_path, pack, codec):
    """Several records a file, so that a sample may begin anywhere."""
    content = [framed(cosmoflow(counts_of(4, n), OTHER if n % 2 else LABELS)) for n in range(5)]
    files = [
        written(tmp_path, pack(b"".join(content[:3])), "one.tfrecord"),
        written(tmp_path, pack(b"".join(content[3:])), "two.tfrecord"),
    ]
    before = [path.stat() for path in files]
    found = linked(files, tmp_path / "set")
    assert (found.codec, found.files) == (codec, tuple(files))
    assert found.file.tolist() == [0, 0, 0, 1, 1]
    assert found.universe.tolist() == [0, 1, 0, 1, 0]
    np.testing.assert_array_equal(counts_in(found), [counts_of(4, n) for n in range(5)])
    assert verify(found.path) == []
    if codec == "raw":
        for sample, (file, offset, size) in enumerate(zip(found.file, found.offset, found.stored_bytes, strict=True)):
            assert files[file].read_bytes()[offset : offset + size] == counts_of(4, sample).tobytes()
    assert [path.stat().st_mtime_ns for path in files] == [each.st_mtime_ns for each in before]
    assert sorted(path.name for path in found.path.iterdir()) == ["index.npz", "manifest.json"]


def test_original_universes_are_linked_as_their_cubes(tmp_path):
    fulls = [counts_of(8, n) for n in range(2)]
    files = [universe(tmp_path / f"u{n}.hdf5", full, OTHER * (n + 1) / 2) for n, full in enumerate(fulls)]
    found = linked(files, tmp_path / "set")
    assert (found.codec, found.samples) == ("hdf5-universe", 16)
    assert found.offset.tolist() == [*range(8), *range(8)]
    np.testing.assert_array_equal(counts_in(found), [cube(full, number) for full in fulls for number in range(8)])
    assert linked(files, tmp_path / "whole", 8).samples == 2


def test_linking_and_converting_give_the_same_samples(tmp_path):
    files = [written(tmp_path, framed(cosmoflow(counts_of(4, n), OTHER)), f"{n}.tfrecord") for n in range(3)]
    one, other = linked(files, tmp_path / "linked"), converted(files, tmp_path / "converted")
    assert one.digest == other.digest
    np.testing.assert_array_equal(one.crc32c, other.crc32c)


def test_kinds_are_not_mixed_in_a_link(sources, tmp_path):
    with pytest.raises(DataError, match=r"a_001\.tfrecord: is tfrecord-gzip, files before it are raw; link them apart"):
        linked(sources, tmp_path / "set")
    assert not (tmp_path / "set" / "manifest.json").exists()


def test_the_digest_names_the_content(sources, tmp_path):
    def digest(given, name, edge=4):
        return converted(given, tmp_path / name, edge).digest

    first = digest(sources, "first")
    packed = written(tmp_path, gzip.compress(sources[1].read_bytes()), "other.tfrecord")
    assert digest([sources[0], packed, *sources[2:]], "packed") == first
    assert len({first, digest(sources[::-1], "order"), digest(sources[:3], "fewer")}) == 3
    assert digest(sources[3:], "four") != digest(sources[3:], "two", 2)


@pytest.mark.parametrize("make", [converted, linked])
def test_a_set_that_holds_the_sources_is_left_as_it_is(sources, tmp_path, make):
    path = make(sources[:2], tmp_path / "set").path
    before = [each.stat() for each in sorted(path.iterdir())]
    make(sources[:2], path)
    assert [each.stat() for each in sorted(path.iterdir())] == before
    for other in (sources[:1], sources[1::-1]):
        with pytest.raises(DataError, match=r"set: holds another data set .*name another folder"):
            make(other, path)
    with pytest.raises(DataError, match="holds another data set"):
        (linked if make is converted else converted)(sources[:2], path)


def test_a_survey_that_was_stopped_goes_on(sources, tmp_path, monkeypatch):
    read, seen = published.is_named_hdf5, []

    def once(path):
        seen.append(path.name)
        if len(seen) == 3:
            raise DataError("stopped")
        return read(path)

    monkeypatch.setattr(published, "is_named_hdf5", once)
    with pytest.raises(DataError, match="stopped"):
        converted(sources, tmp_path / "set")
    assert converted(sources, tmp_path / "set").samples == 11
    assert seen == ["a_000.tfrecord", "b_000.tfrecord", "a_001.tfrecord", "a_001.tfrecord", sources[3].name]


def test_each_source_is_opened_once(sources, tmp_path, monkeypatch):
    """On a parallel file system each opening travels, and the published files are half a million."""
    from augment.data.foreign import tfrecord

    opened, open_regular = [], tfrecord.open_regular

    def counted(path, *flags):
        opened.append(path)
        return open_regular(path, *flags)

    monkeypatch.setattr(tfrecord, "open_regular", counted)
    monkeypatch.setattr(published, "open_regular", counted, raising=False)
    records_only = [path for path in sources if path.suffix == ".tfrecord"]
    converted(records_only, tmp_path / "set")
    assert sorted(opened) == sorted(records_only)


def test_nothing_is_written_of_a_damaged_source(sources, tmp_path):
    content = bytearray(sources[1].read_bytes())
    content[-10] ^= 1
    written(tmp_path, content, sources[1].name)
    with pytest.raises(DataError, match=r"b_000.tfrecord: record 0: its data do not match"):
        converted(sources, tmp_path / "set")
    assert not list((tmp_path / "set").glob("universe-*"))
    with pytest.raises(DataError, match="not a whole data set"):
        UniverseSet(tmp_path / "set")


def test_a_source_that_changes_meanwhile_is_noticed(sources, tmp_path):
    plan = Conversion(tmp_path / "set", Sources.of(sources, 4))
    (tmp_path / "set").mkdir()
    stages = plan.stages()
    survey = next(stages)
    for number in range(len(survey.outputs)):
        survey.make(number, lambda: None)
    sources[1].write_bytes(framed(cosmoflow(counts_of(4, 5))))
    universes = next(stages)
    universes.make(0, lambda: None)
    with pytest.raises(DataError, match=r"b_000\.tfrecord: sample 1 \(universe 1\): it is damaged"):
        universes.make(1, lambda: None)


@pytest.mark.parametrize("kind", ["plain", "gzip", "hdf5"])
def test_damage_to_a_linked_file_is_found(tmp_path, kind):
    content = framed(cosmoflow(counts_of(4), OTHER))
    path = {
        "plain": lambda: written(tmp_path, content),
        "gzip": lambda: written(tmp_path, gzip.compress(content)),
        "hdf5": lambda: universe(tmp_path / "u.hdf5", counts_of(4), OTHER),
    }[kind]()
    folder = linked([path], tmp_path / "set").path
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    for _ in range(50):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        assert any(fault.startswith(f"{path}: was altered") for fault in verify(folder))
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match="bytes long, and was"):
        UniverseSet(folder)
    path.unlink()
    assert verify(folder) == [f"{path}: no such file"]


def test_what_cannot_be_taken_is_named(sources, tmp_path):
    folder = tmp_path / "set"
    with pytest.raises(DataError, match="no sources"):
        Sources.of([])
    with pytest.raises(DataError, match=r"b_000.tfrecord: given twice"):
        Sources.of([*sources, tmp_path / "." / sources[1].name], 4)
    with pytest.raises(DataError, match=r"none\.tfrecord: no such file"):
        converted([tmp_path / "none.tfrecord"], folder)
    with pytest.raises(DataError, match="edge = 0"):
        Sources.of(sources, 0)
    with pytest.raises(DataError, match=r"record 0: the feature 'x' has byte strings of \[512\] bytes"):
        converted(sources, folder, 128)
    wild = written(tmp_path, framed(cosmoflow(counts_of(4), np.float32([0, -11, 0, 0]))), "wild.tfrecord")
    with pytest.raises(DataError, match=r"wild.tfrecord: record 0: labels \[0.0, -11.0, 0.0, 0.0\]: sigma8 = "):
        converted([wild], folder)
    nan = written(tmp_path, framed(cosmoflow(counts_of(4), np.float32([0, np.nan, 0, 0]))), "nan.tfrecord")
    with pytest.raises(DataError, match=r"nan.tfrecord: record 0: the feature 'y' .* must be finite"):
        linked([nan], folder)
