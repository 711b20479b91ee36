"""The ceiling of a device's own memory: long arrays copied and combined, as in STREAM.

Bytes are counted as in STREAM, every array read or written once (J. McCalpin, "Memory Bandwidth and Machine Balance in
Current High Performance Computers", 1995): a processor that reads a line before writing to it moves more. Work in place
has already read the lines that it writes, and moves no more than is counted: on a CPU it was 1.7 times as fast by this
count as a copy (Xeon, one core), and without it activations in place would look as if they came from caches. An array
is four times the last-level cache or longer, STREAM's rule, so that no part of the array is still cached when it is
read again.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from saih.common.host import memory as host_memory
from saih.measure.blocks import Ranks
from saih.peaks.sustained import Operation, WatchedRanks, best_of

LEAST_BYTES = {"cuda": 2**30, "cpu": 64 * 2**20}
"""The shortest array, also if the cache is small or unknown: long enough for the time of starting to be negligible."""
CACHES = 4
ARRAYS = 3
METHOD = "bytes read and written of long arrays of random FP32 numbers, a device, all ranks at once"
MOST_OF_MEMORY = 1 / 4
"""All arrays of all ranks take no more than this share of a device's or a host's memory."""


def measure(ranks: WatchedRanks, seconds_each: float) -> dict[str, Any]:
    """Return the sustained bandwidth of a device while all ranks run: "memory_bytes_per_s" and the result of `best_of`.

    "array_bytes" is the length of the arrays, and "cache_bytes" the cache that they had to exceed.
    """
    import torch

    cache = cache_bytes(ranks.device)
    wanted = max(LEAST_BYTES["cuda" if ranks.device.startswith("cuda") else "cpu"], CACHES * cache)
    n = min(ranks.gather(min(wanted, _most_bytes(ranks)))) // 4
    # fill_ touches pages first, with all threads: each page is then in the memory next to the core that uses it
    a, b, c = (torch.empty(n, device=ranks.device).fill_(0) for _ in range(ARRAYS))
    a.uniform_()  # b and c are first written from it
    makers = (
        partial(Operation, "copy, b = a", 2 * 4 * n, lambda: b.copy_(a)),
        partial(Operation, "triad, c = a + s b", 3 * 4 * n, lambda: torch.add(a, b, alpha=0.5, out=c)),
        partial(Operation, "in place, a = -a", 2 * 4 * n, lambda: a.neg_()),
    )
    return {
        **best_of("memory_bytes_per_s", makers, ranks, seconds_each, math.inf),
        "array_bytes": 4 * n,
        "cache_bytes": max(ranks.gather(cache)),
        "method": f"sustained: {METHOD}",
    }


def _most_bytes(ranks: Ranks) -> int:
    """Return the largest size of an array that memory permits."""
    import torch

    if ranks.device.startswith("cuda"):
        memory, sharing = torch.cuda.get_device_properties(ranks.device).total_memory, 1
    else:
        memory, sharing = host_memory.limit().size, len(ranks.gather(None))
        if own := host_memory.own_limit():
            memory = min(memory, own.size * sharing)
    return int(memory * MOST_OF_MEMORY / ARRAYS / sharing)


def cache_bytes(device: str) -> int:
    """Return the last-level cache of this rank's device; 0 if neither driver nor kernel reports it."""
    if device.startswith("cuda"):
        import torch

        return int(getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 0))
    return host_cache_bytes(os.sched_getaffinity(0), Path("/sys/devices/system/cpu"))


def host_cache_bytes(cores: Iterable[int], cpus: Path) -> int:
    """Return the sum of the highest level's caches of `cores`, as reported by the kernel under `cpus`."""
    sizes: dict[tuple[int, str], int] = {}
    for core in cores:
        for index in cpus.glob(f"cpu{core}/cache/index*"):
            try:
                level, size, shared = (_line(index / name) for name in ("level", "size", "shared_cpu_list"))
            except OSError:
                continue
            sizes[int(level), shared] = int(size.removesuffix("K")) * 1024
    highest = max((level for level, _ in sizes), default=0)
    return sum(size for (level, _), size in sizes.items() if level == highest)


def _line(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()
