"""Timing of ceilings: all ranks begin together, and a repeat lasts as long as its slowest rank.

The repeat that counts depends on the purpose of the ceiling:

    arithmetic, memory bandwidth    the sustained rate (sustained.py): a step keeps the device busy with these, so that
                                    its power, clocks and heat are those of steady work; shares refer to it
    copies, launches, all-reduce    the fastest of a few repeats: they come now and then within a step, a device rests
                                    meanwhile, and they serve as the least possible time
    storage                         the fastest part of a file, with each byte read once

The median accompanies the fastest, and its distance below the fastest is the spread.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from saih.measure.blocks import Ranks

REPEATS, FEWEST_REPEATS = 8, 3
WARM_UPS = 2


def repeats(run: Callable[[], Any], ranks: Ranks, seconds: float, most: int | None = None) -> list[float]:
    """Return the seconds of one `run` in each of some repeats of together about `seconds`; equal on all ranks.

    There are `REPEATS` of them; if a single run is long, as many as take three times that, at least `FEWEST_REPEATS`. A
    repeat is many runs, at most `most`, between two moments at which the device is idle.
    """
    once_s = [together(run, 1, ranks) for _ in range(WARM_UPS)][-1]
    n = max(1, round(seconds / REPEATS / once_s))
    n = n if most is None else min(n, most)
    return [together(run, n, ranks) / n for _ in range(repeats_of(once_s, seconds))]


def repeats_of(once_s: float, seconds: float) -> int:
    """Return the number of repeats of a run that takes `once_s`."""
    return min(REPEATS, max(FEWEST_REPEATS, round(3 * seconds / once_s)))


def together(run: Callable[[], Any], n: int, ranks: Ranks) -> float:
    """Return the seconds of the slowest rank for `n` runs begun together."""
    ranks.synchronise()
    ranks.barrier()
    start = time.perf_counter()
    for _ in range(n):
        run()
    ranks.synchronise()
    return float(max(ranks.gather(time.perf_counter() - start)))


def best(unit: str, amount: float, times_s: Sequence[float]) -> dict[str, Any]:
    """Return {`unit` of the fastest repeat, "median_<unit>", "spread_percent"} of `amount` (FLOPs, bytes) a run."""
    rates = [amount / seconds for seconds in times_s]
    fastest, median = max(rates), statistics.median(rates)
    return {unit: fastest, f"median_{unit}": median, "spread_percent": spread_percent(fastest, median)}


def spread_percent(fastest: float, other: float) -> float:
    """Return the distance of another rate from the fastest, in percent of the fastest."""
    return 100 * (1 - other / fastest)


def shortest(times_s: Sequence[float]) -> dict[str, Any]:
    """Return {"seconds" of the fastest repeat, "median_seconds", "spread_percent" by which the median is longer}."""
    fastest, median = min(times_s), statistics.median(times_s)
    return {"seconds": fastest, "median_seconds": median, "spread_percent": 100 * (median / fastest - 1)}
