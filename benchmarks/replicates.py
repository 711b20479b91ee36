"""Do the stated intervals hold? Replicates of one configuration in fresh processes, and whether neighbours agree.

    python -m benchmarks.replicates [--repeats 20] [--max-s 10] [--cores 1] [--edge 16] [--precision fp32]
        [--out FILE.json]

Runs `saih sweep` on one small CosmoFlow problem with so many repeats, each a process of its own, and compares the
interval that each record states for its step time with that of the replicate measured next: they agree if they
overlap. Beside it stand two other ways to make an interval of the same raw blocks, so that one sees what each is worth:
order statistics as if blocks were independent, and the one that takes their correlation into account.

An interval within a run cannot hold what differs between processes, or what other users of the machine do minutes
later; that neighbours agree shows how far it carries all the same. No test: the outcome depends on the machine, so that
the load average (processes that run or wait, of the whole machine) is kept with it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from saih import records
from saih.records import Record
from saih.stats import Interval, drift, median_interval, outliers, serial_median_interval

CONFIG = """schema: 1
name: replicates
app: cosmoflow
size: {{edge: {edge}, width: 0.5, depth: 1}}
run: {{ranks: 1, batch: 4, precision: {precision}, execution: plain, input: synthetic}}
sweep: {{kind: matrix, repeats: {repeats}}}
measure: {{target_percent: 1, max_s: {max_s}}}
launch: {{cores_per_rank: {cores}}}
"""

Ends = tuple[float, float]
WAYS: dict[str, Callable[[Sequence[float]], Interval]] = {
    "order statistics, as if independent": median_interval,
    "order statistics, correlation by batches": serial_median_interval,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--max-s", type=float, default=10)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--edge", type=int, default=16)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--run", type=Path, help="the folder of a run that is there already")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        before = os.getloadavg()[0]
        run = asked.run or sweep(Path(folder), asked)
        load = None if asked.run else [before, os.getloadavg()[0]]
        found = compare(records.read_all(run / "points"))
        system = records.read_json(run / "system.json")
    machine = system["machine"]
    found["machine"] = {key: machine[key] for key in ("device_kind", "cores", "memory_bytes")}
    found["load_average_before_and_after"] = load
    found["software"] = {key: system["software"].get(key) for key in ("saih", "python", "torch")}
    for name, way in found["ways"].items():
        width = way["median_half_width_percent"]
        print(f"{name}: {way['agree']} of {way['pairs']} neighbours agree; half-width {width:.3g} % (median)")
    if asked.out:
        asked.out.write_text(as_lines(found), encoding="utf-8")


def as_lines(found: dict[str, Any]) -> str:
    """JSON with a line a key: the raw blocks are many."""
    return "{\n" + ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in found.items()) + "\n}\n"


def sweep(folder: Path, asked: argparse.Namespace) -> Path:
    """Measure; the run's folder."""
    config, run = folder / "replicates.yaml", folder / "run"
    config.write_text(CONFIG.format(**vars(asked)), encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "saih", "sweep", str(config), "--out", str(run)], check=False)
    if done.returncode not in (0, 1):  # 1: some point is invalid, which the comparison tells
        sys.exit(done.returncode)
    return run


def compare(found: Sequence[Record]) -> dict[str, Any]:
    """How many neighbours agree, by each way; and the raw blocks, so that others can be tried on them."""
    ordered = sorted(found, key=lambda record: str(record.provenance["started"]))
    good = [record for record in ordered if record.status == "ok"]
    blocks = [block_step_s(record) for record in good]
    stated = [(record.metrics["step_s"]["low"], record.metrics["step_s"]["high"]) for record in good]
    medians = [statistics.median(each) for each in blocks]
    ways = {f"as recorded: {good[0].metrics['step_s']['interval']}": agreement(stated, medians)}
    for name, way in WAYS.items():
        ways[name] = agreement([(each.low, each.high) for each in map(way, blocks)], medians)
    return {
        "replicates": len(ordered),
        "not_ok": [record.status for record in ordered if record.status != "ok"],
        "ways": ways,
        "median_step_s": medians,
        "spread_of_medians_percent": 100 * (max(medians) - min(medians)) / statistics.median(medians),
        "drift_percent_and_p": [drift(each) for each in blocks],
        "outliers": [outliers(each).count for each in blocks],
        "stopped": [record.samples["stopped"] for record in good],
        "block_step_s": [[float(f"{x:.5g}") for x in each] for each in blocks],
    }


def block_step_s(record: Record) -> list[float]:
    """Seconds of a step in each block, on the slowest rank."""
    steps = record.samples["block_steps"]
    return [max(ranks) / steps for ranks in record.samples["block_s"]["full"]]


def agreement(intervals: Sequence[Ends], medians: Sequence[float]) -> dict[str, Any]:
    """Neighbours whose intervals overlap, and the median half-width."""
    pairs = list(itertools.pairwise(intervals))
    overlap = [a[0] <= b[1] and b[0] <= a[1] for a, b in pairs]
    widths = [50 * (high - low) / middle for (low, high), middle in zip(intervals, medians, strict=True)]
    return {"agree": sum(overlap), "pairs": len(pairs), "median_half_width_percent": statistics.median(widths)}


if __name__ == "__main__":
    main()
