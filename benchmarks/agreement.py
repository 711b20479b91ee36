"""Do two ways to find exposed time agree, on the same steps: by difference, and by torch.profiler?

    python -m benchmarks.agreement [--device cuda] [--rounds 7] [--parts input] [--out FILE.json]
    mpiexec -n 2 python -m benchmarks.agreement --ranks 2 ...

Under the profiler, in turn, passes of the full steps and of the same steps without input (or without communication).
By difference: how much longer a pass with it took than the one beside it, a step. By profile: time in which the device
had nothing to do while the step waited for input, or in which only communication ran, as the profiled pass of a record
finds it (samples["profile"]), in the very pass that took so long. The first is what removing the part would save, the
second what it is seen to hold up; where they differ by more than the noise, one of them is wrong or the part changes
how fast the rest computes, which is told too (busier_s). On a CPU it does: threads that read and decode share the cores
with the step. So does a GPU at its power limit: it computes faster after a wait. accounted_of_step is what remains of
the difference once that is counted. Target on a GPU, for steps over 20 ms: the medians within 3 % of the step. The file
is written after every row.

Beside them stands the difference of timed blocks without the profiler, which is a record's exposed_input_s or
exposed_comm_s: other steps, so that it also differs by what storage and clocks did meanwhile.

CosmoFlow, and the planted toy with input read, inflated or copied and with sums over the ranks.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measuring_cost import PRECISION, device_name, rounded
from benchmarks.replicates import as_lines
from saih.app import Execution, Point, Work
from saih.applications import load
from saih.measure.blocks import METHOD_VERSION
from saih.profile.breakdown import breakdown
from saih.profile.passes import Pass, event_cost_s
from saih.worker.mpi import World
from saih.worker.rank import Worker
from tests.planted import on_a_gpu, plants

RESULTS = Path(__file__).with_name("results")
PARTS = {"input": "exposed_input_s", "communication": "exposed_comm_s"}
LEAST_STEP_S = 0.02
PASS_S, MOST_STEPS = 0.5, 20
COSMOFLOW = {"cpu": ({"edge": 32}, [0.5, 1.0], 4), "cuda": ({"edge": 128}, [1.0, 4.0], 8)}
TOY_SIZE = {"cpu": plants.SIZE, "cuda": on_a_gpu.SIZE}
PLANTED = {
    "cpu": ({"products": 1, "inflate_mb": 4}, {"products": 1, "sums_mb": 8}),
    "cuda": (
        {"products": 8, "copies_mb": 256},
        {"products": 8, "copies_mb": 1024},
        {"products": 8, "inflate_mb": 16},
        {"products": 8, "reads_mb": 128},
        {"products": 1, "passes": 16, "copies_mb": 1024},
        {"products": 1, "passes": 16, "inflate_mb": 16},
        {"products": 4, "sums_mb": 512},
        {"products": 4, "sums_mb": 2048},
        {"products": 1, "passes": 16, "sums_mb": 2048},
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--ranks", type=int, default=1, help="what the launcher was asked for")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cores", type=int, default=0, help="bind a rank to so many cores; 0: all")
    parser.add_argument("--parts", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--only", choices=("cosmoflow", "planted"), help="points of one application")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with open(os.devnull, "w", encoding="utf-8") as answers, tempfile.TemporaryDirectory(dir=".") as folder:
        worker = Worker(World(asked.ranks, asked.cores), asked.device, 1, answers)
        shared = worker.broadcast(str(Path(folder).resolve()))
        before = os.getloadavg()[0]
        rows: list[dict[str, Any]] = []
        for point in points(asked.device, asked.ranks, shared, asked.parts):
            if asked.only and asked.only not in point.app:
                continue
            for found in at(worker, point, asked.parts, asked.rounds):
                rows.append(found)
                if worker.rank == 0:
                    print(in_words(found), flush=True)
                    write(asked, worker.device, before, rows)
        worker.barrier()  # before the folder goes


def write(asked: argparse.Namespace, device: str, load_before: float, rows: list[dict[str, Any]]) -> None:
    """Keep the rows so far."""
    result = {
        "method_version": METHOD_VERSION,
        "machine": {"device": device_name(device), "cores": len(os.sched_getaffinity(0))},
        "ranks": asked.ranks,
        "load_average_before_and_after": [load_before, os.getloadavg()[0]],
        "rows": rows,
    }
    named = f"agreement-{asked.device}{f'-{asked.ranks}ranks' if asked.ranks > 1 else ''}.json"
    (asked.out or RESULTS / named).write_text(as_lines(result), encoding="utf-8")


def points(device: str, ranks: int, folder: str, parts: Sequence[str]) -> Iterator[Point]:
    """CosmoFlow, with its input warm and cold if that is asked for, then the toy where it plants one of ``parts``."""
    cosmoflow, toy = load("cosmoflow"), load("tests.toys.planted:APP")
    size, widths, batch = COSMOFLOW[device]
    data = {"folder": f"{folder}/universes", "recipe": {"universes": 8 * ranks, "edge": size["edge"]}}
    for width in widths:
        for source in ("dataset", "dataset-cold") if "input" in parts else ("synthetic",):
            run = Execution(ranks, batch, PRECISION[device], "plain", source)
            dials = {**size, "width": width, "depth": 1}
            yield Point("cosmoflow", dials, run, cosmoflow.resolve_data(data), 0)
    run = Execution(ranks, 1, PRECISION[device], "plain", "dataset")
    for planted in PLANTED[device]:
        sums = "sums_mb" in planted
        if ("communication" if sums else "input") in parts and (ranks > 1 or not sums):
            dials = {name: dial.default for name, dial in toy.dials.items()} | TOY_SIZE[device] | planted
            yield Point("tests.toys.planted:APP", dials, run, toy.resolve_data({"folder": folder}), 0)


@dataclass(frozen=True)
class Pair:
    """Seconds of a step with and without a part, under the profiler and timed; and what the traces show.

    ``shown_s``: of the part; ``busier_s``: how much more time the device computed in the step that had it.
    """

    full_s: float
    without_s: float
    shown_s: float
    busier_s: float
    timed_full_s: float
    timed_without_s: float


def at(worker: Worker, point: Point, parts: Sequence[str], rounds: int) -> Iterator[dict[str, Any]]:
    """A row for each of ``parts`` that the point can be without, from so many pairs of passes."""
    worker.begin_anew()
    app = load(point.app)
    if worker.rank == 0:
        app.prepare(worker.copy, [point])
    worker.barrier()
    with contextlib.closing(app.build(worker.copy, point)) as work:
        for part in parts:
            name, lacking = PARTS[part], work.without(part)
            if lacking is None or (part == "communication" and worker.size == 1):
                continue
            step_s = warm(worker, work, lacking)
            steps = worker.broadcast(max(3, min(MOST_STEPS, math.ceil(PASS_S / step_s))))
            pairs = [pair(worker, work, lacking, name, steps, step_s, i % 2 == 1) for i in range(rounds + 1)]
            yield row(point, name, steps, pairs[1:])  # the first one warms the profiler up


def warm(worker: Worker, work: Work, lacking: Work) -> float:
    """Seconds of a full step when it has run for a while."""
    for each in (work, lacking):
        timed(worker, each, 2)
    step_s: float = worker.broadcast(timed(worker, work, 2))
    return worker.broadcast(timed(worker, work, max(2, math.ceil(PASS_S / step_s))))


def timed(worker: Worker, work: Work, steps: int) -> float:
    """Seconds of a step, on the slowest rank."""
    worker.synchronise()
    worker.barrier()
    start = time.perf_counter()
    work.run(steps)
    worker.synchronise()
    return max(worker.gather(time.perf_counter() - start)) / steps


def pair(worker: Worker, work: Work, lacking: Work, name: str, steps: int, step_s: float, turned: bool) -> Pair:
    """One pass of each under the profiler and one timed block of each; ``turned``: the lacking ones first."""
    passes: dict[bool, Pass] = {}
    blocks_s: dict[bool, float] = {}
    for full in (not turned, turned):
        each = work if full else lacking
        with worker.copy.marked():
            passes[full] = Pass(each, worker, {})
            passes[full].run(steps, step_s)
        blocks_s[full] = timed(worker, each, steps)
    seconds = {full: worker.broadcast(each.seconds) / steps for full, each in passes.items()}
    kind = worker.device.split(":", maxsplit=1)[0]
    analysed = {full: analysed_trace(each, steps, kind) for full, each in passes.items()} if worker.rank == 0 else None
    found = worker.broadcast(analysed)
    busier_s = found[True]["busy_s"] - found[False]["busy_s"]
    return Pair(seconds[True], seconds[False], found[True][name], busier_s, blocks_s[True], blocks_s[False])


def analysed_trace(each: Pass, steps: int, kind: str) -> dict[str, Any]:
    """What a trace tells, as a record's profile has it. Raises RuntimeError where the trace failed."""
    if each.why:
        raise RuntimeError(each.why)
    cost_s = event_cost_s() if kind == "cpu" else 0.0
    return breakdown(each.events, steps, kind, None, None, cost_s)


def row(point: Point, name: str, steps: int, pairs: list[Pair]) -> dict[str, Any]:
    """What the pairs tell: medians, and every pair's difference between the two ways as a share of the step."""
    step_s = statistics.median(each.full_s for each in pairs)
    by_difference = [each.full_s - each.without_s for each in pairs]
    by_profile = [each.shown_s for each in pairs]
    difference_s, profile_s = statistics.median(by_difference), statistics.median(by_profile)
    return {
        "point": label(point),
        "part": name,
        "steps": steps,
        "step_s": step_s,
        "by_difference_s": difference_s,
        "by_profile_s": profile_s,
        "difference_of_step": (profile_s - difference_s) / step_s,
        "each_difference_of_step": rounded(
            [(a - b) / step_s for a, b in zip(by_profile, by_difference, strict=True)],
        ),
        "busier_s": statistics.median(each.busier_s for each in pairs),
        "accounted_of_step": statistics.median(
            (each.shown_s + each.busier_s - (each.full_s - each.without_s)) / step_s for each in pairs
        ),
        "timed_step_s": statistics.median(each.timed_full_s for each in pairs),
        "timed_difference_s": statistics.median(each.timed_full_s - each.timed_without_s for each in pairs),
        "pairs": [dict(zip(vars(each), rounded(list(vars(each).values())), strict=True)) for each in pairs],
    }


def label(point: Point) -> str:
    """The point in few words: dials that are turned on, ranks and input."""
    dials = " ".join(f"{name}={value:g}" for name, value in point.size.items() if value)
    return f"{point.app.split(':')[0].split('.')[-1]} {dials} ranks={point.run.ranks} {point.run.input}"


def in_words(found: Mapping[str, Any]) -> str:
    """A row, for people."""
    short = "" if found["step_s"] > LEAST_STEP_S else " (a short one)"
    each = found["each_difference_of_step"]
    return (
        f"{found['point']}: {found['part']}: step {1e3 * found['step_s']:.1f} ms, by difference "
        f"{1e3 * found['by_difference_s']:.2f} ms, by profile {1e3 * found['by_profile_s']:.2f} ms: "
        f"{100 * found['difference_of_step']:+.1f} % of the step{short} (pairs {100 * min(each):+.1f} to "
        f"{100 * max(each):+.1f}); the device computed {1e3 * found['busier_s']:+.2f} ms, which leaves "
        f"{100 * found['accounted_of_step']:+.1f} %; timed blocks {1e3 * found['timed_difference_s']:.2f} ms"
    )


if __name__ == "__main__":
    main()
