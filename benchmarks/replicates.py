"""Do the stated intervals hold? Replicates of one configuration, and whether neighbours agree.

    python -m benchmarks.replicates [--processes 40] [--max-s 10] [--cores 1] [--edge 16] [--precision fp32]
        [--run FOLDER] [--limit-s SECONDS] [--out FILE.json]

Runs `saih sweep` on one small CosmoFlow problem in so many fresh processes, one after another. A replicate is what
`sweep.repeats` would make a case of: two (three) processes in a row, with the interval that a report states for them
(reports/analysis/cases.py). It agrees with the next one if their intervals overlap. Beside it stands what each process
states alone, its within-run interval, which cannot hold what differs between processes, or what other users of the
machine do minutes later.

No test: the outcome depends on the machine, so that the load average (processes that run or wait, of the whole
machine) is kept with it. With --run the sweep is kept in that folder, and goes on where it was; with --limit-s it is
stopped then, and what there is is compared.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reports.analysis.cases import Quantity, replicated
from saih import records
from saih.records.record import Record
from saih.statistics.correlated import drift
from saih.statistics.intervals import outliers

CONFIG = """schema: 1
name: replicates
app: cosmoflow
size: {{edge: {edge}, width: 0.5, depth: 1}}
run: {{ranks: 1, batch: 4, precision: {precision}, execution: plain, input: synthetic}}
sweep: {{kind: matrix, repeats: {processes}}}
measure: {{target_percent: 1, max_s: {max_s}, profile: false}}
launch: {{cores_per_rank: {cores}}}
"""


PREEMPTED = 75
"""The exit status of a sweep that was asked to stop."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=40)
    parser.add_argument("--max-s", type=float, default=10)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--edge", type=int, default=16)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--run", type=Path, help="the run's folder, to be kept")
    parser.add_argument("--limit-s", type=float)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        before = os.getloadavg()[0]
        run = sweep(Path(folder), asked)
        load = [before, os.getloadavg()[0]]
        found = compare(records.read_all(run / "points"))
        system = records.read_json(run / "system.json")
    machine = system["machine"]
    found["machine"] = {key: machine[key] for key in ("device_kind", "device", "cores", "memory_bytes")}
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
    config, run = folder / "replicates.yaml", asked.run or folder / "run"
    config.write_text(CONFIG.format(**vars(asked)), encoding="utf-8")
    process = subprocess.Popen([sys.executable, "-m", "saih", "sweep", str(config), "--out", str(run)])
    try:
        status = process.wait(asked.limit_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        status = process.wait()
    if status not in (0, 1, PREEMPTED):  # 1: some point is invalid, which the comparison tells
        sys.exit(status)
    return run


def compare(found: Sequence[Record]) -> dict[str, Any]:
    """How many neighbours agree, alone and together; and the raw blocks, so that more can be tried on them."""
    good = [record for record in found if record.status == "ok"]
    good.sort(key=lambda record: str(record.provenance["started"]))
    blocks = [block_step_s(record) for record in good]
    medians = [statistics.median(each) for each in blocks]
    return {
        "processes": len(good),
        "not_ok": [record.status for record in found if record.status != "ok"],
        "ways": ways([stated(record) for record in good]),
        "median_step_s": medians,
        "spread_of_medians_percent": 100 * (max(medians) - min(medians)) / statistics.median(medians),
        "deviation_of_medians_percent": 100 * statistics.stdev(medians) / statistics.median(medians),
        "drift_percent_and_p": [drift(each) for each in blocks],
        "outliers": [outliers(each).count for each in blocks],
        "stopped": [record.samples["stopped"] for record in good],
        "block_step_s": [[float(f"{x:.5g}") for x in each] for each in blocks],
    }


def ways(alone: Sequence[Quantity]) -> dict[str, Any]:
    """Agreement of single processes, and of two and three in a row taken together."""
    found = {alone[0].interval: agreement(alone)}
    for n in (2, 3):
        together = [replicated(alone[i : i + n]) for i in range(0, len(alone) - n + 1, n)]
        if len(together) > 1:
            found[together[0].interval] = agreement(together)
    return found


def stated(record: Record) -> Quantity:
    """The step time with the interval of its record."""
    step = record.metrics["step_s"]
    return Quantity(step["value"], step["unit"], step["low"], step["high"], step["interval"])


def block_step_s(record: Record) -> list[float]:
    """Seconds of a step in each block, on the slowest rank."""
    steps = record.samples["block_steps"]
    return [max(ranks) / steps for ranks in record.samples["block_s"]["full"]]


def agreement(stated: Sequence[Quantity]) -> dict[str, Any]:
    """Neighbours whose intervals overlap, and the median half-width."""
    ends = [(each.low, each.high, each.value) for each in stated if each.low and each.high and each.value]
    overlap = [a[0] <= b[1] and b[0] <= a[1] for a, b in itertools.pairwise(ends)]
    widths = [50 * (high - low) / middle for low, high, middle in ends]
    return {"agree": sum(overlap), "pairs": len(overlap), "median_half_width_percent": statistics.median(widths)}


if __name__ == "__main__":
    main()
