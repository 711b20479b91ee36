"""Does an interval hold the truth as often as it says, and does the stated chance of drift hold?

    python -m benchmarks.coverage [--trials 1000] [--out FILE.json]

Made blocks follow a normal AR(1) process, a block correlated with the next by rho, and are turned into three shapes:
normal; skewed (log-normal, skewness 2.3); bimodal (a slow normal process about two modes that change at random from
block to block). Asked are

- the mean (rates) and the median (step times) of n blocks, their coverage and their width: half of it over the blocks'
  standard deviation, and for the mean over what Student's interval of independent blocks has;
- measurements that stop by the rule (saih/measure/stopping.py): coverage in all, and among those that stopped as
  "precise";
- the same on measured blocks, benchmarks/results/blocks-cpu.json (a busy machine): from every tenth block of a
  series on, with the mean of the rest of the series for the truth, which is itself not known exactly;
- drift: how often blocks without a trend are said to drift with a chance below 1 %.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from saih.measure.stopping import End
from saih.statistics.correlated import mean_interval, median_interval, trend_chance
from saih.statistics.intervals import Interval, student_t

SIZES = (6, 8, 12, 20, 30, 40, 60)
RHOS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9)
SHAPES = ("normal", "skewed", "bimodal")
ROUNDS, TARGET_PERCENT = 60, 1.0
SCATTERS = (0.3, 1.0, 2.0)
"""Standard deviations of blocks, in units of the target."""
MEASURED = Path(__file__).parent / "results" / "blocks-cpu.json"
FEWEST = 40
"""A measured series must go on for so many blocks from where it is taken up."""
SKEW = 0.6
BIMODAL_SLOW = 0.4
"""The share of fast blocks is 1 - this."""

Series = tuple[list[float], float, float]
"""Blocks, their true mean, their true median."""


def made(shape: str, rho: float, scatter: float, n: int, trials: int) -> Iterator[Series]:
    """Blocks around 1 with a standard deviation of about ``scatter``."""
    draw = np.random.default_rng(int(1000 * rho) + n)
    for _ in range(trials):
        x = draw.standard_normal(n)
        for i in range(1, n):
            x[i] = rho * x[i - 1] + math.sqrt(1 - rho * rho) * x[i]
        if shape == "skewed":
            sd = math.sqrt((math.exp(SKEW**2) - 1) * math.exp(SKEW**2))
            yield list(1 + scatter * np.exp(SKEW * x) / sd), 1 + scatter * math.exp(SKEW**2 / 2) / sd, 1 + scatter / sd
        elif shape == "bimodal":
            modes = draw.random(n) < BIMODAL_SLOW
            yield (
                list(1 + scatter * (2 * modes + x) / math.sqrt(2)),
                1 + scatter * BIMODAL_SLOW * math.sqrt(2),
                math.nan,
            )
        else:
            yield list(1 + scatter * x), 1.0, 1.0


def true_median(shape: str, scatter: float) -> float:
    """Of a bimodal shape it has no closed form."""
    (blocks, _, known) = next(made(shape, 0.0, scatter, 200_000, 1))
    return statistics.median(blocks) if math.isnan(known) else known


def fixed(shape: str, rho: float, n: int, trials: int) -> dict[str, Any]:
    """Coverage and width of both intervals at n blocks."""
    scatter = 0.02
    median = true_median(shape, scatter)
    held: dict[str, list[bool]] = {"mean": [], "median": []}
    widths: dict[str, list[float]] = {"mean": [], "median": []}
    drifts = []
    for blocks, mean, _ in made(shape, rho, scatter, n, trials):
        found = {"mean": mean_interval(blocks, positive=True), "median": median_interval(blocks, positive=True)}
        for name, truth in (("mean", mean), ("median", median)):
            held[name].append(found[name].low <= truth <= found[name].high)
            widths[name].append((found[name].high - found[name].low) / 2 / statistics.stdev(blocks))
        drifts.append(trend_chance(blocks) < 0.01)
    student = student_t(0.95, n - 1) / math.sqrt(n)
    return {
        "shape": shape,
        "rho": rho,
        "n": n,
        "mean_held": round(statistics.fmean(held["mean"]), 4),
        "mean_width_over_student": round(statistics.median(widths["mean"]) / student, 3),
        "median_held": round(statistics.fmean(held["median"]), 4),
        "median_width_over_sd": round(statistics.median(widths["median"]), 3),
        "drift_below_0.01": round(statistics.fmean(drifts), 4),
    }


def ended(block_s: Sequence[float]) -> tuple[int, str]:
    """After how many blocks a measurement ends, and why."""
    end = End(TARGET_PERCENT, max_s=1.0)
    for n in range(1, len(block_s) + 1):
        if why := end.reached(block_s[:n], elapsed_s=float(n == len(block_s))):
            return n, why
    raise AssertionError("the limit of time ends it")


def stopped(series: Sequence[Series], interval: Callable[[Sequence[float]], Interval]) -> dict[str, Any]:
    """How often the interval at the end held the mean: of all, and of those that ended "precise"."""
    ends = [ended(blocks) for blocks, _, _ in series]
    held = []
    for (blocks, truth, _), (n, _) in zip(series, ends, strict=True):
        found = interval(blocks[:n])
        held.append(found.low <= truth <= found.high)
    early = [hit for hit, (_, why) in zip(held, ends, strict=True) if why == "precise"]
    return {
        "held": round(statistics.fmean(held), 4),
        "precise": round(len(early) / len(held), 4),
        "held_where_precise": round(statistics.fmean(early), 4) if early else None,
        "median_rounds": statistics.median(n for n, _ in ends),
    }


def measured(series: Sequence[Sequence[float]], scatter: float) -> Iterator[Series]:
    """Blocks as they were measured, each series with its scatter drawn together to the wanted one."""
    for blocks in series:
        for start in range(0, len(blocks) - FEWEST + 1, 10):
            rest = [math.log(x) for x in blocks[start:]]
            shrink = scatter / statistics.stdev(rest)
            drawn = [math.exp(shrink * x) for x in rest]
            yield drawn[:ROUNDS], statistics.fmean(drawn), statistics.median(drawn)


def rate(blocks: Sequence[float]) -> Interval:
    """The interval that a rate has."""
    return mean_interval(blocks, positive=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    tables: dict[str, list[dict[str, Any]]] = {"fixed": [], "stopped": []}
    for shape in SHAPES:
        for n in SIZES:
            for rho in RHOS:
                tables["fixed"].append(fixed(shape, rho, n, asked.trials))
                print(tables["fixed"][-1], flush=True)
    kept = json.loads(MEASURED.read_text(encoding="utf-8"))["block_step_s"]
    for scatter in (each * TARGET_PERCENT / 100 for each in SCATTERS):
        cases = [
            (f"{shape}, rho {rho}", list(made(shape, rho, scatter, ROUNDS, asked.trials)))
            for shape in SHAPES
            for rho in RHOS
        ]
        for name, series in [*cases, ("measured", list(measured(kept, scatter)))]:
            row = {"blocks": name, "scatter_over_target": 100 * scatter / TARGET_PERCENT, **stopped(series, rate)}
            tables["stopped"].append(row)
            print(row, flush=True)
    if asked.out:
        text = {
            name: "[\n" + ",\n".join(f"  {json.dumps(row)}" for row in rows) + "\n]" for name, rows in tables.items()
        }
        head = f'"stated": 0.95, "trials": {asked.trials}, "rounds_at_most": {ROUNDS}'
        asked.out.write_text(
            f'{{{head},\n"fixed": {text["fixed"]},\n"stopped": {text["stopped"]}}}\n', encoding="utf-8"
        )


if __name__ == "__main__":
    main()
