"""Augmenting a data set: what each operation makes of the samples, what stays, and where it is refused."""

import json

import numpy as np
import pytest

from augment.data.making import operations
from augment.data.making.build import build
from augment.data.making.derive import derive
from augment.data.reading.verify import verify
from augment.data.storage.data_set import UniverseSet, name_of, seal
from augment.data.storage.universe_file import split
from augment.data.storage.universe_writer import UniverseWriter
from augment.data.volumes.resize import coarsen
from augment.data.volumes.symmetries import SYMMETRIES, shifted, symmetric
from augment.errors import DataError
from tests.sets import counts_in, counts_of, header, labels_of, random_set, write_universe


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Three periodic universes, one sample each."""
    return random_set(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """Two universes of three cubes each, which are not periodic, with the numbers 0 and 4."""
    folder = tmp_path_factory.mktemp("cut")
    for universe in (0, 4):
        write_universe(folder, universe, 3)
    return seal(folder)


def made(source, operation, folder, **more):
    found = build(derive(source, operation, folder / "made", **more))
    assert verify(found.path) == []
    return found


def test_coarsen_sums_and_keeps_what_samples_are_of(cut, tmp_path):
    found = made(cut, operations.coarsen(2), tmp_path)
    np.testing.assert_array_equal(counts_in(found), [coarsen(each, 2) for each in counts_in(cut)])
    assert (found.edge, found.header.box_mpc_h, found.header.periodic) == (4, cut.header.box_mpc_h, False)
    assert found.universe.tolist() == [0, 0, 0, 4, 4, 4]
    np.testing.assert_array_equal(found.labels, cut.labels)
    np.testing.assert_array_equal(found.parameters, cut.parameters)
    assert [path.name for path in found.files] == [name_of(0), name_of(4)]


def test_refined_volumes_keep_every_parents_sum(cut, tmp_path):
    found = made(cut, operations.refine_for_load(2, seed=3), tmp_path)
    fine = counts_in(found)
    assert fine.shape == (6, 16, 16, 16, 4)
    np.testing.assert_array_equal([coarsen(each, 2) for each in fine], counts_in(cut))
    same = made(cut, operations.refine_for_load(2, seed=3), tmp_path / "same")
    np.testing.assert_array_equal(same.crc32c, found.crc32c)
    assert set(made(cut, operations.refine_for_load(2, seed=4), tmp_path / "other").crc32c) != set(found.crc32c)


@pytest.mark.parametrize("views", [1, 5, SYMMETRIES])
def test_views_are_different_symmetries_of_their_sample(cut, tmp_path, views):
    found = made(cut, operations.turned(views, seed=2), tmp_path)
    assert found.universe.tolist() == [0] * 3 * views + [4] * 3 * views
    for sample, (original, turned) in enumerate(zip(counts_in(cut), np.split(counts_in(found), 6), strict=True)):
        np.testing.assert_array_equal(turned[0], original)
        all_views = [symmetric(original, which).tobytes() for which in range(SYMMETRIES)]
        which = [all_views.index(view.tobytes()) for view in turned]
        assert len(set(which)) == views
        np.testing.assert_array_equal(found.labels[sample * views], cut.labels[sample])
    assert len(set(found.crc32c.tolist())) == 6 * views  # distinct bytes


def test_views_of_a_universe_stay_on_one_side(whole, tmp_path):
    found = made(whole, operations.turned(4), tmp_path)
    for before, after in zip(split(whole.universe), split(found.universe), strict=True):
        assert set(whole.universe[before]) == set(found.universe[after])


def test_shifts_show_the_periodic_box_from_elsewhere(whole, tmp_path):
    found = made(whole, operations.shifts(3, seed=5), tmp_path)
    assert found.samples == 9
    assert len(set(found.crc32c.tolist())) == 9
    for original, views in zip(counts_in(whole), np.split(counts_in(found), 3), strict=True):
        np.testing.assert_array_equal(views[0], original)
        every = {
            shifted(original, (x, y, z), periodic=True).tobytes()
            for x in range(8)
            for y in range(8)
            for z in range(8)
        }  # fmt: skip
        assert all(view.tobytes() in every for view in views)


def test_tiles_are_a_wider_box(whole, tmp_path):
    found = made(whole, operations.tiled(2), tmp_path)
    assert (found.edge, found.header.box_mpc_h, found.header.periodic) == (16, 2 * whole.header.box_mpc_h, True)
    np.testing.assert_array_equal(counts_in(found)[1], np.tile(counts_in(whole)[1], (2, 2, 2, 1)))


def test_redshifts_are_kept_in_the_order_asked_for(whole, tmp_path):
    found = made(whole, operations.redshifts([3, 0]), tmp_path)
    assert found.redshifts == (3.0, 0.0)
    np.testing.assert_array_equal(counts_in(found), counts_in(whole)[..., [3, 0]])


def test_compression_changes_no_sample(whole, tmp_path):
    packed = made(whole, operations.turned(2), tmp_path, compression="gzip")
    plain = made(whole, operations.turned(2), tmp_path / "plain")
    assert (packed.codec, plain.codec) == ("deflate", "raw")
    assert packed.digest == plain.digest
    np.testing.assert_array_equal(packed.crc32c, plain.crc32c)
    np.testing.assert_array_equal(counts_in(packed), counts_in(plain))


def test_what_a_set_was_made_of_stays_known(whole, tmp_path):
    turned = made(whole, operations.turned(2), tmp_path)
    found = made(turned, operations.coarsen(2), tmp_path / "next")
    said = json.loads(found.header.provenance)
    assert (said["operation"], said["arguments"]) == ("coarsen", {"factor": 2})
    assert said["source"]["digest"] == turned.digest
    before = said["source"]["provenance"]
    assert (before["operation"], before["arguments"]) == ("symmetries", {"views": 2, "seed": 1})
    assert before["source"] == {"digest": whole.digest, "provenance": {"operation": "random"}}


def test_the_digest_follows_source_operation_and_arguments(whole, tmp_path):
    def digest(operation):
        return derive(whole, operation, tmp_path).digest

    several = [operations.turned(2), operations.turned(3), operations.turned(2, seed=2), operations.shifts(2)]
    assert len({digest(each) for each in several}) == 4
    assert digest(operations.turned(2)) == digest(operations.turned(2))
    source = made(whole, operations.turned(2), tmp_path)
    assert derive(source, operations.turned(2), tmp_path).digest != digest(operations.turned(2))


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (operations.coarsen(3), "factor = 3: must divide the edge, 8"),
        (operations.coarsen(0), "factor = 0: must be an integer of at least 1"),
        (operations.refine_for_load(0), "factor = 0: must be an integer of at least 1"),
        (operations.turned(0), "views = 0: must be from 1 to 48"),
        (operations.turned(49), "views = 49: must be from 1 to 48"),
        (operations.shifts(2), "shifts: the samples are not periodic; only whole universes"),
        (operations.tiled(2), "tile: the samples are not periodic; only whole universes"),
        (operations.redshifts([7.0]), "keep = 7: must be of the set's redshifts, 0, 0.5, 1.5, 3; others can only be"),
        (operations.redshifts([0.0, 0.0]), r"keep = \[0.0, 0.0\]: must be redshifts that differ"),
    ],
)
def test_where_an_operation_is_not_valid(cut, tmp_path, operation, message):
    with pytest.raises(DataError, match=message):
        derive(cut, operation, tmp_path)


def test_periodic_boxes_have_their_limits_too(whole, tmp_path):
    for operation in (operations.shifts(8**3 + 1), operations.tiled(0)):
        with pytest.raises(DataError, match="must be"):
            derive(whole, operation, tmp_path)
    assert derive(whole, operations.shifts(8**3), tmp_path).samples == 3 * 8**3


def test_a_damaged_source_is_named_and_nothing_whole_comes_of_it(tmp_path):
    source = random_set(tmp_path / "source")
    path = source.files[1]
    content = bytearray(path.read_bytes())
    content[source.offset[1] + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{path}: sample 1 \(universe 1\): it is damaged"):
        build(derive(UniverseSet(source.path), operations.turned(2), tmp_path / "made"))
    assert [each.name for each in (tmp_path / "made").iterdir()] == [name_of(0)]


def test_a_source_that_vanishes_is_named(tmp_path):
    source = random_set(tmp_path / "source")
    source.files[2].unlink()
    with pytest.raises(DataError, match=rf"{source.files[2]}: sample 2 \(universe 2\): the file is gone"):
        build(derive(source, operations.turned(2), tmp_path / "made"))


def test_counts_beyond_the_type_name_their_sample(tmp_path):
    with UniverseWriter(tmp_path / "source" / name_of(0), header()) as writer:
        writer.append(np.full((8, 8, 8, 4), 30000, np.int16), labels_of(0), labels_of(0), 0)
    source = seal(tmp_path / "source")
    with pytest.raises(DataError, match=r"sample 0 \(universe 0\): a coarse voxel holds 240000 particles"):
        build(derive(source, operations.coarsen(2), tmp_path / "made"))


def test_memory_is_a_sample_not_a_universe(tmp_path):
    """One universe of 16 MB in 64 cubes: coarsening it takes a fraction of that."""
    import tracemalloc

    source = random_set(tmp_path / "source", universes=1, samples=64, edge=32)
    job = derive(source, operations.coarsen(2), tmp_path / "made")
    tracemalloc.start()
    build(job)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * source.sample_bytes < 64 * source.sample_bytes
    assert counts_of(0, 1, 32).nbytes == source.sample_bytes
