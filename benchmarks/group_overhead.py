"""What a point costs beyond its own measurement: served by a warm worker group, and by a process of its own.

    python -m benchmarks.group_overhead [--rounds 3] [--ranks 1 2] [--edges 16 32] [--device cpu]

CosmoFlow's points with synthetic input, warm and cold in turn. Beyond its own measurement is all between asking for the
point and having its answer, except warm-up and timed blocks: starting processes, building, checking, giving back. The
throughputs of both are compared as well: a warm group must measure what a fresh one does. Prints a table; the last line
is JSON, which is also written to results/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from saih import launch
from saih.app import Execution, Point
from saih.applications import load
from saih.config.schema import Launch
from saih.groups.pool import Groups
from saih.groups.worker_group import Patience

RESULTS = Path(__file__).with_name("results")
MEASURE = {"target_percent": 2.0, "max_s": 2.0, "memory_gib": None, "paths": []}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--edges", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        settings = Launch(device=arguments.device)
        groups = Groups(settings, launch.find(settings), Path(folder), lambda what, done, total: None)
        cores = len(os.sched_getaffinity(0))
        with groups:
            for ranks in arguments.ranks:
                groups.cores_per_rank = max(1, cores // max(arguments.ranks))
                for number in range(arguments.rounds):
                    found += turn(groups, ranks, arguments.edges, number)
    result = {"machine": {"cores": cores, "python": platform.python_version()}, "points": found, **summary(found)}
    out = arguments.out or RESULTS / f"group_overhead-{arguments.device}.json"
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary(found)))


def turn(groups: Groups, ranks: int, edges: list[int], number: int) -> list[dict[str, Any]]:
    """Every point cold, each after a start, then every point warm, behind one that is not counted."""
    points = [point_of(ranks, edge) for edge in edges]
    cold = []
    for point in points:
        groups.end()
        cold.append(timed(groups, point, "cold"))
    warm = [timed(groups, point, "warm") for point in [points[-1], *points]][1:]
    for each in (*cold, *warm):
        told = (each["kind"], ranks, each["edge"], each["beyond_s"], each["samples_per_s"])
        print("round {} {} ranks {} edge {}: {:.2f} s beyond, {:.1f} samples/s".format(number, *told), flush=True)
    return cold + warm


def point_of(ranks: int, edge: int) -> Point:
    size = {"edge": edge, "width": 0.25, "depth": 1}
    run = Execution(ranks, 4, "fp32", "plain", "synthetic")
    return Point("cosmoflow", size, run, load("cosmoflow").resolve_data({}), 0)


def timed(groups: Groups, point: Point, kind: str) -> dict[str, Any]:
    begin = time.perf_counter()
    request = {"do": "measure", "point": point.to_dict(), **MEASURE}
    samples = groups.ask(request, point.run.ranks, kind, Patience(600), point.repeat)["samples"]
    wall_s = time.perf_counter() - begin
    blocks_s = sum(max(ranks) for blocks in samples["block_s"].values() for ranks in blocks)
    full = samples["block_s"]["full"]
    served = len(full) * samples["block_steps"] * point.run.ranks * point.run.batch
    return {
        "kind": kind,
        "ranks": point.run.ranks,
        "edge": point.size["edge"],
        "beyond_s": wall_s - blocks_s - samples["warmup_s"],
        "samples_per_s": served / sum(max(ranks) for ranks in full),
    }


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians and ranges of the time beyond, and warm throughput over cold, point by point."""
    told: dict[str, Any] = {}
    for kind in ("cold", "warm"):
        times = [each["beyond_s"] for each in found if each["kind"] == kind]
        told[f"{kind}_beyond_s"] = {"median": statistics.median(times), "least": min(times), "most": max(times)}
    ratios = [
        statistics.median(rates_of(found, "warm", *key)) / statistics.median(rates_of(found, "cold", *key))
        for key in sorted({(each["ranks"], each["edge"]) for each in found})
    ]
    return told | {"warm_over_cold_samples_per_s": ratios}


def rates_of(found: list[dict[str, Any]], kind: str, ranks: int, edge: int) -> list[float]:
    wanted = (kind, ranks, edge)
    return [each["samples_per_s"] for each in found if (each["kind"], each["ranks"], each["edge"]) == wanted]


if __name__ == "__main__":
    main()
