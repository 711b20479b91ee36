"""The most that a device can do with any work, to decide if a rate can be true. Pure.

GPUs: the dense datasheet peak x `BEYOND_CLOCK`. CPUs: cores x highest clock x FLOP a cycle (processor.py). Both are
generous: a rate above is wrong, and one below need not be right. One exception is known: a library that computes with
fewer operations than the closed form counts (Winograd, FFT) can exceed it by the algorithm's rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saih.peaks.datasheets import datasheet

BEYOND_CLOCK = 1.16
"""The ratio by which clocks may exceed the datasheet's clock.

NVIDIA prints Hopper's tensor peaks at one boost clock and its FP32 peak at a higher one: 1830 and 1980 MHz for the H100
SXM, 1620 and 1755 for the PCIe card (NVIDIA H100 Tensor Core GPU Architecture, table 3), 8 %. The largest such distance
among the devices listed here is the H100 NVL's, by its own datasheet: 60 TFLOP/s of FP32 against 835.5 of BF16, of
which an SM does 16 times as many a cycle, is 15 %. One percent is for rounding.
"""


def limit(machine: Mapping[str, Any], precision: str, cores: int | None) -> dict[str, Any]:
    """Return {"flop_per_s", "method"} of a device, or {"why"} if nothing is known.

    `machine` as in system.json; `cores`: of a rank, which only a CPU's limit depends on.
    """
    if machine["device_kind"] == "cuda":
        quoted = datasheet(machine["device"], precision, machine.get("device_memory_bytes"))
        if "why" in quoted:
            return {"why": quoted["why"]}
        method = f"{BEYOND_CLOCK:g} x the dense datasheet peak, since clocks may exceed the datasheet's"
        return {"flop_per_s": BEYOND_CLOCK * quoted["flop_per_s"], "method": method}
    return _of_cores(machine.get("core_limit") or {}, precision, cores)


def _of_cores(core: Mapping[str, Any], precision: str, cores: int | None) -> dict[str, Any]:
    precision = "fp32" if precision == "tf32" else precision  # a CPU without such a datapath computes it in FP32
    per_cycle = (core.get("flop_per_cycle") or {}).get(precision)
    if per_cycle is None or not cores:
        why = (core.get("why") or {}).get(precision)
        return {"why": why or "what the processor can do at most is not recorded"}
    clock = f"{core['clock_hz'] / 1e9:g} GHz ({core['clock_source']})"
    counted = f"{per_cycle} FLOP a cycle ({', '.join(core['extensions'])})"
    method = f"{cores} core{'' if cores == 1 else 's'} x {clock} x {counted}, a generous bound"
    return {"flop_per_s": cores * core["clock_hz"] * per_cycle, "method": method}
