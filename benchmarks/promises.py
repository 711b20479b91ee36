"""What a plan says beforehand, against what sweeps took: their time, and the memory of every point.

    python -m benchmarks.promises RUN [RUN ...] --out benchmarks/results/promises.json

keeps of runs' folders what the comparison needs, and prints it (docs/configuration.md). tests/unit/test_promises.py
holds today's estimates against what is kept, so that a change to them shows.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from saih.app import Execution, Point
from saih.applications import load
from saih.cli.progress import roughly
from saih.config.schema import Measure
from saih.sweep.memory_fit import cost_on
from saih.sweep.time_estimate import Estimate, Load, Range, Taken, total


def kept_of(folder: Path) -> dict[str, Any]:
    """A run as it is kept: the machine, the set-up's seconds since system.json was begun, the points in their order."""
    system = json.loads((folder / "system.json").read_text())
    records = [json.loads(path.read_text()) for path in (folder / "points").glob("*.json")]
    records.sort(key=lambda each: each["provenance"]["started"])
    first = datetime.fromisoformat(records[0]["provenance"]["started"])
    return {
        "run": folder.name,
        "device": system["machine"]["device"],
        "device_kind": system["machine"]["device_kind"],
        "cores_per_rank": system["cores_per_rank"],
        "torch": system["software"]["torch"],
        "method_version": system["method_version"],
        "measure": records[0]["provenance"]["measure"],
        "app": records[0]["point"]["app"],
        "ceilings": [{key: peak[key] for key in ("ranks", "precision", "flop_per_s")} for peak in system["peaks"]],
        "ceilings_s": (first - datetime.fromisoformat(system["created"])).total_seconds(),
        "points": [_point(record) for record in records],
    }


def _point(record: Mapping[str, Any]) -> dict[str, Any]:
    samples = record["samples"]
    block_s = statistics.median(max(ranks) for ranks in samples["block_s"]["full"])
    threads = record["point"]["data"].get("threads")
    return {
        "size": record["point"]["size"],
        "run": record["point"]["run"],
        "data": {"threads": threads} if threads else {},
        "repeat": record["point"]["repeat"],
        "wall_s": record["provenance"]["wall_s"],
        "step_s": block_s / samples["block_steps"],
        "variants": len(samples["block_s"]),
        "peak_mem_bytes": record["metrics"]["peak_mem_bytes"]["value"],
    }


def point_of(run: Mapping[str, Any], kept: Mapping[str, Any]) -> Point:
    """The point of a kept one."""
    return Point(run["app"], kept["size"], Execution(**kept["run"]), kept["data"], kept["repeat"])


def memory(run: Mapping[str, Any]) -> list[float]:
    """Predicted over measured memory, less 1, of every point."""
    app = load(run["app"])
    found = []
    for kept in run["points"]:
        cost = cost_on(app, point_of(run, kept), run["device_kind"], run["cores_per_rank"])
        found.append((cost.memory_bytes + cost.workspace_bytes) / kept["peak_mem_bytes"] - 1)
    return found


def loads(run: Mapping[str, Any]) -> list[Load]:
    """The points as an estimate sees them, in the order in which they were measured."""
    points = [point_of(run, kept) for kept in run["points"]]
    app = load(run["app"])
    return [Load(app.cost(point).flop_per_sample * point.run.batch, point.run, point.repeat) for point in points]


def taken(run: Mapping[str, Any]) -> list[Taken]:
    """What the points tell an estimate, in the same order."""
    served: set[tuple[int, int]] = set()
    found = []
    for known, kept in zip(loads(run), run["points"], strict=True):
        group = (known.repeat, known.run.ranks)
        found.append(Taken(known, kept["wall_s"], kept["step_s"], kept["variants"], group not in served))
        served.add(group)
    return found


def estimate(run: Mapping[str, Any], knows_ceilings: bool) -> Estimate:
    """That of the run's configuration on its kind of device."""
    peaks = {(peak["ranks"], peak["precision"]): peak["flop_per_s"] for peak in run["ceilings"]}
    measure = Measure(**run["measure"])
    return Estimate(measure, run["device_kind"], run["cores_per_rank"], peaks if knows_ceilings else {})


def beforehand(run: Mapping[str, Any]) -> tuple[Range, float]:
    """What a plan says before the machine is known, and what ceilings and points took."""
    took_s = run["ceilings_s"] + sum(kept["wall_s"] for kept in run["points"])
    return total(estimate(run, False).in_turn(loads(run))), took_s


def after(run: Mapping[str, Any], order: Sequence[int], known: int) -> tuple[Range, float]:
    """What a resumed sweep says of the rest when the first ``known`` of this order are there, and what that took."""
    all_taken = taken(run)
    learned = estimate(run, True).learning([all_taken[number] for number in order[:known]])
    rest = [all_taken[number] for number in order[known:]]
    return total(learned.of(each.load) for each in rest), sum(each.wall_s for each in rest)


def table(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Both comparisons as Markdown."""
    yield "| run | points | before the machine is known | took | rest, half of the points known | took |"
    yield "|---|---|---|---|---|---|"
    for run in runs:
        count = len(run["points"])
        told = [_told(*beforehand(run)), _told(*after(run, range(count), count // 2))]
        yield f"| {run['run']}, {run['device']} | {count} | {' | '.join(told)} |"
    yield ""
    yield "| run | memory predicted, above the peak: least, median, most |"
    yield "|---|---|"
    for run in runs:
        for execution in sorted({kept["run"]["execution"] for kept in run["points"]}):
            above = [
                more
                for more, kept in zip(memory(run), run["points"], strict=True)
                if kept["run"]["execution"] == execution
            ]
            shown = ", ".join(f"{100 * more:.1f} %" for more in (min(above), statistics.median(above), max(above)))
            yield f"| {run['run']}, {execution} | {shown} |"


def _told(range_s: Range, took_s: float) -> str:
    return f"{roughly(range_s.middle)} ({roughly(range_s.low)} to {roughly(range_s.high)}) | {roughly(took_s)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    runs = [kept_of(folder) for folder in arguments.runs]
    arguments.out.write_text(json.dumps({"runs": runs}, indent=1) + "\n")
    print("\n".join(table(runs)))


if __name__ == "__main__":
    main()
