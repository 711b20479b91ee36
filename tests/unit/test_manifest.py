"""A manifest or an index of a data set that somebody altered, with right checksums: one line, or what it says holds."""

import hashlib
import json

import h5py
import numpy as np
import pytest

from augment.data.foreign.convert import Link
from augment.data.foreign.survey import Sources
from augment.data.making.build import build
from augment.data.reading.sample_reader import SampleReader
from augment.data.storage.data_set import UniverseSet
from augment.data.storage.manifest import INDEX, MANIFEST, npz
from augment.errors import DataError
from tests import sets
from tests.mutations import WRONG, leaves, mutated


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    sets.random_set(folder, universes=2, samples=2, compression="gzip")
    return folder


def sealed(content):
    """The manifest with a right checksum."""
    rest = {key: value for key, value in content.items() if key != "checksum"}
    return json.dumps(rest | {"checksum": hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()})


def opened(folder):
    """Open a set and read its first sample; True if that went well. Anything but one line of DataError is raised."""
    why = ""
    try:
        universes = UniverseSet(folder)
        assert universes.sample_bytes < 2**20
        SampleReader(universes).read(0, np.empty(universes.header.sample_shape, np.int16))
    except DataError as error:
        why = str(error)
    assert "\n" not in why
    return not why


def test_each_leaf_of_a_manifest_may_hold_anything(folder):
    path = folder / MANIFEST
    whole = path.read_text()
    content = json.loads(whole)
    accepted = 0
    try:
        for leaf, _ in leaves(content):
            for wrong in WRONG.values():
                path.write_text(sealed(json.loads(mutated(content, leaf, wrong))))
                accepted += opened(folder)
    finally:
        path.write_text(whole)
    assert opened(folder)
    assert accepted  # what only describes, such as the growth's name, may be any word


@pytest.mark.parametrize("column", ["offset", "stored_bytes", "file"])
@pytest.mark.parametrize("value", [-1, 0, 2**31 - 1, 2**62])
def test_an_index_that_points_elsewhere_is_refused_before_room_is_made(folder, column, value, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with np.load(folder / INDEX) as index:
        columns = dict(index)
    if value == 2**62 and column == "file":
        value = -(2**31)
    if value == columns[column][0]:
        return
    columns[column][0] = value
    (tmp_path / INDEX).write_bytes(npz(columns))
    content = json.loads((folder / MANIFEST).read_text())
    content["index_sha256"] = hashlib.sha256((tmp_path / INDEX).read_bytes()).hexdigest()
    (tmp_path / MANIFEST).write_text(sealed(content))
    assert not opened(tmp_path)


def test_a_cube_beyond_its_universe_is_one_line(tmp_path):
    with h5py.File(tmp_path / "universe.hdf5", "w") as file:
        file.create_dataset("full", data=np.ones((8, 8, 8, 4), np.int16))
        file.create_dataset("unitPar", data=np.zeros(4, np.float32))
    linked = tmp_path / "set"
    build(Link(linked, Sources.of([tmp_path / "universe.hdf5"], 4)))
    with np.load(linked / INDEX) as index:
        columns = dict(index)
    columns["offset"][0] = 8
    (linked / INDEX).write_bytes(npz(columns))
    content = json.loads((linked / MANIFEST).read_text())
    content["index_sha256"] = hashlib.sha256((linked / INDEX).read_bytes()).hexdigest()
    (linked / MANIFEST).write_text(sealed(content))
    with pytest.raises(DataError, match="its index says cube 8: must be below 8"):
        SampleReader(UniverseSet(linked)).read(0, np.empty((4, 4, 4, 4), np.int16))
