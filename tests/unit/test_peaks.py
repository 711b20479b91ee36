"""Measuring ceilings on one rank in this process: what is counted, what is read, what stays as it was."""

import re

import numpy as np
import pytest
import torch

from augment.data.host import page_cache
from saih import peaks
from saih.errors import InputError
from saih.peaks import allreduce, arithmetic, memory, storage, sustained, timing
from tests.alone import Alone

MIB = 2**20
SHORT = {"seconds_each": 0.004}


@pytest.fixture
def alone():
    return Alone()


def test_the_fastest_repeat_counts_and_the_median_is_kept():
    assert timing.best("bytes_per_s", 12.0, [4.0, 2.0, 3.0]) == {
        "bytes_per_s": 6.0,
        "median_bytes_per_s": 4.0,
        "spread_percent": pytest.approx(100 / 3),
    }
    assert timing.shortest([4.0, 2.0, 3.0]) == {"seconds": 2.0, "median_seconds": 3.0, "spread_percent": 50.0}


def test_repeats_run_as_often_as_asked_and_no_more_often_than_allowed(alone):
    calls = []
    timing.repeats(lambda: calls.append(1), alone, 10.0, most=5)
    assert len(calls) == timing.WARM_UPS + 5 * timing.REPEATS


def test_arithmetic_is_the_best_of_products_and_convolutions(alone, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.setattr(arithmetic, "LONGEST_RUN", 10_000)
    found = peaks.measure(alone, "fp32", 0.001)
    names = [entry["name"] for entry in found["entries"]]
    rates = {entry["name"]: entry["flop_per_s"] for entry in found["entries"] if "flop_per_s" in entry}
    assert found["flop_per_s"] == max(rates.values()) == rates[found["best"]]
    assert found["flop_per_s_low"] <= found["flop_per_s"] <= found["flop_per_s_high"]
    assert found["flop_per_s"] <= found["fastest_flop_per_s"]
    assert len(rates) == sustained.FINALISTS
    assert sum("matrix product" in name for name in names) == 2
    assert sum("conv3d" in name for name in names) == 2
    (watched,) = found["telemetry"]
    assert watched["device"] == "cpu"
    assert watched["seconds"]["window"] > 0
    assert torch.backends.cudnn.allow_tf32  # as it was


def test_an_operation_that_would_take_too_long_is_left_out(alone):
    found = peaks.measure(alone, "fp32", 1e-6)
    assert [entry["name"] for entry in found["entries"]] == ["matrix product 1024 x 1024 x 1024"]
    assert len(found["left_out"]) == 3


def test_memory_moves_arrays_longer_than_the_cache(alone, monkeypatch):
    monkeypatch.setattr(memory, "LEAST_BYTES", {"cpu": MIB, "cuda": MIB})
    monkeypatch.setattr(memory, "cache_bytes", lambda device: 2 * MIB)
    found = peaks.ceiling(alone, "memory", SHORT)
    assert (found["array_bytes"], found["cache_bytes"]) == (8 * MIB, 2 * MIB)
    assert [entry["name"][:5] for entry in found["entries"]] == ["copy,", "triad", "in pl"]
    rates = [entry["memory_bytes_per_s"] for entry in found["entries"] if "memory_bytes_per_s" in entry]
    assert (len(rates), found["memory_bytes_per_s"]) == (sustained.FINALISTS, max(rates))
    assert found["method"]


def test_the_last_levels_caches_are_added_up_for_the_cores_at_hand(tmp_path):
    """Four cores, two and two sharing a cache of 32 MiB, each with one of 1 MiB."""
    for core in range(4):
        for index, level, size, shared in ((2, 2, "1024K", core), (3, 3, "32768K", "0-1" if core < 2 else "2-3")):
            folder = tmp_path / f"cpu{core}" / "cache" / f"index{index}"
            folder.mkdir(parents=True)
            for name, value in (("level", level), ("size", size), ("shared_cpu_list", shared)):
                (folder / name).write_text(f"{value}\n")
    assert memory.host_cache_bytes([0], tmp_path) == 32 * MIB
    assert memory.host_cache_bytes([0, 1], tmp_path) == 32 * MIB
    assert memory.host_cache_bytes([1, 2], tmp_path) == 64 * MIB
    assert memory.host_cache_bytes([7], tmp_path) == 0


def test_a_cpu_has_no_copies_and_no_kernels_and_says_so(alone):
    copies, launches = (peaks.ceiling(alone, part, SHORT) for part in ("copies", "launches"))
    assert copies["h2d_bytes_per_s"] is copies["d2h_bytes_per_s"] is None
    assert "host's own cores" in copies["why"]
    assert launches["launch_s"] == min(entry["seconds"] for entry in launches["entries"]) > 0
    assert launches["round_trip_s"] is launches["graph_launch_s"] is None
    assert "host's own cores" in launches["why"]


def test_one_rank_has_nobody_to_reduce_with(alone):
    found = peaks.ceiling(alone, "allreduce", SHORT | {"largest_bytes": 4096, "smaller_groups": True})
    assert (found["bus_bytes_per_s"], found["entries"]) == (None, [])
    assert "one rank" in found["why"]


def test_bus_bytes_are_those_of_a_ring():
    """In a ring of n each rank sends n - 1 parts of 1/n twice: once reducing, once telling."""
    for n in (2, 3, 8):
        parts = [1 / n] * (n - 1) * 2
        assert allreduce.bus_factor(n) == pytest.approx(sum(parts))


def test_ranks_are_counted_in_powers_of_two_and_all():
    assert allreduce.counts(8, True) == [2, 4, 8]
    assert allreduce.counts(6, True) == [2, 4, 6]
    assert allreduce.counts(2, True) == [2]
    assert allreduce.counts(6, False) == [6]


def test_storage_reads_every_byte_of_a_file_once_and_past_the_page_cache(alone, tmp_path, monkeypatch):
    path, size = tmp_path / "file", storage.LEAST_BYTES
    path.write_bytes(np.random.default_rng(1).bytes(size + 1000))
    asked = []
    preadv = storage.os.preadv
    monkeypatch.setattr(
        storage.os, "preadv", lambda fd, into, at: asked.append((at, got := preadv(fd, into, at))) or got
    )
    found = peaks.ceiling(alone, "storage", {"path": str(path), "bytes_a_rank": 0})
    read = sorted(each for each in asked if each[1] != 4096)  # without the page that shows whether direct reads work
    assert sum(got for _, got in read) == found["bytes"] == size
    assert [at for at, _ in read] == [sum(got for _, got in read[:i]) for i in range(len(read))]
    assert found["path_is"] == "file"
    if found["direct"]:
        assert not page_cache.resident_fraction([path])


def test_storage_leaves_nothing_behind_in_a_folder(alone, tmp_path):
    found = peaks.ceiling(alone, "storage", {"path": str(tmp_path), "bytes_a_rank": 1})
    assert (found["path_is"], found["bytes"]) == ("folder", storage.LEAST_BYTES)
    assert found["read_bytes_per_s"] >= found["median_read_bytes_per_s"] > 0
    assert list(tmp_path.iterdir()) == []
    assert ("writing what is read then", 0, timing.REPEATS) in alone.told


def test_storage_that_cannot_be_read_is_one_line(alone, tmp_path):
    small = tmp_path / "small"
    small.write_bytes(b"x")
    with pytest.raises(InputError, match=re.escape(f"--storage {small}: holds 1 bytes, but 1 rank needs 32 MiB")):
        peaks.ceiling(alone, "storage", {"path": str(small), "bytes_a_rank": 0})
    with pytest.raises(InputError, match=r"--storage .*missing: No such file"):
        peaks.ceiling(alone, "storage", {"path": str(tmp_path / "missing"), "bytes_a_rank": 0})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--ranks", "0"], "--ranks 0: must be at least 1"),
        (["--ranks", "two"], "argument --ranks: invalid int value: 'two'"),
        (["--storage", "nowhere"], "--storage nowhere: is neither a file nor a folder"),
        (["--out", "."], "--out .: is a folder"),
        (["--out", "nowhere/x"], "--out nowhere/x: there is no folder"),
        (["--device", "abacus"], "argument --device: invalid choice"),
    ],
)
def test_bad_usage_is_one_line(saih, words, says):
    done = saih("peaks", *words, status=2)
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
