"""Do two ways to find exposed time agree: by difference, and by torch.profiler?

    python -m benchmarks.agreement [--device cuda] [--ranks 1 2] [--max-s 5] [--run FOLDER] [--out FILE.json]

By difference: a block of steps less a block of the same steps without input, or without communication, median over the
pairs (exposed_input_s, exposed_comm_s of a record). By the profiled pass: time in which the device had nothing to do
while the step waited for input, or in which only communication ran (samples["profile"]). The first is what removing
the part would save, the second what it is seen to hold up; where they differ by more than the noise, one of them is
wrong or the part slows others by its mere presence. On a CPU it does: threads that read and decode share the cores with
the step, which then computes more slowly instead of waiting. Target on a GPU, for steps over 20 ms: within 3 % of the
step.

CosmoFlow, and the planted toy with input copied or inflated. Ranks beyond the machine's devices are left out.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.replicates import as_lines
from saih import records
from saih.records import Record
from tests.planted.plants import Planting, launched
from tests.planted.sweeps import sweep

RESULTS = Path(__file__).with_name("results")
PARTS = ("exposed_input_s", "exposed_comm_s")
LEAST_STEP_S = 0.02
SIZES = {"cpu": ({"edge": 32, "width": [0.5, 1]}, 4), "cuda": ({"edge": 128, "width": [1, 4]}, 8)}
PLANTED = {
    "cpu": ({"products": 1, "inflate_mb": 4}, {"products": 1, "sums_mb": 8}),
    "cuda": ({"products": 16, "copies_mb": 256}, {"products": 16, "inflate_mb": 16}, {"products": 16, "sums_mb": 256}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--max-s", type=float, default=5)
    parser.add_argument("--run", type=Path, help="a folder that keeps the sweeps, or has them already")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as temporary:
        folder = (asked.run or Path(temporary)).resolve()
        made = {c["name"]: sweep_or_none(c, folder) for c in configs(asked.device, asked.ranks, asked.max_s, folder)}
        rows = [row for found in made.values() for record in found for row in compared(record)]
        systems = [path for name in made if (path := folder / name / "system.json").exists()]
        system = records.read_json(systems[0]) if systems else sys.exit("no sweep could be made")
    machine = system["machine"]
    result = {
        "machine": {key: machine[key] for key in ("device_kind", "device", "cores", "memory_bytes")},
        "software": {key: system["software"].get(key) for key in ("saih", "python", "torch")},
        "method_version": system["method_version"],
        "load_average_before_and_after": [before, os.getloadavg()[0]],
        "rows": rows,
    }
    (asked.out or RESULTS / f"agreement-{asked.device}.json").write_text(as_lines(result), encoding="utf-8")
    print("\n".join(map(told, rows)))


def configs(device: str, ranks: list[int], max_s: float, folder: Path) -> list[dict[str, Any]]:
    """CosmoFlow with a data set, then the planted toy at each rank count."""
    size, batch = SIZES[device]
    precision = "fp32" if device == "cpu" else "bf16"
    cosmoflow = {
        "schema": 1,
        "name": "cosmoflow",
        "app": "cosmoflow",
        "data": {"recipe": {"universes": 4 * max(ranks), "edge": size["edge"]}},
        "size": {**size, "depth": 1},
        "run": {"ranks": ranks, "batch": batch, "precision": precision, "input": ["dataset", "dataset-cold"]},
        "sweep": {"beyond_slots": "skip"},
        "measure": {"target_percent": 1, "max_s": max_s},
        "launch": launched(device),
    }
    found = [cosmoflow]
    for count in ranks:
        points = tuple(point for point in PLANTED[device] if count > 1 or "sums_mb" not in point)
        planted = Planting(f"planted-{count}", points, count).config(str(folder / "files"), device, max_s)
        planted["sweep"]["beyond_slots"] = "skip"
        found.append(planted)
    return found


def sweep_or_none(config: dict[str, Any], folder: Path) -> list[Record]:
    """The records of a sweep; none where it cannot be made, which is said."""
    try:
        return sweep(config, folder)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return []


def compared(record: Record) -> list[dict[str, Any]]:
    """A row for each part that both ways tell of; one with the reason where the profiled pass tells nothing."""
    if record.status != "ok":
        return []
    profile, step_s = record.samples["profile"], record.value("step_s")
    rows = []
    for part in PARTS:
        by_difference = record.metrics[part]
        if not by_difference["value"] or (part == "exposed_comm_s" and record.point["run"]["ranks"] == 1):
            continue
        row = {
            "point": label(record),
            "part": part,
            "step_s": step_s,
            "profiled_step_s": profile.get("step_s"),
            "by_difference_s": {key: by_difference.get(key) for key in ("value", "low", "high")},
            "by_profile_s": profile.get(part),
        }
        if row["by_profile_s"] is None:
            row["why"] = profile["why"].get(part, profile["why"].get("profile"))
        else:
            row["difference_of_step"] = (row["by_profile_s"] - by_difference["value"]) / step_s
        rows.append(row)
    return rows


def label(record: Record) -> str:
    """The point in few words: dials that are turned on, ranks and input."""
    dials = " ".join(f"{name}={value:g}" for name, value in record.point["size"].items() if value)
    run = record.point["run"]
    return f"{dials} ranks={run['ranks']} {run['input']}"


def told(row: dict[str, Any]) -> str:
    """A row, for people."""
    head = f"{row['point']}: {row['part']}: step {1e3 * row['step_s']:.1f} ms, "
    head += f"by difference {1e3 * row['by_difference_s']['value']:.2f} ms, "
    if "why" in row:
        return f"{head}by profile unknown: {row['why']}"
    short = "" if row["step_s"] > LEAST_STEP_S else " (a short one)"
    apart = f"{100 * row['difference_of_step']:+.1f} % of the step{short}"
    return f"{head}by profile {1e3 * row['by_profile_s']:.2f} ms: {apart}"


if __name__ == "__main__":
    main()
