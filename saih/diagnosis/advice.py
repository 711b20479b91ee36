"""Advice against a cause, given the settings of the point and the kind of its work. Pure.

Nothing is advised that the point has already, or that cannot help it. `run` is a record's point["run"]; settings
missing from it count as not in use yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saih.metrics.work_groups import Group

WIDE = ("fp64", "fp32", "tf32")
"""Precisions for which there is a lower one with a faster datapath."""
GRAPHS = ("graphed", "tuned")
"""Executions in which the host launches many operations at a time."""
FUSED = ("compiled", *GRAPHS)
"""Executions in which operations are already fused or launched together."""
LONG_S = 1e-4
"""The seconds from which an operation fills the device, and launching it costs at most a few percent of its time.

A larger batch makes such an operation longer, not faster.
"""
ELEMENTWISE = ("elementwise", "normalisation", "random")
"""Classes of operations that a compiler fuses with their neighbours."""
MATTERS = 0.05
"""Fusing is advised only if elementwise work takes at least this share of a cause's time."""


def for_host(run: Mapping[str, Any], kind: str | None, busy_s: float, operations: float) -> str:
    """Return advice against gaps for want of work from the host.

    `busy_s`, `operations`: the device's busy time a step, and the number of operations in it.
    """
    fewer = [*([] if _is(run, FUSED) else ["compiled execution"]), *([] if _is(run, GRAPHS) else ["CUDA graphs"])]
    ways = [f"hand out less often ({' or '.join(fewer)})"] if fewer else []
    if busy_s < LONG_S * operations:
        ways.append("give each kernel more work by a larger batch")
    if kind == "framework":
        ways.append("find in a profile of the interpreter what it does between launches")
    advice = ", or ".join(ways) or "see in a profile of the host what it does while the device waits"
    return f"{advice[0].upper()}{advice[1:]}. Waiting for the device within the step leaves the same gaps."


def for_calls(run: Mapping[str, Any]) -> str:
    """Return advice against operations of a CPU that consist of little besides the call."""
    ways = ["a larger batch", *([] if _is(run, FUSED) else ["compiled execution"]), "fused operations"]
    return f"Do more in each operation: {', '.join(ways[:-1])} or {ways[-1]}."


def for_memory(run: Mapping[str, Any], found: Sequence[Group]) -> str:
    """Return advice against work bound by memory bandwidth: move fewer bytes, or use a device with more bandwidth."""
    ways = []
    if _elementwise_s(found) >= MATTERS * _seconds(found):
        how = "" if _is(run, FUSED) else " (compiled execution)"
        ways.append(f"fuse elementwise operations with their neighbours{how}")
    ways += _lower_precision(run)
    if not ways:
        return "Left are algorithms that move fewer bytes, and a device with more memory bandwidth."
    return f"Move fewer bytes: {', or '.join(ways)}."


def for_compute(run: Mapping[str, Any], reached: float, high: float) -> str:
    """Return advice against work bound by arithmetic.

    `reached`: share of the ceiling of arithmetic; from `high` on, the device works as intended.
    """
    datapath = ["a faster datapath (lower precision)"] if _lower_precision(run) else []
    left = f"fewer operations, {', '.join([*datapath, 'or a faster device'])}"
    if reached >= high:
        return f"The device does what it is for: left are {left}."
    return f"Better kernels could make this work at most {1 / reached:.2g} times as fast; beyond that, it takes {left}."


def for_kernels(run: Mapping[str, Any], found: Sequence[Group]) -> str:
    """Return advice against work at neither ceiling: larger operations if they are short, other kernels in any case."""
    ways = ["another memory layout", *([] if _is(run, FUSED) else ["compiled execution"]), "another library version"]
    others = f"ther kernels for the same: {', '.join(ways[:-1])} or {ways[-1]}"
    long_s = sum(group.own_s for group in found if group.calls and group.own_s >= LONG_S * group.calls)
    if long_s >= _seconds(found) / 2:
        return f"Try o{others}. A larger batch would not help: its operations are long already."
    return f"Give each operation more to do (larger batch, more channels), or try o{others}."


def for_capacity(run: Mapping[str, Any]) -> str:
    """Return advice on using less memory."""
    lower = "" if str(run.get("precision")) in ("bf16", "fp16") else "lower precision (bf16), "
    return (
        f"Less memory a device is needed by a smaller batch, {lower}activations computed anew in backward, or a model "
        "divided among devices."
    )


def _lower_precision(run: Mapping[str, Any]) -> list[str]:
    precision = run.get("precision")
    return ["use a lower precision"] if precision is None or precision in WIDE else []


def _is(run: Mapping[str, Any], executions: Sequence[str]) -> bool:
    return run.get("execution") in executions


def _elementwise_s(found: Sequence[Group]) -> float:
    return sum(group.own_s for group in found if group.part == "outside" and group.name in ELEMENTWISE)


def _seconds(found: Sequence[Group]) -> float:
    return sum(group.own_s for group in found)
