"""The bandwidth of all-reduce by size and number of ranks, with torch.distributed's backend in use.

Bus bandwidth is 2 (n - 1) / n x bytes / time: the traffic of a ring over each rank's link, so that it can be compared
with the link's own rate, whatever n (NVIDIA nccl-tests, PERFORMANCE.md; the bound is Patarasuk and Yuan, J. Parallel
Distrib. Comput. 69, 2009). Algorithms without a ring can exceed a link's rate.
"""

from __future__ import annotations

import math
import statistics
from typing import Any

from saih.measure.blocks import Ranks
from saih.peaks.timing import REPEATS, best, repeats_of, together

SIZES = tuple(2**exponent for exponent in range(12, 29, 2))
"""Sizes of the messages: 4 KiB to 256 MiB."""
WARM_UPS = 3
_LARGEST_SUM = 1e30
"""The limit of the sums, which grow n-fold with every run, and must stay finite between two fillings."""


def bus_factor(ranks: int) -> float:
    """Return the bus bytes for each byte reduced: 2 (n - 1) / n."""
    return 2 * (ranks - 1) / ranks


def counts(ranks: int, smaller_groups: bool) -> list[int]:
    """Return the numbers of ranks to measure in a group of `ranks`: all and, if requested, powers of two from 2 on."""
    if not smaller_groups:
        return [ranks]
    powers = [2**exponent for exponent in range(1, ranks.bit_length())]
    return sorted({*(count for count in powers if count <= ranks), ranks} - {1})


def measure(ranks: Ranks, seconds_each: float, largest_bytes: int, smaller_groups: bool) -> dict[str, Any]:
    """Measure all-reduce; return {"bus_bytes_per_s", "latency_s", "backend", "entries", "method"}.

    "bus_bytes_per_s" is the best of all ranks' entries, "latency_s" that of the smallest size. An entry is {"ranks",
    "bytes", "seconds" of the median run, "bus_bytes_per_s", ...}; sizes go up to `largest_bytes`, and with
    `smaller_groups` also some of the ranks reduce, while the others wait. With one rank all are None, and "why" has the
    reason.
    """
    size = len(ranks.gather(None))
    if size == 1:
        why = "one rank: there is nobody to reduce with"
        return {"bus_bytes_per_s": None, "latency_s": None, "why": why, "entries": []}
    import torch.distributed as dist

    sizes = [size_ for size_ in SIZES if size_ <= largest_bytes] or [largest_bytes]
    entries: list[dict[str, Any]] = []
    for count in counts(size, smaller_groups):
        group = dist.new_group(list(range(count))) if count < size else dist.group.WORLD
        for done, bytes_ in enumerate(sizes):
            ranks.progress(f"measuring all-reduce of {count} ranks", done, len(sizes))
            entries.append(_entry(ranks, seconds_each, group, count, bytes_))
        if count < size and ranks.rank < count:
            dist.destroy_process_group(group)
    of_all = [entry for entry in entries if entry["ranks"] == size]
    return {
        "bus_bytes_per_s": max(entry["bus_bytes_per_s"] for entry in of_all),
        "latency_s": of_all[0]["seconds"],
        "backend": dist.get_backend(),
        "entries": entries,
        "method": "2 (n - 1) / n x bytes / time of the slowest rank, random FP32 numbers summed in place",
    }


def _entry(ranks: Ranks, seconds: float, group: Any, count: int, size: int) -> dict[str, Any]:
    """Measure one size on the first `count` ranks; the others take part only in the barriers."""
    import torch
    import torch.distributed as dist

    takes_part = ranks.rank < count
    source = torch.rand(size // 4 if takes_part else 1, device=ranks.device)
    buffer = source.clone()

    def run() -> None:
        if takes_part:
            dist.all_reduce(buffer, group=group)

    def timed(n: int) -> float:
        buffer.copy_(source)
        return together(run, n, ranks) / n

    once_s = [timed(1) for _ in range(WARM_UPS)][-1]
    most = max(1, math.floor(math.log(_LARGEST_SUM, count)))
    n = min(most, max(1, round(seconds / REPEATS / once_s)))
    times_s = [timed(n) for _ in range(repeats_of(once_s, seconds))]
    rate = best("bus_bytes_per_s", bus_factor(count) * size, times_s)
    return {"ranks": count, "bytes": size, "seconds": statistics.median(times_s), **rate}
