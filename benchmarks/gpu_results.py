"""All that is measured on a GPU by hand, in one go and unattended: make gpu-results PYTHON=python3 OUT=FOLDER

    python -m benchmarks.gpu_results [--out FOLDER] [--only STAGE ...]

Stages, each with a time limit of its own, under twelve minutes together; one that fails or runs out of time costs
itself only. Output and results of each go to the folder, and summary.json says how each ended. What is worth keeping
is then copied to benchmarks/results/ by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
SHORT = {"universes": 8, "edge": [32, 128], "width": [1, 4], "max_s": 3, "repeats": 1}
"""What the short sweep takes of configs/cosmoflow-gpu.yaml."""


@dataclass(frozen=True)
class Stage:
    """A command, and how long it may take; {out} is the results' folder."""

    name: str
    timeout_s: int
    module: str
    words: tuple[str, ...]


STAGES = (
    Stage("counters", 40, "benchmarks.counters", ("--seconds", "2")),
    Stage("planted", 330, "benchmarks.planted", ("--device", "cuda", "--run", "{out}/planted")),
    Stage("agreement", 180, "benchmarks.agreement", ("--device", "cuda", "--rounds", "4")),
    Stage("measuring_cost", 45, "benchmarks.measuring_cost", ("--device", "cuda", "--seconds", "10")),
    Stage("sweep", 75, "saih", ("sweep", "{out}/cosmoflow-gpu.yaml", "--out", "{out}/cosmoflow-gpu")),
)
RESULTS_IN = ("counters", "planted", "agreement", "measuring_cost")
"""Stages that take --out FILE.json."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "gpu-results")
    parser.add_argument("--only", nargs="+", choices=[stage.name for stage in STAGES])
    asked = parser.parse_args()
    out = asked.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    write_short_sweep(out)
    ended = {stage.name: run(stage, out) for stage in STAGES if not asked.only or stage.name in asked.only}
    (out / "summary.json").write_text(json.dumps(ended, indent=1) + "\n", encoding="utf-8")
    return int(any(each["status"] != 0 for each in ended.values()))


def run(stage: Stage, out: Path) -> dict[str, float | int | str]:
    """Do a stage; its exit status (or "timeout") and time. All its processes end with it."""
    words = [word.format(out=out) for word in stage.words]
    if stage.name in RESULTS_IN:
        words += ["--out", str(out / f"{stage.name}-cuda.json")]
    began = time.monotonic()
    with open(out / f"{stage.name}.log", "w", encoding="utf-8") as log:
        command = [sys.executable, "-m", stage.module, *words]
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status: int | str = process.wait(stage.timeout_s)
        except subprocess.TimeoutExpired:
            status = "timeout"
            end(process)
    seconds = round(time.monotonic() - began, 1)
    how = f"exit status {status}" if isinstance(status, int) else "ran out of time"
    print(f"{stage.name}: {how} after {seconds} s; see {out / stage.name}.log", flush=True)
    return {"status": status, "seconds": seconds}


def end(process: subprocess.Popen[bytes], grace_s: float = 5) -> None:
    """Interrupt a stage, so that it can leave what it has, then kill what is left of it."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def write_short_sweep(out: Path) -> None:
    config = yaml.safe_load((ROOT / "configs" / "cosmoflow-gpu.yaml").read_text(encoding="utf-8"))
    config["data"]["recipe"]["universes"] = SHORT["universes"]
    config["size"] = {"edge": SHORT["edge"], "width": SHORT["width"]}
    config["measure"]["max_s"] = SHORT["max_s"]
    config["sweep"]["repeats"] = SHORT["repeats"]
    (out / "cosmoflow-gpu.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
