"""Data sets as folders: opened only when whole, and every kind of damage is found and named."""

import hashlib
import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from augment.data.reading.verify import verify
from augment.data.storage.data_set import UniverseSet, name_of, seal
from augment.data.storage.manifest import MANIFEST, npz
from augment.data.storage.universe_writer import UniverseWriter
from augment.errors import DataError
from tests.sets import counts_in, counts_of, header, labels_of, random_set, write_universe


@pytest.fixture(scope="module", params=[None, "gzip"], ids=["raw", "gzip"])
def made(request, tmp_path_factory):
    return random_set(tmp_path_factory.mktemp("made") / "set", universes=3, samples=2, compression=request.param)


@pytest.fixture
def copy(made, tmp_path):
    return Path(shutil.copytree(made.path, tmp_path / "copy"))


def distrusted(path, message, names=None):
    with pytest.raises(DataError, match=message) as caught:
        UniverseSet(path)
    assert str(caught.value).startswith(str(names or path))
    assert "\n" not in str(caught.value)


def test_a_set_is_all_its_files(made):
    assert (made.samples, made.edge, made.redshifts) == (6, 8, (0.0, 0.5, 1.5, 3.0))
    assert made.universe.tolist() == [0, 0, 1, 1, 2, 2]
    assert made.file.tolist() == [0, 0, 1, 1, 2, 2]
    assert [path.name for path in made.files] == [name_of(universe) for universe in range(3)]
    assert all(path.is_absolute() for path in made.files)
    assert made.header == header(6, periodic=False)
    np.testing.assert_array_equal(made.labels[2:4], np.tile(labels_of(1), (2, 1)))
    expected = [counts_of(universe, row) for universe in range(3) for row in range(2)]
    np.testing.assert_array_equal(counts_in(made), expected)
    assert verify(made.path) == []


def test_a_set_can_be_moved(copy, made):
    moved = copy.rename(copy.with_name("moved"))
    np.testing.assert_array_equal(counts_in(UniverseSet(moved)), counts_in(made))


def test_equal_sets_have_equal_indices(made):
    with np.load(made.path / "index.npz") as arrays:
        assert npz({name: arrays[name] for name in arrays}) == (made.path / "index.npz").read_bytes()


def test_folders_that_are_no_sets(tmp_path):
    distrusted(tmp_path / "absent", "no such data set")
    distrusted(tmp_path, r"not a whole data set: it has no manifest\.json")
    (tmp_path / "file.h5").write_text("x")
    distrusted(tmp_path / "file.h5", "is a file; a data set is a folder")


def changed(path, key, value, resum=False):
    content = json.loads(path.read_text())
    content[key] = value
    if resum:
        rest = {name: each for name, each in content.items() if name != "checksum"}
        content["checksum"] = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("key", "value", "resum", "message"),
    [
        ("edge", 16, False, "was altered: wrong checksum"),
        ("checksum", "0", False, "was altered: wrong checksum"),
        ("format", "other", False, "not a data set"),
        ("format_version", 7, False, "format_version is 7: this program reads version 1"),
        ("codec", "morse", True, "codec = morse: must be one of raw, deflate"),
        ("files", [{"path": "x"}], True, r"files\[0\].samples: is missing"),
        ("redshifts", None, True, "redshifts = null: must be a list"),
    ],
)
def test_altered_manifests(copy, key, value, resum, message):
    changed(copy / MANIFEST, key, value, resum)
    distrusted(copy, message, copy / MANIFEST)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100000])
def test_manifests_that_are_no_manifests(copy, content):
    (copy / MANIFEST).write_bytes(content)
    distrusted(copy, "damaged: is not JSON|not a data set", copy / MANIFEST)


def test_an_altered_index(copy):
    content = bytearray((copy / "index.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "index.npz").write_bytes(content)
    distrusted(copy, "was altered: wrong checksum", copy / "index.npz")
    (copy / "index.npz").unlink()
    distrusted(copy, "cannot be read", copy / "index.npz")


def test_labels_that_are_not_finite(tmp_path):
    """Whoever made them: a file with such labels is refused, so only an index could bring them."""
    random_set(tmp_path)
    with np.load(tmp_path / "index.npz") as arrays:
        index = {name: arrays[name] for name in arrays}
    index["labels"][1, 2] = np.nan
    (tmp_path / "index.npz").write_bytes(npz(index))
    changed(tmp_path / MANIFEST, "index_sha256", hashlib.sha256(npz(index)).hexdigest(), resum=True)
    distrusted(tmp_path, "the labels of sample 1 are not finite", tmp_path / "index.npz")


def test_files_that_have_gone_or_changed_their_size(copy):
    path = copy / name_of(1)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    distrusted(copy, f"is {len(content) - 1} bytes long, and was {len(content)}", path)
    path.unlink()
    distrusted(copy, "no such file", path)
    assert verify(copy) == [f"{path}: no such file"]


def test_files_that_belong_elsewhere_are_not_sealed(tmp_path):
    write_universe(tmp_path, 0)
    write_universe(tmp_path, 1, edge=4)
    with pytest.raises(DataError, match=r"universe-00001\.h5: belongs to another data set"):
        seal(tmp_path)
    write_universe(tmp_path, 1, compression="gzip")
    with pytest.raises(DataError, match=r"universe-00001\.h5: its samples are stored as deflate"):
        seal(tmp_path)
    (tmp_path / name_of(0)).replace(tmp_path / name_of(1))
    with pytest.raises(DataError, match=r"universe-00001\.h5: holds samples of universe 0"):
        seal(tmp_path)
    assert not (tmp_path / MANIFEST).exists()
    with pytest.raises(DataError, match="holds no universe files"):
        seal(tmp_path.parent)


def test_verify_names_every_damaged_sample(copy, made):
    for sample in (1, 4):
        path = copy / made.files[made.file[sample]].name
        content = bytearray(path.read_bytes())
        content[made.offset[sample] + made.stored_bytes[sample] // 2] ^= 4
        path.write_bytes(content)
    seen = []
    found = verify(copy, lambda done, total: seen.append((done, total)))
    assert [fault.split(" (")[0] for fault in found] == [
        f"{copy / name_of(0)}: sample 1",
        f"{copy / name_of(2)}: sample 4",
    ]
    assert "universe 2" in found[1]
    assert seen[-1] == (6, 6)
    assert [fault for rank in range(3) for fault in verify(copy, shard=(rank, 3))] == found


def test_verify_finds_files_that_were_exchanged(copy):
    first, second, aside = copy / name_of(0), copy / name_of(1), copy / "aside"
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    if first.stat().st_size != second.stat().st_size:
        distrusted(copy, "bytes long", first)
    found = verify(copy)
    assert any(fault.startswith(f"{first}: ") for fault in found)
    assert any(fault.startswith(f"{second}: ") for fault in found)


def test_verify_finds_a_file_that_was_written_anew(tmp_path):
    """A file that is right in itself, with other samples, of the same size."""
    path = random_set(tmp_path, samples=2).files[1]
    size = path.stat().st_size
    with UniverseWriter(path, header(2, periodic=False)) as writer:
        for row in range(2):
            writer.append(counts_of(9, row), labels_of(9), labels_of(9), 1)
    assert path.stat().st_size == size
    found = verify(tmp_path)
    assert found[0] == f"{path}: was altered, or is another file: its checksum is not the one in the manifest"
    assert any("its labels are not those of the index" in fault for fault in found)
    assert any("sample 2" in fault for fault in found)


def test_every_flipped_bit_is_found_or_harmless(tmp_path, made):
    """120 bits at random places of all files: found by opening or by verify, or nothing that is read has changed."""
    folder = Path(shutil.copytree(made.path, tmp_path / "copy"))
    counts, rng = counts_in(made), random.Random(1)
    paths = sorted(folder.iterdir())
    found = 0
    for _ in range(120):
        path = rng.choice(paths)
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            faults = verify(folder)
        except DataError as error:
            faults = [str(error)]
        if faults:
            found += 1
            assert all(str(folder) in fault and "\n" not in fault for fault in faults)
        else:
            opened = UniverseSet(folder)
            assert opened.header == made.header
            for name in ("labels", "parameters", "universe", "crc32c", "file", "offset", "stored_bytes"):
                np.testing.assert_array_equal(getattr(opened, name), getattr(made, name))
            np.testing.assert_array_equal(counts_in(opened), counts)
        path.write_bytes(whole)
    assert found > 80  # the others hit padding
    assert verify(folder) == []


@pytest.mark.parametrize("name", ["manifest.json", "index.npz"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_refused_at_once(tmp_path, name, kind):
    folder = random_set(tmp_path / "set", 2).path
    path = folder / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(DataError, match=f"{name}: cannot be read") as raised:
        UniverseSet(folder)
    assert "\n" not in str(raised.value)


def test_a_file_that_became_a_pipe_is_a_line_of_verify(tmp_path):
    made = random_set(tmp_path / "set", 2)
    made.files[0].unlink()
    os.mkfifo(made.files[0])
    assert any(line.endswith("is no regular file") for line in verify(made.path))
