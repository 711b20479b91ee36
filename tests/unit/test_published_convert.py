"""Published files become a file of universes: the same samples, grouped by their labels, all or nothing."""

import gzip
import json

import numpy as np
import pytest

from augment.data import convert as converting
from augment.data.convert import convert
from augment.data.cosmology import Cosmology
from augment.data.store import UniverseFile, split
from augment.errors import DataError
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


def test_samples_keep_their_order_and_universes_their_labels(sources, tmp_path):
    done = []
    path = convert(sources, tmp_path / "universes.h5", 4, lambda *each: done.append(each))
    assert done == [(each, 8) for each in range(1, 9)]
    with UniverseFile(path) as file:
        file.verify()
        assert (file.samples, file.edge, file.redshifts) == (11, 4, (0.0, 0.5, 1.5, 3.0))
        assert (file.header.growth, file.header.box_mpc_h, file.header.periodic) == ("fixed_voxel", 4.0, False)
        assert file.universe.tolist() == [0, 1, 0] + [2] * 8
        np.testing.assert_array_equal(file.labels[:4], [OTHER, LABELS, OTHER, -OTHER])
        np.testing.assert_allclose(file.parameters[0], [0.315, 0.84, 0.912, 70.0], rtol=1e-12)
        np.testing.assert_array_equal(file.parameters[1], Cosmology.from_labels(LABELS).values())
        np.testing.assert_array_equal(file.read([0, 1, 2]), [counts_of(4, seed) for seed in range(3)])
        np.testing.assert_array_equal(file.read([4])[0], counts_of(8, 9)[:4, :4, 4:])
        provenance = json.loads(file.header.provenance)
        train, validation = split(file.universe)
    assert (provenance["published"], provenance["sources"], provenance["universes"]) == ("CosmoFlow", 4, 3)
    assert (train.tolist(), validation.tolist()) == ([0, 2, *range(3, 11)], [1])


def test_the_digest_names_the_content(sources, tmp_path):
    def digest(given, name, edge=4):
        with UniverseFile(convert(given, tmp_path / name, edge)) as file:
            return file.digest

    first = digest(sources, "first.h5")
    packed = written(tmp_path, gzip.compress(sources[1].read_bytes()), "other.tfrecord")
    assert digest([sources[0], packed, *sources[2:]], "packed.h5") == first
    assert len({first, digest(sources[::-1], "order.h5"), digest(sources[:3], "fewer.h5")}) == 3
    assert digest(sources[3:], "four.h5") != digest(sources[3:], "two.h5", 2)


def test_a_file_that_holds_the_samples_is_left_as_it_is(sources, tmp_path):
    path = convert(sources, tmp_path / "universes.h5", 4)
    before = path.stat()
    assert convert(sources, path, 4).stat() == before
    with pytest.raises(DataError, match=r"universes.h5: holds other samples \(.*name another file"):
        convert(sources[:2], path, 4)
    assert path.stat() == before


def test_nothing_is_written_of_a_damaged_source(sources, tmp_path):
    content = bytearray(sources[1].read_bytes())
    content[-10] ^= 1
    written(tmp_path, content, sources[1].name)
    with pytest.raises(DataError, match=r"b_000.tfrecord: record 0: its data do not match"):
        convert(sources, tmp_path / "new" / "universes.h5", 4)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("change", ["altered", "longer", "shorter"])
def test_a_source_that_changes_meanwhile_is_noticed(sources, tmp_path, monkeypatch, change):
    one, other = framed(cosmoflow(counts_of(4, 1))), framed(cosmoflow(counts_of(4, 5)))
    sources[1].write_bytes(one * 2)
    after = {"altered": one + other, "longer": one * 3, "shorter": one}[change]
    holds = converting.holds

    def meanwhile(*given):
        sources[1].write_bytes(after)
        return holds(*given)

    monkeypatch.setattr(converting, "holds", meanwhile)
    with pytest.raises(DataError, match="while it was converted"):
        convert(sources[:2], tmp_path / "new" / "universes.h5", 4)
    assert list((tmp_path / "new").iterdir()) == []


def test_what_cannot_be_converted_is_named(sources, tmp_path):
    path = tmp_path / "new" / "universes.h5"
    with pytest.raises(DataError, match="no sources"):
        convert([], path)
    with pytest.raises(DataError, match=r"b_000.tfrecord: given twice"):
        convert([*sources, tmp_path / "." / sources[1].name], path, 4)
    with pytest.raises(DataError, match=r"record 0: the feature 'x' has byte strings of \[512\] bytes"):
        convert(sources, path)
    wild = written(tmp_path, framed(cosmoflow(counts_of(4), np.float32([0, -11, 0, 0]))), "wild.tfrecord")
    with pytest.raises(DataError, match=r"wild.tfrecord: record 0: labels \[0.0, -11.0, 0.0, 0.0\]: sigma8 = "):
        convert([wild], path, 4)
    assert not path.parent.exists()
