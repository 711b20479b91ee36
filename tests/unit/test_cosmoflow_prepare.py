"""Making and checking data sets before a sweep."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.cosmoflow import APP
from apps.cosmoflow.input import prepare
from apps.cosmoflow.input.settings import set_of
from augment.data.foreign.convert import Link
from augment.data.foreign.survey import Sources
from augment.data.making.build import build
from augment.data.making.make import make
from augment.data.recipe import Recipe
from augment.data.storage.data_set import UniverseSet
from saih.app import InputError
from tests.sets import random_set
from tests.unit.test_cosmoflow_training import Alone, point
from tests.unit.test_published import cosmoflow, counts_of, framed, written

pytestmark = pytest.mark.usefixtures("one_thread")


def damage(folder: Path, sample: int = 3) -> Path:
    """One bit of a sample; returns its file."""
    universes = UniverseSet(folder)
    path = universes.files[universes.file[sample]]
    content = bytearray(path.read_bytes())
    content[universes.offset[sample] + 10] ^= 1
    path.write_bytes(content)
    return path


def test_every_edge_is_made_once_and_then_checked(tmp_path) -> None:
    wanted = [point(tmp_path, edge=8), point(tmp_path, edge=8, width=0.5), point(tmp_path, edge=16)]
    made, found = Alone(), Alone()
    facts = APP.prepare(made, wanted)
    assert list(facts) == ["8", "16"]
    path = set_of(wanted[0])
    memory = facts["8"].pop("host_memory_bytes")
    assert 2**28 < memory < 2**50
    assert facts["8"].pop("file_system") == prepare.file_system(tmp_path)
    assert facts["8"] == {
        "path": str(path),
        "digest": Recipe(universes=8, edge=8).digest(),
        "samples": 8,
        "universes": 8,
        "bytes": 8 * 8**3 * 4 * 2,
        "verified": "every sample",
    }
    assert (f"making {path.name}", 8, 8) in made.said
    before = [each.stat().st_mtime_ns for each in path.iterdir()]
    again = APP.prepare(found, wanted)
    assert again["16"] == facts["16"]
    assert [each.stat().st_mtime_ns for each in path.iterdir()] == before
    assert {what.split()[0] for what, _, _ in found.said} == {"checking"}


def test_what_a_stopped_sweep_has_left_is_gone_on_with(tmp_path) -> None:
    wanted = point(tmp_path)
    APP.prepare(Alone(), [wanted])
    path = set_of(wanted)
    (path / "manifest.json").unlink()
    (path / "universe-00002.h5").unlink()
    kept = (path / "universe-00001.h5").stat().st_mtime_ns
    again = Alone()
    assert APP.prepare(again, [wanted])["8"]["verified"] == "every sample"
    assert [step for step in again.said if step[0].startswith("making")] == [(f"making {path.name}", 8, 8)]
    assert (path / "universe-00001.h5").stat().st_mtime_ns == kept


def test_synthetic_input_needs_nothing(tmp_path) -> None:
    assert APP.prepare(Alone(), [point(tmp_path, input="synthetic")]) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_set_of_a_recipe_is_named_and_kept(tmp_path) -> None:
    wanted = point(tmp_path)
    APP.prepare(Alone(), [wanted])
    path = damage(set_of(wanted))
    damage(set_of(wanted), 5)
    before = path.read_bytes()
    with pytest.raises(InputError) as caught:
        APP.prepare(Alone(), [wanted])
    said = str(caught.value)
    assert "universe-00003.h5: sample 3 (universe 3): it is damaged" in said
    assert said.endswith(f" (and 1 more); delete {set_of(wanted)} to have it made again")
    assert path.read_bytes() == before


def test_a_large_set_is_checked_in_structure_only(tmp_path, monkeypatch) -> None:
    wanted = point(tmp_path)
    APP.prepare(Alone(), [wanted])
    damage(set_of(wanted))
    monkeypatch.setattr(prepare, "MOST_VERIFIED_BYTES", 100)
    assert APP.prepare(Alone(), [wanted])["8"]["verified"] == "structure only"


def test_another_recipe_under_the_name_of_this_one(tmp_path) -> None:
    wanted = point(tmp_path)
    make(Recipe(universes=8, edge=8, seed=2), set_of(wanted))
    with pytest.raises(InputError, match=r"holds another recipe than its name says; delete .* to have it made again"):
        APP.prepare(Alone(), [wanted])


def test_a_folder_that_cannot_be_written(tmp_path) -> None:
    (tmp_path / "file").touch()
    wanted = point(tmp_path / "file")
    with pytest.raises(InputError, match=rf"{set_of(wanted)}: cannot be written: Not a directory"):
        APP.prepare(Alone(), [wanted])


def test_a_given_set_is_checked_for_its_size(tmp_path) -> None:
    path = random_set(tmp_path / "mine").path
    mine = {"path": str(path)}
    assert APP.prepare(Alone(), [point(data=mine)])["8"]["samples"] == 3
    with pytest.raises(InputError) as caught:
        APP.prepare(Alone(), [point(data=mine, edge=16)])
    assert str(caught.value) == (f"{path}: holds samples of edge 8 with 4 redshifts; this point needs edge 16 with 4")


def test_a_given_set_that_is_damaged_is_not_ours_to_delete(tmp_path) -> None:
    path = random_set(tmp_path / "mine", universes=8).path
    damage(path)
    with pytest.raises(InputError, match=r"sample 3 \(universe 3\): it is damaged") as caught:
        APP.prepare(Alone(), [point(data={"path": str(path)})])
    assert "delete" not in str(caught.value)


def test_a_given_set_that_is_missing_or_not_whole(tmp_path) -> None:
    mine = {"path": str(tmp_path / "edge{edge}")}
    with pytest.raises(InputError) as caught:
        APP.prepare(Alone(), [point(data=mine)])
    assert str(caught.value) == f"{tmp_path}/edge8: no such data set"
    (tmp_path / "edge8").mkdir()
    with pytest.raises(InputError, match="edge8: not a whole data set"):
        APP.prepare(Alone(), [point(data=mine)])


def test_the_file_system_is_that_of_the_longest_mount_point() -> None:
    assert prepare.file_system(Path("/proc/self")) == "proc"
    assert prepare.file_system(Path("/")) not in ("", "unknown", "proc")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_published_files_are_trained_on_where_they_are(tmp_path, pack) -> None:
    """Linked, prepared, and a step trained; the facts name the files that are really read."""
    labels = np.random.default_rng(1).uniform(-1, 1, (8, 4)).astype(np.float32)
    files = [written(tmp_path, pack(framed(cosmoflow(counts_of(8, i), labels[i]))), f"{i}.tfrecord") for i in range(8)]
    build(Link(tmp_path / "linked", Sources(files, 8)))
    wanted = point(tmp_path, edge=8)
    wanted = replace(wanted, data=APP.resolve_data({"path": str(tmp_path / "linked")}))
    facts = APP.prepare(Alone(), [wanted])["8"]
    assert facts["paths"] == [str(file) for file in files]
    assert facts["verified"] == "every sample"
    work = APP.build(Alone(), wanted)
    try:
        assert work.run(2).finished().read_bytes == 2 * wanted.run.batch * facts["bytes"] // 8
        assert work.check() is None
    finally:
        work.close()
