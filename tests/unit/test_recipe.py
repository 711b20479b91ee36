"""What a recipe allows, what it keeps at other sizes, and that its digest names its content."""

import math
from dataclasses import replace

import numpy as np
import pytest

from augment.data.recipe import Recipe
from augment.errors import DataError

BASE = Recipe(universes=8, edge=32)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("universes", 0, "universes = 0: must be an integer of at least 2"),
        ("universes", True, "universes = True: must be an integer of at least 2"),
        ("universes", 8.0, "universes = 8.0: must be an integer of at least 2"),
        ("universes", "8", "universes = '8': must be an integer of at least 2"),
        ("universes", None, "universes = None: must be an integer of at least 2"),
        ("edge", 3, "edge = 3: must be an integer of at least 4"),
        ("edge", 5000, "edge = 5000: must be an integer of at most 4096"),
        ("seed", -1, "seed = -1: must be an integer of at least 0"),
        ("seed", 2**63, f"seed = {2**63}: must be an integer of at most {2**63 - 1}"),
        ("growth", "bigger", "growth = 'bigger': must be fixed_box or fixed_voxel"),
        ("growth", ["fixed_box"], "growth = ['fixed_box']: must be fixed_box or fixed_voxel"),
        ("box_mpc_h", 0, "box_mpc_h = 0: must be a number from 1 to 100000"),
        ("box_mpc_h", -128.0, "box_mpc_h = -128.0: must be a number from 1 to 100000"),
        ("box_mpc_h", math.nan, "box_mpc_h = nan: must be a number from 1 to 100000"),
        ("box_mpc_h", math.inf, "box_mpc_h = inf: must be a number from 1 to 100000"),
        ("box_mpc_h", True, "box_mpc_h = True: must be a number from 1 to 100000"),
        ("box_mpc_h", "128", "box_mpc_h = '128': must be a number from 1 to 100000"),
        ("cuts", 0, "cuts = 0: must be an integer of at least 1"),
        ("cuts", 129, "cuts = 129: must be an integer of at most 128"),
        ("redshifts", (), "redshifts = (): must be a list of at least one number"),
        ("redshifts", 0.5, "redshifts = 0.5: must be a list of at least one number"),
        ("redshifts", "03", "redshifts = '03': must be a list of at least one number"),
        ("redshifts", (0.0, -1.0), "redshifts = -1.0: must be a number from 0 to 50"),
        ("redshifts", (0.0, math.nan), "redshifts = nan: must be a number from 0 to 50"),
        ("redshifts", (0.0, False), "redshifts = False: must be a number from 0 to 50"),
        ("steps", -1, "steps = -1: must be an integer of at least 0"),
        ("steps", 10.0, "steps = 10.0: must be an integer of at least 0"),
        ("steps", 1001, "steps = 1001: must be an integer of at most 1000"),
        ("redshifts", (1.0, 0.5, 1), "redshifts = [1.0, 0.5, 1]: must differ from one another"),
    ],
)
def test_values_that_are_not_allowed(key, value, message):
    with pytest.raises(DataError) as caught:
        Recipe(**{"universes": 8, "edge": 32, key: value})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"universes": 8, "edges": 32}, "unknown key 'edges'; the keys are universes, edge, seed, growth"),
        ({"universes": 8}, "the key 'edge' is missing"),
        ([("universes", 8)], "must be keys and values"),
        ({"universes": 8, "edge": 1}, "edge = 1: must be"),
    ],
)
def test_mappings_that_are_no_recipe(given, message):
    with pytest.raises(DataError, match=message):
        Recipe.from_mapping(given)


def test_one_recipe_in_many_spellings():
    given = {"universes": np.int64(8), "edge": 32, "box_mpc_h": 128, "redshifts": [0, 0.5, 1.5, 3]}
    assert Recipe.from_mapping(given) == BASE
    assert Recipe.from_mapping(given).digest() == BASE.digest()
    assert Recipe(8, 32, redshifts=(-0.0,)).digest() == Recipe(8, 32, redshifts=(0.0,)).digest()


def test_digest_is_stable():
    # Files in people's caches carry it: it may change only together with RECIPE_VERSION.
    assert BASE.digest() == "5aff4b6798a22127"


def test_random_numbers_are_stable():
    # Another value here means other data under the same digest.
    np.testing.assert_allclose(BASE.labels(3), [0.1984509, 0.0146521, 0.3262045, -0.5575771], atol=1e-6)
    assert BASE.noise_seed(3) == 1058529349291251750


def test_digest_names_the_content():
    changes = {
        "universes": 9, "edge": 16, "seed": 2, "growth": "fixed_voxel", "box_mpc_h": 64.0, "cuts": 2,
        "redshifts": (0.0, 0.5, 1.5), "steps": 0,
    }  # fmt: skip
    digests = {BASE.digest()} | {replace(BASE, **{key: value}).digest() for key, value in changes.items()}
    assert len(digests) == 1 + len(changes)


def test_fixed_box_refines_and_fixed_voxel_widens():
    assert BASE.at(64) == replace(BASE, edge=64)
    wider = replace(BASE, growth="fixed_voxel").at(64)
    assert (wider.edge, wider.box_mpc_h) == (64, 256.0)
    assert wider.at(48).box_mpc_h / 48 == BASE.box_mpc_h / 32
    assert wider.at(32) == replace(BASE, growth="fixed_voxel")
    with pytest.raises(DataError, match="edge = 0: must be"):
        BASE.at(0)


def test_sizes_of_cut_universes():
    cut = replace(BASE, cuts=4)
    assert (cut.grid_edge, cut.grid_box_mpc_h) == (128, 512.0)
    assert (cut.samples_per_universe, cut.samples) == (64, 512)
    assert cut.sample_bytes == 32**3 * 4 * 2
    assert not cut.periodic
    assert BASE.periodic


def test_universes_keep_their_numbers():
    others = [replace(BASE, universes=100), BASE.at(64), replace(BASE, cuts=2, box_mpc_h=64.0)]
    for universe in range(BASE.universes):
        for other in others:
            assert np.array_equal(other.labels(universe), BASE.labels(universe))
            assert other.noise_seed(universe) == BASE.noise_seed(universe)


def test_labels_are_uniform_and_independent():
    labels = np.array([BASE.labels(universe) for universe in range(2000)], dtype=np.float64)
    assert labels.shape == (2000, 4)
    np.testing.assert_allclose(
        np.quantile(labels, [0.1, 0.5, 0.9], axis=0), [[-0.8], [0], [0.8]] * np.ones(4), atol=0.1
    )
    assert np.abs(labels).max() <= 1
    assert np.abs(np.corrcoef(labels.T) - np.eye(4)).max() < 0.1
    seeds = {recipe.noise_seed(u) for recipe in (BASE, replace(BASE, seed=2)) for u in range(500)}
    assert len(seeds) == 1000
    assert not np.array_equal(BASE.labels(0), replace(BASE, seed=2).labels(0))
