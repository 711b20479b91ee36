"""Do the hardware counters of a GPU count what was moved and computed?

    python -m benchmarks.counters [--seconds 3] [--out FILE.json]

Operations of known traffic over arrays of 1 GiB, and a large matrix product, each repeated for some seconds. Beside the
bytes that they must move stands what the counters say: the busy share of memory (saih/telemetry/gpm.py) x the
datasheet's bandwidth, as `dram_bytes_per_step` has it, and x the memory clock, the width of the bus and two transfers
a cycle, which NVML tells. They run for a while before they are counted, as a reading may be of 0.1 s ago.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.replicates import as_lines
from saih.measure.blocks import METHOD_VERSION
from saih.peaks import bandwidth
from saih.telemetry.gpm import Counters
from saih.telemetry.gpu import of_torch
from saih.telemetry.nvml import Gpu

RESULTS = Path(__file__).with_name("results")
NUMBERS, SIDE = 2**28, 8192
BEFORE_S = 0.6
AT_ONCE = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--out", type=Path, default=RESULTS / "counters-cuda.json")
    asked = parser.parse_args()
    device = torch.cuda.get_device_properties(0)
    gpu = of_torch("cuda:0")
    quoted, clocked = bandwidth(device.name, device.total_memory), clocked_bytes_per_s(gpu)
    rows = []
    for name, run, moved, flop in operations():
        row = counted(gpu, run, moved, flop, asked.seconds)
        by = {"datasheet": quoted.get("memory_bytes_per_s"), "clock": clocked}
        row["counted_of_moved"] = {
            of: row["dram_busy_percent"] / 100 * rate / row["moved_bytes_per_s"] if rate and moved else None
            for of, rate in by.items()
        }
        rows.append({"operation": name, **row})
        print(rows[-1], flush=True)
    result = {
        "method_version": METHOD_VERSION,
        "machine": {"device": device.name, "datasheet": quoted, "clocked_bytes_per_s": clocked},
        "rows": rows,
    }
    asked.out.write_text(as_lines(result), encoding="utf-8")


def clocked_bytes_per_s(gpu: Gpu) -> float:
    """What the memory's pins can carry: two transfers a cycle on every bit of the bus."""
    bits = gpu.call("nvmlDeviceGetMemoryBusWidth", gpu.board)
    return float(2 * gpu.memory_clock_mhz() * 1e6 * bits / 8)


def operations() -> Iterator[tuple[str, Callable[[], Any], int, int]]:
    """Name, what to run, the bytes it must move and the operations it must do."""
    x = torch.ones(NUMBERS, device="cuda")
    y = torch.empty_like(x)
    a = torch.randn(SIDE, SIDE, device="cuda").bfloat16()
    host = torch.ones(NUMBERS // 4, pin_memory=True)
    yield "negate in place", x.neg_, 2 * x.nbytes, 0
    yield "copy", lambda: y.copy_(x), 2 * x.nbytes, 0
    yield "fill", lambda: y.fill_(1.0), x.nbytes, 0
    yield "sum", x.sum, x.nbytes, 0
    yield "copy from the host", lambda: y[: NUMBERS // 4].copy_(host), host.nbytes, 0
    yield "product, bf16", lambda: torch.mm(a, a), 0, 2 * SIDE**3


def counted(gpu: Gpu, run: Callable[[], Any], moved: int, flop: int, seconds: float) -> dict[str, Any]:
    """Rates by arithmetic and by counter."""
    counters = Counters(gpu)
    repeat(run, BEFORE_S)
    counters.begin()
    start = time.perf_counter()
    runs = repeat(run, seconds)
    counters.end()
    took_s = time.perf_counter() - start
    means = counters.means()
    counters.close()
    return {"moved_bytes_per_s": moved * runs / took_s, "flop_per_s": flop * runs / took_s, **means}


def repeat(run: Callable[[], Any], seconds: float) -> int:
    """How often it ran in about so many seconds."""
    end, runs = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        for _ in range(AT_ONCE):
            run()
        torch.cuda.synchronize()
        runs += AT_ONCE
    return runs


if __name__ == "__main__":
    main()
