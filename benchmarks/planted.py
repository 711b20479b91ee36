"""Are planted bottlenecks found? Confusion matrix, detection limits and errors of predicted gains.

    python -m benchmarks.planted [--device cuda] [--gpus 2] [--repeats 3] [--max-s 4] [--run FOLDER] [--out FILE.json]

Sweeps the planted toy (tests/toys/planted.py) through the command line: every plant alone at many strengths, pairs of
plants, and controls, with fresh processes for every repeat. What a plant truly costs is measured in the point's own
process, by steps with it and without it in turn. tests/planted/ holds how that is judged, and asks it of fewer points.
Beside them stand points of CosmoFlow: no plants, so that nothing outside the step itself may be blamed; on a GPU also
a tiny batch, a wide network and a copied input.

What this machine cannot be disturbed with is left out and told. Results go to results/planted-<where>.json, and the
tables of docs/detection.md to the output. No test: the outcome depends on the machine and on what else it does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.replicates import as_lines
from saih import records
from saih.diagnosis import diagnose
from saih.records.record import Record
from tests.planted import scoring
from tests.planted.cosmoflow import EXPECTED, OUTSIDE, cosmoflow
from tests.planted.on_a_gpu import MANY, SEVERAL
from tests.planted.plants import PLANTS, Planting, cause_of, control, distinct, strengths
from tests.planted.scoring import Judged
from tests.planted.sweeps import cannot, costs, sweep

RESULTS = Path(__file__).with_name("results")


BASE, LONGER = {"products": 2}, {"products": 4}
CPU = [
    Planting(
        "alone",
        distinct(
            control(BASE),
            strengths(BASE, "passes", [1, 2, 3, 5, 8]),
            strengths(BASE, "calls", [2000, 4000, 8000, 16000, 24000]),
            strengths(BASE, "inflate_mb", [4, 6, 8, 12, 16]),
            strengths(BASE, "parse_kb", [50, 100, 150, 200, 300]),
            strengths({"passes": 2}, "products", [1, 3, 8]),
            control({**BASE, "passes": 5, "calls": 8000}),
            control({**BASE, "passes": 2, "inflate_mb": 32}),
            control({**BASE, "calls": 8000, "inflate_mb": 32}),
            control({**BASE, "passes": 2, "parse_kb": 300}),
            strengths(BASE, "hoard_mb", [256, 8192]),
        ),
        memory_gib=4,
    ),
    Planting(
        "slow-storage",
        distinct(
            control(BASE),
            strengths(BASE, "reads_mb", [1, 2, 3, 5, 8]),
            control({**BASE, "passes": 3}),
            control({**BASE, "passes": 3, "reads_mb": 5}),
        ),
        emulate={"storage_mb_s": 50},
    ),
    Planting(
        "slow-links",
        distinct(
            control(LONGER),
            strengths(LONGER, "sums_mb", [1, 2, 4, 8, 16]),
            strengths(LONGER, "late", [1, 2, 4, 8, 16]),
            control({**LONGER, "late": 8, "sums_mb": 8}),
        ),
        ranks=2,
        emulate={"link_mb_s": 200},
    ),
]
PLANTINGS = {"cpu": CPU, "cuda": [MANY], "cuda-2gpus": [SEVERAL]}
"""By where they are planted, which also names the file of results."""
PAIRS = {"cpu": 10, "cuda": 6}
"""Of blocks that tell what a plant costs; the other tenants of cores differ more than those of a GPU."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--gpus", type=int, choices=(1, 2), default=1, help="2: what only several GPUs wait for")
    parser.add_argument("--repeats", type=int, help="fresh processes; 3 on a CPU, 1 on a GPU")
    parser.add_argument("--max-s", type=float, help="of measuring a point; 4 on a CPU, 2 on a GPU")
    parser.add_argument("--run", type=Path, help="a folder that keeps the sweeps; those it has are judged anew")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    repeats = asked.repeats or (3 if asked.device == "cpu" else 1)
    max_s = asked.max_s or (4.0 if asked.device == "cpu" else 2.0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (asked.run or Path(temporary)).resolve()
        where = f"cuda-{asked.gpus}gpus" if asked.gpus > 1 else asked.device
        trial = Trial(folder, asked.device, max_s, repeats, asked.out or RESULTS / f"planted-{where}.json")
        for planting in PLANTINGS[where]:
            trial.plant(planting)
            trial.write()
        for config in cosmoflow(asked.device, max_s, repeats) if asked.gpus == 1 else ():
            trial.control(config)
            trial.write()
    print("\n".join(told(trial.points, trial.others, trial.left_out)))
    return 0 if trial.points else 1


class Trial:
    """All sweeps, and what became of them; `write` keeps what there is so far, lest a later one take it along."""

    def __init__(self, folder: Path, device: str, max_s: float, repeats: int, out: Path) -> None:
        self._folder, self._device, self._max_s, self._repeats, self._out = folder, device, max_s, repeats, out
        self._load, self._began = os.getloadavg()[0], time.monotonic()
        self._system: dict[str, Any] = {}
        self.points: list[Judged] = []
        self.others: list[dict[str, Any]] = []
        self.left_out: dict[str, str] = {}
        """Sweeps that cannot be made here, and why."""

    def plant(self, planting: Planting) -> None:
        """Sweep points of the planted toy."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if why := cannot(planting.emulate, self._folder):
            self.left_out[planting.name] = why
            return
        files = self._folder / "files"
        config = planting.config(str(files), self._device, self._max_s, self._repeats, PAIRS[self._device])
        self.points += scoring.judged(self._sweep(config), costs(files))

    def control(self, config: dict[str, Any]) -> None:
        """Sweep points of CosmoFlow."""
        self.others += [row(config["name"], record) for record in self._sweep(config)]

    def _sweep(self, config: dict[str, Any]) -> list[Record]:
        print(f"{config['name']} ...", file=sys.stderr, flush=True)
        try:
            found = sweep(config, self._folder, 3600)
        except RuntimeError as error:
            self.left_out[config["name"]] = str(error)
            return []
        self._system = self._system or records.read_json(self._folder / config["name"] / "system.json")
        return [diagnosed(record) for record in found]

    def write(self) -> None:
        """Write the results so far."""
        if not self._system:
            return
        machine, software = self._system["machine"], self._system["software"]
        result = {
            "machine": {key: machine[key] for key in ("device_kind", "device", "cores", "memory_bytes")},
            "software": {key: software.get(key) for key in ("saih", "python", "torch")},
            "method_version": self._system["method_version"],
            "load_average_before_and_after": [self._load, os.getloadavg()[0]],
            "wall_s": time.monotonic() - self._began,
            "left_out": self.left_out,
            **summary(self.points),
            "cosmoflow": self.others,
            "points": [asdict(each) for each in self.points],
        }
        self._out.write_text(as_lines(result), encoding="utf-8")


def diagnosed(record: Record) -> Record:
    """A record with the diagnosis that the code at hand makes of it: the sweep may be older."""
    if record.status != "ok":
        return record
    ceilings, kind = record.system["ceilings"], record.system["machine"]["device_kind"]
    return replace(record, diagnosis=diagnose(record.metrics, record.samples, ceilings, kind, record.point["run"]))


def row(name: str, record: Record) -> dict[str, Any]:
    """What is kept of a point of CosmoFlow."""
    diagnosis = record.diagnosis or {}
    named = [cause_of(cause) for cause in diagnosis.get("causes", [])]
    return {
        "name": name,
        "size": record.point["size"],
        "status": record.status,
        "step_s": record.value("step_s"),
        "verdict": diagnosis.get("verdict"),
        "shares": diagnosis.get("shares"),
        "expected": EXPECTED.get(name),
        "found": EXPECTED[name] in named if name in EXPECTED else None,
        "accused": [cause for cause in named if cause in OUTSIDE],
    }


def summary(points: Sequence[Judged]) -> dict[str, Any]:
    """Confusion matrix, limits, and what went wrong."""
    by_repeat: dict[int, list[Judged]] = {}
    for each in points:
        by_repeat.setdefault(each.repeat, []).append(each)
    return {
        "confusion": scoring.confusion(points),
        "limits": scoring.limits(points),
        "wrong": [told_ for repeat in by_repeat.values() for told_ in scoring.complaints(repeat).values()],
    }


def told(points: Sequence[Judged], others: Sequence[Any], left_out: dict[str, str]) -> list[str]:
    """The tables, in Markdown, and what went wrong."""
    lines = ["", *matrix(scoring.confusion(points)), "", *limits_table(scoring.limits(points)), ""]
    lines += [f"left out: {name}: {why.splitlines()[-1]}" for name, why in left_out.items()]
    lines += [f"wrong: {each}" for each in summary(points)["wrong"]]
    return lines + [f"CosmoFlow: {json.dumps(each)}" for each in others]


def matrix(rows: dict[str, dict[str, int]]) -> list[str]:
    """Rows: planted; columns: named."""
    names = [*(name for name in PLANTS.values() if name != "compute"), "kernels", "none of these"]
    columns = [name for name in names if any(name in row for row in rows.values())]
    columns += sorted({name for row in rows.values() for name in row} - {*columns, "points"})
    lines = [f"| planted | points | {' | '.join(columns)} |", f"|---|---|{'---|' * len(columns)}"]
    for planted_, row_ in rows.items():
        cells = [str(row_.get(name, "")) for name in ("points", *columns)]
        lines.append(f"| {planted_} | {' | '.join(cells)} |")
    return lines


def limits_table(limits: dict[str, dict[str, Any]]) -> list[str]:
    """Rows: plants."""
    lines = ["| plant | points | always named from | not named up to | predicted saving less measured, of measured |"]
    lines.append("|---|---|---|---|---|")
    for plant, found in limits.items():
        ends = [found[key] for key in ("named_from_share", "not_named_up_to_share")]
        shares = ["" if share is None else f"{100 * share:.0f} %" for share in ends]
        error = found["gain_error"]
        words = (
            "{:+.0f} % ({:+.0f} to {:+.0f})".format(*(100 * error[key] for key in ("median", "least", "most")))
            if error
            else ""
        )
        lines.append(f"| {plant} | {found['points']} | {shares[0]} | {shares[1]} | {words} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
