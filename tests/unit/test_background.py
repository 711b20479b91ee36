"""Background reading: real files, a real reader process, real direct reads where the file system has them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from saih.errors import InputError
from saih.interference import background_load
from saih.interference import background_reader as reader
from saih.interference.background_load import Background

pytestmark = pytest.mark.slow

MIB = 2**20
CORES = sorted(os.sched_getaffinity(0))


@pytest.fixture
def files(tmp_path):
    """A folder with files of several sizes, none of them a multiple of a page, and an empty one."""
    for name, size in {"a": 24 * MIB + 5, "b": 9 * MIB + 1, "below/c": 100, "empty": 0}.items():
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
    return tmp_path / "set"


def test_paths_are_found_wherever_facts_name_them():
    facts = {"64": {"path": "a", "samples": 3}, "128": {"sets": {"path": "d", "paths": ["b", "a"]}}, "path": "c"}
    assert background_load.paths_named(facts) == ["a", "b", "c"]
    assert background_load.paths_named({"toy": {"made": 2}}) == []


def test_no_path_is_told_only_where_reading_is_asked_for():
    background_load.require_paths(0, {})
    with pytest.raises(InputError, match=r"run\.background_read_mb_s = 100: the application names no files to read"):
        background_load.require_paths(100, {"toy": {"made": 2}})


def test_files_that_hold_something_are_read_and_many_are_thinned_out(files):
    assert [path.name for path in reader.files_below([str(files)])] == ["a", "b", "c"]
    assert reader.files_below([str(files / "b")]) == [files / "b"]
    many = files.parent / "many"
    many.mkdir()
    for i in range(2 * reader.MOST_FILES + 1):
        (many / f"{i:04}").write_bytes(b"x")
    found = reader.files_below([str(many)])
    assert reader.MOST_FILES / 2 < len(found) <= reader.MOST_FILES
    assert found[-1].name > "0500"
    for nothing in (files / "empty", files / "nowhere"):
        with pytest.raises(InputError, match="there is no file to read"):
            reader.files_below([str(nothing)])


def test_the_bucket_holds_the_rate_and_forgives_no_more_than_a_burst():
    pacer = reader.Pacer(1000.0)
    start = time.monotonic()
    delays = [pacer.delay_s(500, start) for _ in range(6)]
    assert delays[-1] - delays[-2] == pytest.approx(0.5)
    assert delays[-1] == pytest.approx(2.5, abs=0.01)
    late = [pacer.delay_s(500, start + 60) for _ in range(3)]
    assert late == pytest.approx([0, 0.5 - reader.BURST_S, 1.0 - reader.BURST_S])


@pytest.mark.parametrize("folder", [None, "/dev/shm"], ids=["disk", "memory"])
def test_a_read_returns_the_file_s_bytes(files, folder, request):
    path = files / "a"
    if folder:
        path = Path(folder, f"saih-test-{os.getpid()}")
        path.write_bytes((files / "a").read_bytes())
        request.addfinalizer(path.unlink)
    source, want = reader.Source(path), path.read_bytes()
    with memoryview(reader.mmap.mmap(-1, 4 * MIB)) as buffer:
        for offset in (0, 4096, 20 * MIB, 24 * MIB):
            done = source.read(buffer, offset)
            assert bytes(buffer[:done]) == want[offset : offset + 4 * MIB]
        os.truncate(path, 4096)
        with pytest.raises(OSError, match="ends before byte 4096"):
            source.read(buffer, 4096)


def test_where_direct_reads_are_refused_pages_are_dropped(files, monkeypatch):
    monkeypatch.setattr(reader, "takes_direct", lambda path: False)
    path = files / "a"
    os.sync()
    source = reader.Source(path)
    assert not source.direct
    with memoryview(reader.mmap.mmap(-1, 4 * MIB)) as buffer:
        for offset in range(0, source.size, 4 * MIB):
            source.read(buffer, offset)
    assert _cached(path) < 0.1


def _cached(path):
    """The share of a file's pages in the page cache, asked of util-linux's fincore."""
    words = ["fincore", "--bytes", "--noheadings", "--output", "RES,SIZE", str(path)]
    resident, size = map(int, subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())
    return resident / size


def test_the_rate_is_what_was_asked_for_and_the_page_cache_stays_as_it_is(files):
    os.sync()
    for path in (files / "a", files / "b"):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with Background(40, [str(files)], CORES[-1:], shared=True) as others:
        time.sleep(0.3)
        others.begin()
        time.sleep(1.5)
        found = others.end()
        assert os.sched_getaffinity(others._process.pid) == {CORES[-1]}
    assert found["bytes"] / found["seconds"] == pytest.approx(40e6, rel=0.15)
    assert (found["files"], found["threads"], found["shares_cores"]) == (3, reader.THREADS, True)
    assert found["file_bytes"] == 33 * MIB + 106
    if found["direct_files"] == found["files"]:
        assert _cached(files / "a") < 0.1


def test_a_low_rate_comes_in_small_requests(files):
    with Background(1, [str(files)], CORES, shared=True) as others:
        time.sleep(0.3)
        others.begin()
        time.sleep(1.2)
        found = others.end()
    assert found["bytes"] / found["seconds"] == pytest.approx(1e6, rel=0.3)


def test_a_rate_beyond_the_storage_s_is_as_much_as_it_gives(files):
    with Background(1e9, [str(files)], CORES, shared=True) as others:
        others.begin()
        time.sleep(0.5)
        found = others.end()
    assert 0 < found["bytes"] / found["seconds"] < 1e15


def test_a_file_that_shrinks_ends_the_reading_with_its_name(files):
    with Background(100, [str(files / "a")], CORES, shared=True) as others:
        others.begin()
        os.truncate(files / "a", 0)
        time.sleep(0.5)
        with pytest.raises(InputError, match=r"run\.background_read_mb_s: .*/a: ends before byte"):
            others.end()


def test_nothing_to_read_and_no_right_to_read_are_told_at_the_start(files):
    with pytest.raises(InputError, match="nowhere: there is no file to read"):
        Background(1, [str(files / "nowhere")], CORES, shared=True)
    if os.geteuid():
        (files / "b").chmod(0)
        with pytest.raises(InputError, match="/b: Permission denied"):
            Background(1, [str(files / "b")], CORES, shared=True)


def test_a_reader_that_is_killed_is_told(files):
    with Background(1, [str(files)], CORES, shared=True) as others:
        os.kill(others._process.pid, signal.SIGKILL)
        with pytest.raises(InputError, match="the reader ended with exit status -9"):
            others.begin()


def test_the_reader_ends_with_whoever_started_it(files):
    code = (
        "import json, sys, time; from saih.interference.background_load import Background\n"
        f"found = Background(1, [{str(files)!r}], {CORES}, True)\n"
        "print(json.dumps(found._process.pid), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pid = json.loads(parent.stdout.readline())
        assert _runs(pid)
        parent.kill()
    deadline = time.monotonic() + 5
    while _runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(pid):
    try:
        return "saih.interference.background_reader" in Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return False
