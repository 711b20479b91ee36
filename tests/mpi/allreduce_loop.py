"""Run on ranks by test_peaks.py: our figure for all-reduce beside a plain loop's, in the same processes, as JSON."""

import json
import statistics
import sys
import time

import torch
import torch.distributed as dist

from saih.peaks import allreduce
from saih.worker.mpi import World
from saih.worker.rank import Worker

BYTES = 4 * 2**20


def loop_seconds(world: World) -> float:
    """Median of the slowest rank's seconds for one all-reduce."""
    x, times = torch.rand(BYTES // 4), []
    for _ in range(20):
        world.barrier()
        start = time.perf_counter()
        dist.all_reduce(x)
        times.append(max(world.gather(time.perf_counter() - start)))
        x /= world.size
    return statistics.median(times)


def main() -> None:
    world = World(int(sys.argv[1]), 1)
    worker = Worker(world, "cpu", 1, sys.stderr)
    found = allreduce.measure(worker, 0.1, BYTES, smaller_groups=True)
    sums = torch.full((4,), float(world.rank + 1))
    dist.all_reduce(sums)
    seconds = loop_seconds(world)
    if world.rank == 0:
        print(json.dumps({"found": found, "loop_s": seconds, "sum": sums[0].item()}))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
