"""What each plant of a point costs: steps with it and without it, in one process, in turn.

Points of a sweep are measured minutes apart, and a busy machine changes by more than a plant costs in that time. Here
each block with the plant has one without it beside it. `keep` is called where an application says whether it can be
believed, after the timed blocks: in the same process, under the same disturbances, and in none of its times.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from saih.app import Context, Point
from saih.measure.blocks import MIN_BLOCK_S

if TYPE_CHECKING:
    from tests.toys.planted_step import Step

FOLDER = "costs"
PAIRS = 6
"""The fewest whose range holds the median with 95 %; data.pairs asks for more."""
LEAST = {
    "products": 4, "passes": 0, "calls": 0, "reads_mb": 0, "inflate_mb": 0, "parse_kb": 0, "copies_mb": 0, "sums_mb": 0,
    "late": 0,
}  # fmt: skip
"""How far a plant is turned back. Products are in every step, two or four as a rule; what a hoard costs is memory."""


def keep(context: Context, point: Point, step: Step) -> None:
    """Write dial -> shares of the step, one a pair, of each dial that is turned on, to data.folder/costs/POINT.json."""
    pairs = point.data.get("pairs", PAIRS)
    found = {dial: shares(context, step, dial, pairs) for dial, least in LEAST.items() if point.size[dial] > least}
    if context.rank == 0:
        file = Path(point.data["folder"], FOLDER, f"{point.id}.json")
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(json.dumps(found), encoding="utf-8")


def shares(context: Context, step: Step, dial: str, pairs: int = PAIRS) -> list[float]:
    """The share of the step that it is longer than the one without the plant, in each pair of neighbouring blocks."""
    bare = step.lacking({dial: LEAST[dial]})
    both = (step, bare)
    for each in both:
        timed(context, each, 1)
    n = context.broadcast(math.ceil(MIN_BLOCK_S / timed(context, step, 2)))
    found = []
    for number in range(pairs):
        turn = both[:: -1 if number % 2 else 1]
        seconds = {id(each): timed(context, each, n) for each in turn}
        found.append(1 - seconds[id(bare)] / seconds[id(step)])
    if bare.source is not step.source:
        bare.source.close()
    return found


def timed(context: Context, step: Step, n: int) -> float:
    """Seconds of a step, on the slowest rank; all begin together."""
    _synchronise(context)
    context.gather(None)
    start = time.perf_counter()
    step.run(n)
    _synchronise(context)
    return max(context.gather(time.perf_counter() - start)) / n


def _synchronise(context: Context) -> None:
    if context.device != "cpu":
        torch.cuda.synchronize(context.device)
