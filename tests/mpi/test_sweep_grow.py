"""Growing sweeps for real: until a memory limit ends them, or the steps do; resumed, they measure nothing twice."""

import pytest

from saih import records
from tests.conftest import Cli, toy_config

pytestmark = pytest.mark.mpi


def grow_config(n, memory_gib=None, **grow):
    return toy_config(
        size={"n": [n]},
        run={"ranks": [1]},
        sweep={"kind": "grow", "grow": {"along": {"n": 2}, **grow}},
        measure={"target_percent": 50, "max_s": 0.3},
        limits={"point_timeout_s": 120, "memory_gib": memory_gib},
    )


def points(folder):
    found = records.read_all(folder / "runs" / "toy" / "points")
    return sorted((r.point["size"]["n"], r.point["repeat"], r.status) for r in found)


def test_grows_until_memory_ends_and_confirms_the_frontier(tmp_path):
    cli = Cli(tmp_path, reports=True)
    grown = grow_config(512, memory_gib=0.25, bisections=1, flat_percent=None)
    cli.write("toy.yaml", grown | {"data": {"hold": 16}})
    done = cli("sweep", "toy.yaml")
    found = points(tmp_path)
    ran = [n for n, repeat, status in found if status == "ok" and not repeat]
    ended = [n for n, _, status in found if status == "oom"]
    assert ran[:2] == [512, 1024]
    assert ended
    assert max(ran) < min(ended) <= 2048
    assert (max(ran), 1, "ok") in found
    assert 1448 in ran + ended
    system = records.read_json(tmp_path / "runs" / "toy" / "system.json")
    (end,) = system["growth"].values()
    assert end["why"].startswith(f"n={max(ran)} power=1 is the largest that ran: n={min(ended)} power=1 ended as oom")
    assert f"growth ended: {end['why']}" in done.stdout
    assert "n=512" in (tmp_path / "runs" / "toy" / "report.html").read_text(encoding="utf-8")

    again = cli("sweep", "toy.yaml")
    assert points(tmp_path) == found
    assert "[1]" not in again.stdout


def test_steps_end_it_and_more_steps_go_on(tmp_path):
    cli = Cli(tmp_path)
    cli.write("toy.yaml", grow_config(8, steps=2))
    cli("sweep", "toy.yaml")
    assert points(tmp_path) == [(8, 0, "ok"), (16, 0, "ok"), (32, 0, "skipped")]
    (skipped,) = [r for r in records.read_all(tmp_path / "runs" / "toy" / "points") if r.status == "skipped"]
    assert skipped.error["message"] == "growth ended before it: sweep.grow.steps = 2 sizes were run"
    cli.write("toy.yaml", grow_config(8, steps=3, flat_percent=None))
    done = cli("sweep", "toy.yaml")
    assert points(tmp_path) == [(8, 0, "ok"), (16, 0, "ok"), (32, 0, "ok"), (64, 0, "skipped")]
    assert done.stdout.count("samples/s") >= 1
    assert "[2]" not in done.stdout


def test_plan_shows_the_sizes_to_come(tmp_path):
    cli = Cli(tmp_path)
    cli.write("toy.yaml", grow_config(8, steps=3))
    lines = cli("plan", "toy.yaml").stdout.splitlines()
    assert [line.split("-")[0] for line in lines[1:4]] == ["n8", "n16", "n32"]


@pytest.mark.parametrize(
    ("sweep", "size", "words"),
    [
        ({"kind": "grow"}, [8], "sweep.grow: is required with sweep.kind = grow"),
        ({"grow": {"along": {"n": 2}}}, [8], "sweep.grow: needs sweep.kind = grow, not matrix"),
        (
            {"kind": "grow", "grow": {"along": {"m": 2}}},
            [8],
            "sweep.grow.along.m: unknown dial of toy; allowed: n, power",
        ),
        ({"kind": "grow", "grow": {"along": {"n": 1}}}, [8], "sweep.grow.along.n = 1: must be greater than 1"),
        ({"kind": "grow", "grow": {"along": {"n": 2}}}, [8, 16], "size: growing begins at one size"),
        ({"kind": "grow", "grow": {"along": {"n": 2}}, "repeats": 2}, [8], "sweep.repeats = 2: must be 1"),
    ],
)
def test_bad_growth_is_one_line(tmp_path, sweep, size, words):
    cli = Cli(tmp_path)
    cli.write("toy.yaml", toy_config(size={"n": size}, sweep=sweep))
    done = cli("plan", "toy.yaml", status=2)
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_every_size_is_run_with_the_largest_batch_that_fits(tmp_path):
    cli = Cli(tmp_path)
    grown = grow_config(128, memory_gib=0.25, steps=2, batch="largest")
    cli.write("toy.yaml", grown | {"data": {"hold": 16}})
    cli("sweep", "toy.yaml")
    ended = {}
    for record in records.read_all(tmp_path / "runs" / "toy" / "points"):
        ended.setdefault(record.point["size"]["n"], {})[record.point["run"]["batch"]] = record.status
    # 2 MiB and 8 MiB a sample, and some that numpy takes besides
    assert ended[128] == {128: "oom", 64: "ok"}
    assert ended[256] == {32: "oom", 16: "ok"}
