"""Which points and which data CosmoFlow takes, and what it says of the others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.cosmoflow import APP
from apps.cosmoflow.input.settings import set_of
from saih.app import Execution, InputError, Point

RECIPE = {"universes": 8, "edge": 32}


def point(data: dict[str, Any] | None = None, **changes: Any) -> Point:
    size = {"edge": 32, "width": 1.0, "depth": 1}
    run = {"ranks": 1, "batch": 4, "precision": "fp32", "execution": "plain", "input": "dataset"}
    for key, value in changes.items():
        (size if key in size else run)[key] = value
    resolved = APP.resolve_data({"recipe": RECIPE} if data is None else data)
    return Point("cosmoflow", size, Execution(**run), resolved)


@pytest.mark.parametrize("edge", [8, 16, 24, 32, 48, 56, 64, 96, 128, 192, 256, 512])
def test_legal_edges(edge: int) -> None:
    APP.validate(point(edge=edge))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edge": 100}, "size.edge = 100: must be a multiple of 16"),
        ({"edge": 22}, "size.edge = 22: must be a multiple of 4"),
        ({"edge": 4}, "size.edge = 4: must be at least 8"),
        ({"width": 0.3}, "size.width = 0.3: must be a multiple of 1/32, for whole filters"),
        ({"width": 0.0}, "size.width = 0.0: must be at least 0.03125"),
        ({"depth": 0}, "size.depth = 0: must be at least 1"),
        ({"batch": 0}, "run.batch = 0: must be at least 1"),
        ({"precision": "fp8"}, "run.precision = fp8: must be one of fp32, tf32, bf16, fp16"),
        ({"execution": "tuned"}, "run.execution = tuned: must be one of plain, compiled"),
        (
            {"input": "tape"},
            "run.input = tape: must be one of dataset, dataset-cold, dataset-warm, staged, staged-cold, staged-warm, "
            "memory, synthetic",
        ),
        (
            {"input": "staged-cold"},
            "run.input = staged-cold: needs data.staging: {folder: FOLDER}, on each host's own storage",
        ),
        (
            {"data": {"recipe": RECIPE | {"cuts": 2}, "views": ["shifts"]}},
            "data.views = shifts: needs periodic boxes, which recipe.cuts = 1 has; allowed: symmetries",
        ),
    ],
)
def test_illegal_points(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        APP.validate(point(**changes))
    assert str(caught.value) == message


def test_a_data_set_is_needed_unless_input_is_synthetic() -> None:
    with pytest.raises(InputError, match=r"^run.input = dataset: needs data: "):
        APP.validate(point(data={}))
    APP.validate(point(data={}, input="synthetic"))


def test_the_recipe_must_suit_the_edge() -> None:
    wide = {"recipe": RECIPE | {"cuts": 100}}
    APP.validate(point(data=wide))
    with pytest.raises(InputError, match=r"^size.edge = 64: the recipe cannot be made at this edge: cuts = 100"):
        APP.validate(point(data=wide, edge=64))


def test_resolved_data_has_every_default_and_plain_types() -> None:
    resolved = APP.resolve_data({"recipe": RECIPE})
    assert resolved["folder"] == "data"
    assert resolved["recipe"]["redshifts"] == [0.0, 0.5, 1.5, 3.0]
    assert resolved["recipe"]["growth"] == "fixed_box"
    assert json.loads(json.dumps(resolved)) == resolved
    assert APP.resolve_data(resolved) == resolved
    beside = {"staging": None, "views": [], "threads": None}
    assert APP.resolve_data({"path": "a{edge}"}) == {"path": "a{edge}", **beside}
    given = {"staging": {"folder": "$TMPDIR"}, "views": ["shifts", "symmetries"], "threads": 3}
    assert APP.resolve_data({"path": "a", **given}) == {"path": "a", **given, "views": ["symmetries", "shifts"]}
    assert APP.resolve_data({}) == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"recipes": {}}, "data.recipes: unknown key; allowed: recipe, folder, path, staging, views, threads"),
        (
            {"path": "a", "folder": "b"},
            "data.path: excludes data.recipe and data.folder; allowed: path, or recipe with folder",
        ),
        ({"folder": "b"}, "data.folder: needs data.recipe or data.path beside it"),
        ({"threads": 2}, "data.threads: needs data.recipe or data.path beside it"),
        ({"path": "a", "threads": 0}, "data.threads = 0: must be an integer of at least 1, or null"),
        ({"path": "a", "threads": True}, "data.threads = True: must be an integer of at least 1, or null"),
        ({"path": "a", "views": "shifts"}, "data.views = shifts: must be a list of symmetries, shifts"),
        ({"path": "a", "views": ["turns"]}, "data.views = ['turns']: must be a list of symmetries, shifts"),
        ({"path": "a", "staging": "/tmp"}, "data.staging = /tmp: must be {folder: FOLDER}"),
        ({"path": "a", "staging": {"folder": ""}}, "data.staging.folder = : must be a path"),
        ({"path": "a", "staging": {"folder": "b", "x": 1}}, "data.staging.x: unknown key; allowed: folder"),
        ({"path": 3}, "data.path = 3: must be a path"),
        ({"recipe": RECIPE, "folder": ""}, "data.folder = : must be a path"),
        ({"recipe": RECIPE | {"universes": 0}}, "data.recipe.universes = 0: must be an integer of at least 2"),
    ],
)
def test_illegal_data(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        APP.resolve_data(given)
    assert str(caught.value) == message


def test_an_unknown_key_of_a_recipe_is_told_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"^data.recipe: unknown key 'boxes'.* universes, edge, seed, growth"):
        APP.resolve_data({"recipe": RECIPE | {"boxes": 1}})


def test_a_recipe_names_its_data_set_by_content() -> None:
    small, large = set_of(point(edge=32)), set_of(point(edge=64))
    other = set_of(point(data={"recipe": RECIPE | {"seed": 2}}))
    assert small.parent.name == "data"
    assert small.name.startswith("universes-edge32-")
    assert large.name.startswith("universes-edge64-")
    assert small != other
    assert small == set_of(point(data={"recipe": RECIPE | {"box_mpc_h": 128}}))


def test_the_edge_takes_its_place_in_a_path() -> None:
    assert str(set_of(point(data={"path": "sets/{edge}"}, edge=64))) == "sets/64"


def test_redshifts_of_the_recipe_are_the_networks_channels() -> None:
    one = APP.cost(point(data={"recipe": RECIPE | {"redshifts": [0]}}))
    assert one.sample_bytes == 32**3 * 2
    assert APP.cost(point()).parameters - one.parameters == 3 * 27 * 32
