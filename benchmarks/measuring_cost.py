"""What measuring costs: steps as the harness times them, beside the same steps in a bare loop.

    python -m benchmarks.measuring_cost [--device cuda] [--seconds 60] [--cores 1] [--out FILE.json]

One process, one CosmoFlow work with its input held in memory, measured by `saih.measure.blocks.measure` with telemetry
around it, as a worker does it: barriers, answers, blocks, their statistics. Beside every block the same number of steps
runs in a bare loop, with one clock read before and one after it, before and after the block in turn. Ratios of each
pair:

    step    the block's time, of which the record's step is made, over the bare loop's: how far measuring falsifies
    wall    all time of a round, pauses between blocks included, over the bare loop's: how much longer a measurement
            takes than its steps
    pauses  all time of a round over its block's: the part of the wall's that noise of the machine does not touch

The bare loop runs the same application code, so that its calls of `Context.region` are in both; what they cost is timed
apart and given as a share of the step. Target: under 1 %.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.replicates import as_lines
from saih.app import Execution, Point, Ran, Work
from saih.applications import load
from saih.measure.blocks import METHOD_VERSION, measure
from saih.statistics.correlated import median_interval
from saih.telemetry.watch import Telemetry
from saih.worker.mpi import World
from saih.worker.rank import Worker

RESULTS = Path(__file__).with_name("results")
REGIONS_A_STEP = 4
SIZES = {
    "cpu": ({"edge": 16, "width": 0.25, "depth": 1}, {"edge": 32, "width": 0.5, "depth": 1}),
    "cuda": ({"edge": 32, "width": 1, "depth": 1}, {"edge": 128, "width": 1, "depth": 1}),
}
BATCH = {"cpu": 4, "cuda": 8}
PRECISION = {"cpu": "fp32", "cuda": "bf16"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seconds", type=float, default=60.0, help="of measuring, at each size")
    parser.add_argument("--cores", type=int, default=0, help="bind to so many cores; 0: all")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with open(os.devnull, "w", encoding="utf-8") as answers:
        worker = Worker(World(1, asked.cores), asked.device, 1, answers)
        before = os.getloadavg()[0]
        points = [at(worker, size, asked.seconds) for size in SIZES[asked.device]]
    result = {
        "method_version": METHOD_VERSION,
        "machine": {"device": device_name(worker.device), "cores": len(os.sched_getaffinity(0))},
        "load_average_before_and_after": [before, os.getloadavg()[0]],
        "points": points,
    }
    out = asked.out or RESULTS / f"measuring_cost-{asked.device}.json"
    out.write_text(as_lines(result), encoding="utf-8")


def at(worker: Worker, size: dict[str, float], seconds: float) -> dict[str, Any]:
    """Both sides at one size, in turn."""
    app, kind = load("cosmoflow"), worker.device.split(":", maxsplit=1)[0]
    run = Execution(1, BATCH[kind], PRECISION[kind], "plain", "synthetic")
    point = Point("cosmoflow", size, run, app.resolve_data({}), 0)
    worker.begin_anew()
    with contextlib.closing(Full(app.build(worker.copy, point))) as work, worker.telemetry() as telemetry:
        pairs = Pairs(worker, work, telemetry)
        samples = measure(work, worker, 1e-9, seconds, pairs.begin, pairs.around)
        telemetry.end()
    n = samples["block_steps"]
    blocks_s = [max(ranks) for ranks in samples["block_s"]["full"]]
    bare_s = statistics.median(pairs.bare_s) / n
    found = {
        "point": point.label,
        "bare_step_s": bare_s,
        "block_steps": n,
        "ratios": {
            "step": ratio(blocks_s, pairs.bare_s),
            "wall": ratio(pairs.wall_s, pairs.bare_s),
            "pauses": ratio(pairs.wall_s, blocks_s),
        },
        "regions_share": REGIONS_A_STEP * region_s(worker) / bare_s,
        "block_s": rounded(blocks_s),
        "bare_s": rounded(pairs.bare_s),
        "wall_s": rounded(pairs.wall_s),
    }
    for name, told in found["ratios"].items():
        middle = "{median:.4f}, 95 % interval {low:.4f} to {high:.4f}, {pairs} pairs".format(**told)
        print(f"{point.label}: {name} {middle}", flush=True)
    return found


class Full:
    """A work that has no variants: only its full steps are compared. ``n`` is how many steps it ran last."""

    def __init__(self, work: Work) -> None:
        self._work, self.n = work, 0
        self.check, self.close = work.check, work.close

    def run(self, n: int) -> Ran:
        self.n = n
        return self._work.run(n)

    def without(self, part: str) -> Work | None:
        return None

    def bare(self, n: int) -> None:
        for _ in range(n):
            self._work.run(1)


class Pairs:
    """A bare loop beside each block of a measurement; seconds of every loop, and of every round without its loop."""

    def __init__(self, worker: Worker, work: Full, telemetry: Telemetry) -> None:
        self._worker, self._work, self._telemetry = worker, work, telemetry
        self.bare_s: list[float] = []
        self.wall_s: list[float] = []

    def begin(self) -> None:
        self._telemetry.begin()
        self._round_began = time.perf_counter()

    @contextlib.contextmanager
    def around(self, variant: str) -> Iterator[None]:
        first = len(self.bare_s) % 2 == 1  # the first block tells how many steps there are
        if first:
            self._loop()
        with self._telemetry.block(variant):
            yield
        if not first:
            self._loop()
        now = time.perf_counter()
        self.wall_s.append(now - self._round_began - self.bare_s[-1])
        self._round_began = now

    def _loop(self) -> None:
        self._worker.synchronise()
        start = time.perf_counter()
        self._work.bare(self._work.n)
        self._worker.synchronise()
        self.bare_s.append(time.perf_counter() - start)


def ratio(ours_s: list[float], others_s: list[float]) -> dict[str, float]:
    """Median of the pairs' ratios, its interval, quartiles."""
    ratios = [a / b for a, b in zip(ours_s, others_s, strict=True)]
    found = median_interval(ratios, positive=True)
    quarter, _, three_quarters = statistics.quantiles(ratios, n=4)
    ends = {"low": found.low, "high": found.high, "quarter": quarter, "three_quarters": three_quarters}
    return {"median": found.middle, **ends, "pairs": len(ratios)}


def rounded(seconds: list[float]) -> list[float]:
    return [float(f"{each:.5g}") for each in seconds]


def region_s(worker: Worker, calls: int = 100_000) -> float:
    """What one `Context.region` costs in a timed pass."""
    region = worker.copy.region
    start = time.perf_counter()
    for _ in range(calls):
        with region("forward"):
            pass
    return (time.perf_counter() - start) / calls


def device_name(device: str) -> str:
    if device == "cpu":
        return "cpu"
    import torch

    return str(torch.cuda.get_device_name(device))


if __name__ == "__main__":
    main()
