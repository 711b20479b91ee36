"""Files written whole, and never through a link that somebody has planted."""

import os
import stat

import pytest

from saih.common import files
from saih.errors import InputError
from saih.records.record import Record, write
from saih.records.run_folder import Folder

WRITERS = {
    "write_text": lambda path: files.write_text(path, "new"),
    "begin_empty": lambda path: files.begin_empty(path).close(),
    "a library": lambda path: _through_a_library(path),
}


def _through_a_library(path):
    temporary = files.temporary_name(path)
    temporary.write_text("new")
    files.put_in_place(temporary, path)


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_what_is_written_is_read_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "made" / "too" / "x.json"
    files.write_text(path, "old")
    files.write_bytes(path, b"new")
    assert path.read_text() == "new"
    assert names(path.parent) == ["x.json"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_the_old_file_stays_where_writing_fails(tmp_path):
    path = tmp_path / "x"
    files.write_text(path, "old")

    def half():
        with files.whole(path) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    with pytest.raises(NotADirectoryError) as raised:
        files.write_text(path / "y", "new")
    assert raised.value.filename == str(path / "y")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path):
    files.write_text(tmp_path / "x", "old")

    def fill():
        with files.whole(tmp_path / "x") as file:
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, file.fileno())
            os.close(full)
            file.write(b"x" * 100_000)

    with pytest.raises(OSError, match="No space left") as raised:
        fill()
    assert raised.value.filename == str(tmp_path / "x")
    assert names(tmp_path) == ["x"]
    assert (tmp_path / "x").read_text() == "old"


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("target", ["victim", "nowhere"])
def test_a_planted_link_is_replaced_and_its_target_untouched(tmp_path, writer, target):
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "victim").write_text("dear")
    (folder / "x").symlink_to(tmp_path / target)
    writer(folder / "x")
    assert not (folder / "x").is_symlink()
    assert (tmp_path / "victim").read_text() == "dear"
    assert names(tmp_path) == ["run", "victim"]
    assert names(folder) == ["x"]


def test_names_of_temporary_files_cannot_be_known_beforehand(tmp_path, monkeypatch):
    seen = set()
    really = os.open

    def watching(path, flags, *rest, **more):
        if flags & os.O_CREAT:
            assert flags & os.O_EXCL
            assert flags & os.O_NOFOLLOW
            seen.add(path)
        return really(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", watching)
    for _ in range(20):
        files.write_text(tmp_path / "x", "new")
    assert len(seen) == 20
    assert all(name.startswith(".x.") and name.endswith(".tmp") for name in seen)


@pytest.mark.parametrize("kind", ["folder", "nowhere", "itself"])
def test_a_folder_of_the_run_that_is_a_link_is_refused(tmp_path, kind):
    (tmp_path / "victim").mkdir()
    target = {"folder": tmp_path / "victim", "nowhere": tmp_path / "none", "itself": "points"}[kind]
    (tmp_path / "points").symlink_to(target)
    with pytest.raises(OSError, match=r"points|link"):
        write(tmp_path / "points", Record("a", "ok", {}))
    with pytest.raises(OSError, match=r"points|link"):
        files.begin_empty(tmp_path / "points" / "x.log")
    assert names(tmp_path / "victim") == []
    assert not (tmp_path / "none").exists()


def test_the_runs_own_folder_may_be_a_link(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "scratch")
    write(tmp_path / "run" / "points", Record("a", "ok", {}))
    with Folder(tmp_path / "run").lock():
        assert names(tmp_path / "scratch") == ["lock", "points"]


def test_only_one_of_all_creates(tmp_path):
    files.create(tmp_path / "x", b"first")
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "x", b"second")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "link", b"through")
    assert names(tmp_path) == ["link", "x"]
    assert (tmp_path / "x").read_bytes() == b"first"


def test_appending_follows_no_link(tmp_path):
    (tmp_path / "victim").write_text("dear")
    (tmp_path / "x.log").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"), open(tmp_path / "x.log", "a", opener=files.no_link):
        pass


def plant(path, kind):
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "large":
        path.write_bytes(b"x" * 101)
    else:
        path.symlink_to({"endless": "/dev/zero", "link": "/etc/passwd", "dangling": "/nowhere"}[kind])


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("fifo", "is no regular file"),
        ("folder", "is no regular file"),
        ("endless", "is a symbolic link"),
        ("link", "is a symbolic link"),
        ("dangling", "is a symbolic link"),
        ("large", "holds more than 100 bytes"),
    ],
)
def test_only_small_regular_files_are_read(tmp_path, kind, says):
    plant(tmp_path / "x", kind)
    with pytest.raises(OSError, match=says):
        files.read_small(tmp_path / "x", 100)


@pytest.mark.parametrize("kind", ["fifo", "folder", "endless", "link", "dangling"])
def test_a_lock_that_is_no_file_is_one_line(tmp_path, kind):
    plant(tmp_path / "lock", kind)
    with pytest.raises(InputError, match=r"lock: is no lock that can be read .*delete it") as raised:
        Folder(tmp_path).lock().__enter__()
    assert "\n" not in str(raised.value)
