"""Ceilings on real ranks: all-reduce beside an independent loop, and `saih peaks` as a user runs it."""

import json
import os
import subprocess
import sys

import pytest

from saih import launch
from saih.config.schema import Launch
from tests.conftest import ROOT

pytestmark = pytest.mark.mpi

LOOP = str(ROOT / "tests" / "mpi" / "allreduce_loop.py")


def on_ranks(ranks: int, *words: str, requests: str = "") -> list[dict]:
    """What a script prints on so many ranks, JSON lines, when rank 0 is told ``requests``."""
    launcher = launch.find(Launch())
    command = launcher.command(ranks, [sys.executable, "-P", *words], [])
    env = os.environ | launcher.environment() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, input=requests, capture_output=True, text=True, check=True, timeout=200)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_all_reduce_is_bytes_over_time_as_an_independent_loop_has_it():
    (answer,) = on_ranks(2, LOOP, "2")
    assert answer["sum"] == 1 + 2
    found = answer["found"]
    assert [(entry["ranks"], entry["bytes"]) for entry in found["entries"]] == [(2, 4**n) for n in range(6, 12)]
    for entry in found["entries"]:
        of_the_median = entry["bytes"] / entry["seconds"]  # 2 (n - 1) / n is 1 for two ranks
        assert of_the_median == pytest.approx(entry["median_bus_bytes_per_s"], rel=0.5)
        assert of_the_median <= entry["bus_bytes_per_s"] * (1 + 1e-9)
    largest = found["entries"][-1]
    assert 0.1 < largest["seconds"] / answer["loop_s"] < 10  # wrong units or counts would be further off
    assert found["backend"] == "gloo"


def test_smaller_groups_reduce_while_the_others_wait():
    (answer,) = on_ranks(3, LOOP, "3")
    entries = answer["found"]["entries"]
    assert answer["sum"] == 1 + 2 + 3
    assert {entry["ranks"] for entry in entries} == {2, 3}
    best = max(entry["bus_bytes_per_s"] for entry in entries if entry["ranks"] == 3)
    assert answer["found"]["bus_bytes_per_s"] == best


def test_a_worker_group_measures_one_ceiling_after_the_other(tmp_path):
    request = {"do": "ceiling", "seconds_each": 0.005, "largest_bytes": 4096, "smaller_groups": False}
    request |= {"path": str(tmp_path), "bytes_a_rank": 1}
    parts = ("launches", "allreduce", "storage")
    lines = "".join(json.dumps({**request, "part": part}) + "\n" for part in parts)
    words = ("-m", "saih.worker.main", "--ranks", "2", "--device", "cpu", "--cores-per-rank", "1", "--copies", "1")
    words += ("--faults", str(tmp_path / "faults"))
    told = on_ranks(2, *words, requests=lines)
    launches, allreduce, storage = (each for each in told if "progress" not in each and "ready" not in each)
    assert launches["launch_s"] > 0
    assert allreduce["latency_s"] == allreduce["entries"][0]["seconds"]
    assert storage["bytes"] == 2 * 8 * 4 * 2**20
    assert list(tmp_path.iterdir()) == []
    assert {each["progress"][0] for each in told if "progress" in each} >= {"measuring launches", "measuring storage"}


def test_the_command_prints_and_keeps_what_it_measured(saih):
    words = ("--quick", "--ranks", "2", "--device", "cpu", "--storage", ".", "--out", "peaks.json")
    done = saih("peaks", *words, status=None)
    kept = json.loads((saih.folder / "peaks.json").read_text())
    assert kept["schema"] == 1
    assert kept["system"]["machine"]["device_kind"] == "cpu"
    assert [(peak["precision"], peak["ranks"]) for peak in kept["peaks"]] == [("fp32", 2), ("bf16", 2)]
    (ceiling,) = kept["ceilings"]
    assert list(ceiling) == ["ranks", "memory", "copies", "launches", "allreduce", "storage"]
    for part, name in (
        ("memory", "memory_bytes_per_s"),
        ("allreduce", "bus_bytes_per_s"),
        ("storage", "read_bytes_per_s"),
    ):
        assert ceiling[part][name] > 0
        assert f"{part}: {ceiling[part]['method']}" in done.stdout
    assert "no datasheet peak is listed" in kept["datasheet"]["fp32"]["why"]
    assert done.returncode == (1 if kept["doubts"] else 0)  # of a busy machine anything may be doubtful
    assert "all-reduce, 2 ranks, 4 KiB" in done.stdout
    assert done.stdout.splitlines()[-1] == "kept in peaks.json"
    assert "looking at the machine" in done.stderr
    assert [path.name for path in saih.folder.iterdir()] == ["peaks.json"]


def test_more_ranks_than_cores_and_a_file_too_small_are_one_line(saih):
    (saih.folder / "small").write_bytes(b"x")
    many = str(len(os.sched_getaffinity(0)) + 1)
    assert f"saih: --ranks {many}: there are" in saih("peaks", "--ranks", many, "--device", "cpu", status=2).stderr
    done = saih("peaks", "--storage", "small", "--device", "cpu", status=2)
    assert done.stderr.splitlines()[-1] == "saih: --storage small: holds 1 bytes, but 1 rank needs 32 MiB to read"
