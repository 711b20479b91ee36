"""Making and checking data sets before a sweep."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest

from apps.cosmoflow import APP, prepare
from apps.cosmoflow.data import file_of
from augment.data.make import make
from augment.data.recipe import Recipe
from saih.app import InputError
from tests.unit.test_cosmoflow_training import Alone, point


def damage(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["counts"][3, 0, 0, 0, 0] += 1


def test_every_edge_is_made_once_and_then_checked(tmp_path) -> None:
    wanted = [point(tmp_path, edge=8), point(tmp_path, edge=8, width=0.5), point(tmp_path, edge=16)]
    made, found = Alone(), Alone()
    facts = APP.prepare(made, wanted)
    assert list(facts) == ["8", "16"]
    path = file_of(wanted[0])
    assert facts["8"] == {
        "path": str(path),
        "digest": Recipe(universes=8, edge=8).digest(),
        "samples": 8,
        "universes": 8,
        "bytes": 8 * 8**3 * 4 * 2,
        "verified": "every sample",
    }
    assert (f"making {path.name}", 8, 8) in made.said
    before = path.stat().st_mtime_ns
    assert APP.prepare(found, wanted) == facts
    assert path.stat().st_mtime_ns == before
    assert {what.split()[0] for what, _, _ in found.said} == {"checking"}


def test_synthetic_input_needs_nothing(tmp_path) -> None:
    assert APP.prepare(Alone(), [point(tmp_path, input="synthetic")]) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_of_a_recipe_is_named_and_kept(tmp_path) -> None:
    wanted = point(tmp_path)
    APP.prepare(Alone(), [wanted])
    damage(file_of(wanted))
    before = file_of(wanted).read_bytes()
    with pytest.raises(InputError) as caught:
        APP.prepare(Alone(), [wanted])
    assert str(caught.value).startswith(f"{file_of(wanted)}: sample 3 (universe 3) is damaged: ")
    assert str(caught.value).endswith("; delete it to have it made again")
    assert file_of(wanted).read_bytes() == before


def test_a_large_file_is_checked_in_structure_only(tmp_path, monkeypatch) -> None:
    wanted = point(tmp_path)
    APP.prepare(Alone(), [wanted])
    damage(file_of(wanted))
    monkeypatch.setattr(prepare, "MOST_VERIFIED_BYTES", 100)
    assert APP.prepare(Alone(), [wanted])["8"]["verified"] == "structure only"


def test_another_recipe_under_the_name_of_this_one(tmp_path) -> None:
    wanted = point(tmp_path)
    make(Recipe(universes=8, edge=8, seed=2), file_of(wanted))
    with pytest.raises(InputError, match="holds another recipe than its name says; delete it"):
        APP.prepare(Alone(), [wanted])


def test_a_folder_that_cannot_be_written(tmp_path) -> None:
    (tmp_path / "file").touch()
    wanted = point(tmp_path / "file")
    with pytest.raises(InputError, match=rf"^{file_of(wanted)}: cannot be (written|made)|^{tmp_path}/file"):
        APP.prepare(Alone(), [wanted])


def test_a_given_file_is_checked_for_its_size(tmp_path) -> None:
    path = make(Recipe(universes=2, edge=8), tmp_path / "mine.h5")
    mine = {"path": str(path)}
    assert APP.prepare(Alone(), [point(data=mine)])["8"]["samples"] == 2
    with pytest.raises(InputError) as caught:
        APP.prepare(Alone(), [point(data=mine, edge=16)])
    assert str(caught.value) == (f"{path}: holds samples of edge 8 with 4 redshifts; this point needs edge 16 with 4")


def test_a_given_file_that_is_damaged_is_not_ours_to_delete(tmp_path) -> None:
    path = make(Recipe(universes=8, edge=8), tmp_path / "mine.h5")
    damage(path)
    with pytest.raises(InputError, match=r"sample 3 \(universe 3\) is damaged") as caught:
        APP.prepare(Alone(), [point(data={"path": str(path)})])
    assert "delete" not in str(caught.value)


def test_a_given_file_that_is_missing(tmp_path) -> None:
    with pytest.raises(InputError) as caught:
        APP.prepare(Alone(), [point(data={"path": str(tmp_path / "edge{edge}.h5")})])
    assert str(caught.value) == f"{tmp_path}/edge8.h5: no such file"
