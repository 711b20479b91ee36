"""What the system says of files and memory, asked of the real one."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from augment.data.host import fetched_bytes, page_cache
from augment.errors import DataError

MIB = 2**20


@pytest.fixture
def files(tmp_path) -> list[Path]:
    """Two of 3 and 1 MiB on a disk; memory file systems keep all they have in memory."""
    paths = [tmp_path / "a", tmp_path / "b"]
    for path, size in zip(paths, (3 * MIB, MIB), strict=True):
        path.write_bytes(np.random.default_rng(1).bytes(size))
    page_cache.drop(paths)
    if page_cache.resident_fraction(paths) != 0:
        pytest.skip("files cannot be taken out of the page cache here")
    return paths


def test_warm_files_are_in_the_page_cache_and_dropped_ones_are_not(files) -> None:
    said = []
    page_cache.warm(files, 2, lambda done, total: said.append((done, total)))
    assert said == [(1, 2), (2, 2)]
    assert page_cache.resident_fraction(files) == 1
    page_cache.drop(files[:1])
    assert page_cache.resident_fraction(files) == pytest.approx(0.25)


def test_both_questions_have_one_answer(files) -> None:
    page_cache.warm(files[1:], 1)
    for path in files:
        with open(path, "rb") as file:
            assert page_cache._resident_by_mincore(file.fileno()) == page_cache._resident_pages(file.fileno())


def test_sizes(files, tmp_path) -> None:
    assert page_cache.total_bytes(files) == 4 * MIB
    with pytest.raises(DataError, match="none: cannot be read: No such file"):
        page_cache.total_bytes([tmp_path / "none"])


def test_memory_is_what_the_host_and_its_groups_leave() -> None:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < fetched_bytes.free_memory_bytes() <= fetched_bytes.memory_bytes() <= total


def test_bytes_from_storage_are_counted_by_thread(files) -> None:
    """The second time the file comes from the page cache."""
    found: list[int | None] = []

    def read() -> None:
        files[1].read_bytes()
        found.append(fetched_bytes.storage_bytes([threading.get_native_id()]))

    for _ in range(2):
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    if found[0] is None:
        pytest.skip("the kernel does not count here")
    assert found == [MIB, 0]
    assert fetched_bytes.storage_bytes([2**22 + 1]) is None


def test_of_others_files_the_system_tells_nothing() -> None:
    """A user who could not write to a file is not told; and is not told that all of it is there."""
    if os.geteuid():
        pytest.skip("needs root, to become somebody else")
    os.seteuid(65534)
    try:
        assert page_cache.resident_fraction([Path("/etc/passwd")]) is None
    finally:
        os.seteuid(0)
