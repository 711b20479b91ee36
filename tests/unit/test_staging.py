"""A data set copied to another place: whole or not at all, believed only after it was read back."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
from pathlib import Path

import pytest

from augment.data.host.staging import stage
from augment.data.reading.sample_reader import SampleReader, empty_batch
from augment.data.storage.data_set import UniverseSet
from augment.errors import DataError
from tests.sets import counts_of, random_set


@pytest.fixture
def universes(tmp_path) -> UniverseSet:
    return random_set(tmp_path / "set", 3, 2)


def content(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_copy_is_a_data_set_of_its_own(universes, tmp_path) -> None:
    said = []
    copy = stage(universes, tmp_path / "fast", progress=lambda *words: said.append(words))
    assert copy.path.parent == tmp_path / "fast"
    assert all(path.parent == copy.path.absolute() for path in copy.files)
    assert (copy.digest, copy.header) == (universes.digest, universes.header)
    for path in universes.files:
        path.unlink()
    reader, counts = SampleReader(copy), empty_batch(1, copy.header.sample_shape)[0]
    reader.read(5, counts)
    reader.close()
    assert (counts == counts_of(2, 1)).all()
    assert ("copying", 3, 3) in said
    assert any(what == "checking" for what, _, _ in said)


def test_a_copy_that_is_there_is_used_again(universes, tmp_path) -> None:
    before = content(stage(universes, tmp_path / "fast").path)
    assert content(stage(universes, tmp_path / "fast").path) == before


def test_two_at_once_make_one(universes, tmp_path) -> None:
    found: list[UniverseSet] = []
    threads = [threading.Thread(target=lambda: found.append(stage(universes, tmp_path / "fast"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({copy.path for copy in found}) == 1
    assert len(found) == 4
    assert len([path for path in (tmp_path / "fast").iterdir() if path.is_dir()]) == 1


def test_what_a_killed_copy_left_is_removed(universes, tmp_path) -> None:
    name = f"universes-{universes.digest}-{universes.codec}"
    left = tmp_path / "fast" / f".{name}.0123.tmp"
    left.mkdir(parents=True)
    (left / "000000-universe-00000.h5").write_bytes(b"half")
    stage(universes, tmp_path / "fast")
    assert not left.exists()


def test_a_damaged_source_leaves_no_copy(universes, tmp_path) -> None:
    data = bytearray(universes.files[1].read_bytes())
    data[universes.offset[2] + 7] ^= 1
    universes.files[1].write_bytes(data)
    with pytest.raises(DataError, match=r"000001-universe-00001.h5: sample 2 \(universe 1\): it is damaged"):
        stage(universes, tmp_path / "fast")
    assert [path for path in (tmp_path / "fast").iterdir() if path.is_dir()] == []


def test_a_damaged_copy_is_told_and_stays(universes, tmp_path) -> None:
    copy = stage(universes, tmp_path / "fast")
    os.truncate(copy.files[0], 100)
    with pytest.raises(DataError, match=rf"is 100 bytes long.*; delete {copy.path} to have it copied again"):
        stage(universes, tmp_path / "fast")


def test_another_data_set_under_the_same_name_is_no_copy(universes, tmp_path) -> None:
    copy = stage(universes, tmp_path / "fast")
    other = random_set(tmp_path / "other", 4, 1)  # its header says the same digest
    with pytest.raises(DataError, match=rf"{copy.path}: is not a copy of {other.path}; delete"):
        stage(other, tmp_path / "fast")


def test_a_folder_that_cannot_be_made(universes, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written: Not a directory"):
        stage(universes, tmp_path / "file" / "folder")


def test_a_place_that_is_too_small(universes, tmp_path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", small], capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    try:
        with pytest.raises(DataError, match=r"small: .* are to be copied here, and .* are free"):
            stage(universes, small)
        assert [path for path in small.iterdir() if path.is_dir()] == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_lock_that_another_holds_is_waited_for(universes, tmp_path) -> None:
    (tmp_path / "fast").mkdir()
    done = threading.Event()
    name = f".universes-{universes.digest}-{universes.codec}.lock"
    with open(tmp_path / "fast" / name, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=lambda: (stage(universes, tmp_path / "fast"), done.set()))
        thread.start()
        assert not done.wait(0.2)
    assert done.wait(10)
    thread.join()
