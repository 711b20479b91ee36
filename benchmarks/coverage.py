"""Does the interval of a point that stops as soon as it is narrow hold the median as often as it says?

    python -m benchmarks.coverage [--trials 2000] [--out FILE.json]

Looking again and again whether the interval is narrow enough, and stopping when it is, favours those that are narrow by
chance; and blocks that follow one another are alike, which few of them do not show. Both make the stated 95 % too much.
Here the same code that ends a measurement (saih/enough.py) runs over

- made blocks: log-normal ones whose logarithms follow an AR(1) process, a block correlated with the next by ``phi``, of
  a known median; and
- measured blocks: those of benchmarks/results/replicates-cpu.json (a busy machine), from every tenth block of a series
  on, with the median of the rest of that series for the truth, which is itself not known exactly.

``scatter`` is the blocks' standard deviation in units of the target; measured blocks have theirs drawn together, in
logarithms, to the same. Beside it stands the rule of method version 3: looked at after every round from the eighth on,
without a word on how alike neighbours are. At most 60 rounds, as many as 20 to 40 s hold.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from saih.enough import End
from saih.stats import serial_median_interval

ROUNDS = 60
TARGET_PERCENT = 1.0
PHIS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9)
SCATTERS = (0.3, 1.0, 2.0)
MEASURED = Path(__file__).parent / "results" / "replicates-cpu.json"
FEWEST = 40
"""A measured series must go on for so many blocks from where it is taken up."""

Rule = Callable[[Sequence[float]], tuple[int, str]]
Series = tuple[list[float], float]
"""Blocks, and their true median."""


def now(block_s: Sequence[float]) -> tuple[int, str]:
    """After how many blocks the measurement ends, and why."""
    end = End(TARGET_PERCENT, max_s=1.0)
    for n in range(1, len(block_s) + 1):
        if why := end.reached(block_s[:n], elapsed_s=float(n == len(block_s))):
            return n, why
    raise AssertionError("the limit of time ends it")


def before(block_s: Sequence[float]) -> tuple[int, str]:
    """The same in method version 3."""
    for n in range(8, len(block_s) + 1):
        if serial_median_interval(block_s[:n]).half_width_percent <= TARGET_PERCENT:
            return n, "precise"
    return len(block_s), "limit"


def made(phi: float, scatter: float, trials: int) -> Iterator[Series]:
    """Blocks of median 1."""
    draw = random.Random(f"{phi} {scatter}")
    for _ in range(trials):
        x, found = draw.gauss(0, 1), []
        for _ in range(ROUNDS):
            found.append(math.exp(scatter * TARGET_PERCENT / 100 * x))
            x = phi * x + math.sqrt(1 - phi * phi) * draw.gauss(0, 1)
        yield found, 1.0


def measured(series: Sequence[Sequence[float]], scatter: float) -> Iterator[Series]:
    """Blocks as they were measured, each series with its scatter drawn together to the wanted one."""
    for blocks in series:
        for start in range(0, len(blocks) - FEWEST + 1, 10):
            rest = [math.log(x) for x in blocks[start:]]
            shrink = scatter * TARGET_PERCENT / 100 / statistics.stdev(rest)
            drawn = [math.exp(shrink * x) for x in rest]
            yield drawn[:ROUNDS], statistics.median(drawn)


def coverage(rule: Rule, series: Sequence[Series]) -> dict[str, Any]:
    """How often the interval at the end held the truth, of all and of those that ended "precise"."""
    ends = [rule(blocks) for blocks, _ in series]
    held = []
    for (blocks, truth), (n, _) in zip(series, ends, strict=True):
        interval = serial_median_interval(blocks[:n])
        held.append(interval.low <= truth <= interval.high)
    early = [hit for hit, (_, why) in zip(held, ends, strict=True) if why == "precise"]
    return {
        "held": statistics.fmean(held),
        "precise": len(early) / len(held),
        "held_where_precise": statistics.fmean(early) if early else None,
        "median_rounds": statistics.median(n for n, _ in ends),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    kept = json.loads(MEASURED.read_text(encoding="utf-8"))["block_step_s"]
    rows = []
    for scatter in SCATTERS:
        cases = [(f"made, phi {phi}", list(made(phi, scatter, asked.trials))) for phi in PHIS]
        for name, series in [*cases, ("measured", list(measured(kept, scatter)))]:
            both = {"now": coverage(now, series), "before": coverage(before, series)}
            rows.append({"blocks": name, "scatter": scatter, "series": len(series), **both})
            words = ", ".join(
                f"{rule}: held {100 * each['held']:.1f} % ({100 * each['precise']:.0f} % precise, "
                f"{each['median_rounds']:g} rounds)"
                for rule, each in both.items()
            )
            print(f"{name}, scatter {scatter:g} x target: {words}", flush=True)
    if asked.out:
        lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
        head = json.dumps({"stated": 0.95, "rounds_at_most": ROUNDS, "trials": asked.trials})[1:-1]
        asked.out.write_text(f'{{{head}, "rows": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
