"""From a recipe to a data set: true to the recipe, the same however the work is divided."""

import json
from dataclasses import replace

import numpy as np
import pytest

from augment.data.making.build import begun, work
from augment.data.making.make import job_of, make
from augment.data.reading.sample_reader import SampleReader
from augment.data.reading.verify import verify
from augment.data.recipe import Recipe
from augment.data.storage.data_set import UniverseSet
from augment.data.universe.cosmology import Cosmology
from augment.data.universe.simulate import simulate
from augment.errors import DataError

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPE = Recipe(universes=3, edge=8, box_mpc_h=30.0, cuts=2, steps=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(RECIPE, tmp_path_factory.mktemp("made") / "set")


def counts(universes, samples):
    out = np.empty((len(samples), *universes.header.sample_shape), np.int16)
    reader = SampleReader(universes)
    for row, sample in enumerate(samples):
        reader.read(sample, out[row])
    reader.close()
    return out


def test_a_set_holds_its_recipe(made):
    assert (made.samples, made.edge, made.redshifts) == (24, 8, (0.0, 0.5, 1.5, 3.0))
    assert made.digest == RECIPE.digest()
    assert made.sample_bytes == RECIPE.sample_bytes
    assert made.universe.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert (made.header.box_mpc_h, made.header.growth, made.header.periodic) == (30.0, "fixed_box", False)
    assert made.header.label_names == ("omega_m", "sigma8", "ns", "h0")
    said = json.loads(made.header.provenance)
    assert (said["operation"], Recipe.from_mapping(said["recipe"])) == ("simulate", RECIPE)
    np.testing.assert_array_equal(made.labels[8:16], np.tile(RECIPE.labels(1), (8, 1)))
    np.testing.assert_array_equal(made.parameters[9], Cosmology.from_labels(RECIPE.labels(1)).values())
    assert verify(made.path) == []


def test_cubes_tile_the_universe(made):
    cosmology = Cosmology.from_labels(RECIPE.labels(2))
    whole = simulate(cosmology, 16, 60.0, RECIPE.redshifts, RECIPE.noise_seed(2), steps=RECIPE.steps)
    cubes = counts(made, range(16, 24)).reshape(2, 2, 2, 8, 8, 8, 4)
    np.testing.assert_array_equal(cubes.transpose(0, 3, 1, 4, 2, 5, 6).reshape(16, 16, 16, 4), whole)


def test_the_steps_of_a_recipe_are_taken(made, tmp_path):
    other = make(replace(RECIPE, universes=2, steps=0), tmp_path / "lpt")
    assert (other.crc32c != made.crc32c[:16]).any()


def test_more_universes_extend_a_set(tmp_path, made):
    longer = make(replace(RECIPE, universes=4), tmp_path / "longer")
    np.testing.assert_array_equal(longer.crc32c[:24], made.crc32c)
    np.testing.assert_array_equal(longer.labels[:24], made.labels)
    assert longer.samples == 32


def test_shared_work_makes_the_same_set(tmp_path, made):
    plan = job_of(RECIPE, tmp_path / "shared")
    with begun(plan):
        for rank in (1, 0, 2):
            (stage,) = plan.stages()
            work(plan.folder, stage, (rank, 3))
        plan.finish()
    shared = UniverseSet(plan.folder)
    for name in ("labels", "parameters", "universe", "crc32c", "offset"):
        np.testing.assert_array_equal(getattr(shared, name), getattr(made, name))
    assert shared.digest == made.digest


def test_compressed_universes_are_the_same(tmp_path, made):
    packed = make(RECIPE, tmp_path / "packed", compression="gzip")
    np.testing.assert_array_equal(packed.crc32c, made.crc32c)
    assert packed.stored_bytes.sum() < made.stored_bytes.sum() / 2
    assert verify(packed.path) == []


def test_another_recipe_is_refused(made):
    seen = []
    assert make(RECIPE, made.path, progress=lambda *step: seen.append(step)).digest == made.digest
    assert seen == []
    with pytest.raises(DataError, match=r"holds another data set .*; name another folder"):
        make(replace(RECIPE, seed=2), made.path)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DataError("a voxel holds 40000 particles"), r"^universe 0: a voxel holds 40000 particles$"),
        (RuntimeError("CUDA out of memory. Tried to"), r"^universe 0: not enough memory on cpu for 16\^3 voxels$"),
    ],
)
def test_a_universe_that_cannot_be_is_named(tmp_path, monkeypatch, error, message):
    def fail(*given):
        raise error

    monkeypatch.setattr("augment.data.making.make.simulate", fail)
    with pytest.raises(DataError, match=message):
        make(RECIPE, tmp_path / "set")
