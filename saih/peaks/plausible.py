"""Checks of the ceilings against one another, and against the maker's figures. Pure.

A rule applies only if both of its figures are known. Its result is a sentence with both figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from saih.peaks.allreduce import bus_factor
from saih.peaks.datasheets import bandwidth, datasheet
from saih.peaks.limit import limit
from saih.peaks.memory import CACHES

BEYOND = 1.05
"""Tolerance above printed figures, which are rounded, and for inexact counts of traffic; arithmetic has limit.py."""
FAR_BELOW = 0.1
"""Share of the datasheet below which a device is shared, throttled, or other than its name."""
LAUNCH_S = (50e-9, 1e-3)
"""Range of launch times: from less than any host's function call to more than any host's start of a kernel."""

Found = Mapping[str, Any]


def doubts(
    machine: Found, peaks: Sequence[Found], ceilings: Sequence[Found], cores_per_rank: int | None = None
) -> list[str]:
    """Return sentences about figures that must not be believed as they are; empty if all are consistent.

    `machine`, `peaks`, `ceilings` and `cores_per_rank` as in system.json (docs/peaks.md).
    """
    rules: tuple[Callable[[Found, Sequence[Found], Found], Iterator[str]], ...]
    rules = (_memory, _copies, _launches, _allreduce, _storage)
    sentences = list(_arithmetic(machine, peaks, cores_per_rank))
    for ceiling in ceilings:
        sentences += [sentence for rule in rules for sentence in rule(machine, peaks, ceiling)]
    return sentences


def _arithmetic(machine: Found, peaks: Sequence[Found], cores: int | None) -> Iterator[str]:
    for peak in peaks:
        what, rate = f"{peak['precision']} arithmetic", peak["flop_per_s"]
        most = limit(machine, peak["precision"], cores)
        if most.get("flop_per_s") is not None and rate > most["flop_per_s"]:
            can = f"{most['flop_per_s']:.4g} ({most['method']})"
            yield f"{what} reached {rate:.4g} FLOP/s: more than the device can do, {can}"
        quoted = datasheet(machine["device"], peak["precision"], machine.get("device_memory_bytes"))
        yield from _far_below(what, rate, quoted.get("flop_per_s"))
        yield from _slower_than_fp32(machine, peak, peaks)


def _far_below(what: str, measured: float, printed: float | None) -> Iterator[str]:
    if printed is not None and measured < FAR_BELOW * printed:
        yield f"{what} reached {_percent(measured, printed)}: is the device shared or throttled?"


def _percent(measured: float, printed: float) -> str:
    return f"{100 * measured / printed:.3g} % of the datasheet's {printed:.4g}"


def _slower_than_fp32(machine: Found, peak: Found, peaks: Sequence[Found]) -> Iterator[str]:
    """Check that a precision with a higher printed peak than FP32's was also measured as faster."""
    printed, printed_fp32 = (
        datasheet(machine["device"], precision, machine.get("device_memory_bytes")).get("flop_per_s")
        for precision in (peak["precision"], "fp32")
    )
    fp32 = [each for each in peaks if each["precision"] == "fp32" and each["ranks"] == peak["ranks"]]
    if printed is None or printed_fp32 is None or printed <= printed_fp32 or not fp32:
        return
    if peak["flop_per_s"] < fp32[0]["flop_per_s"]:
        rates = f"{peak['flop_per_s']:.4g} and {fp32[0]['flop_per_s']:.4g} FLOP/s"
        yield f"{peak['precision']} arithmetic is slower than fp32 ({rates}), though its datapath is the faster one"


def _memory(machine: Found, peaks: Sequence[Found], ceiling: Found) -> Iterator[str]:
    memory = ceiling.get("memory") or {}
    rate = memory.get("memory_bytes_per_s")
    if rate is None:
        return
    printed = bandwidth(machine["device"], machine.get("device_memory_bytes")).get("memory_bytes_per_s")
    if printed is not None and rate > BEYOND * printed:
        yield f"memory reached {_percent(rate, printed)}: more than the device can do"
    yield from _far_below("memory", rate, printed)
    if memory["array_bytes"] < CACHES * memory["cache_bytes"]:
        cache = f"{memory['array_bytes']} B, the cache holds {memory['cache_bytes']} B"
        yield f"memory: an array had only {cache}: this may be the cache's rate"


def _copies(machine: Found, peaks: Sequence[Found], ceiling: Found) -> Iterator[str]:
    copies = ceiling.get("copies") or {}
    for way in ("h2d_bytes_per_s", "d2h_bytes_per_s"):
        yield from _not_beyond_memory(f"copies ({way[:3]})", copies.get(way), ceiling)


def _launches(machine: Found, peaks: Sequence[Found], ceiling: Found) -> Iterator[str]:
    launches = ceiling.get("launches") or {}
    low, high = LAUNCH_S
    for name in ("launch_s", "graph_launch_s"):
        seconds = launches.get(name)
        if seconds is not None and not low <= seconds <= high:
            yield f"{name} = {seconds:.3g}: must lie between {low:g} and {high:g}"
    once, trip = launches.get("launch_s"), launches.get("round_trip_s")
    if once is not None and trip is not None and trip < once:
        yield f"a launch that is waited for ({trip:.3g} s) is shorter than one that is not ({once:.3g} s)"


def _allreduce(machine: Found, peaks: Sequence[Found], ceiling: Found) -> Iterator[str]:
    allreduce = ceiling.get("allreduce") or {}
    best = allreduce.get("bus_bytes_per_s")
    if ceiling["ranks"] == 1 and best is not None:
        yield "all-reduce of one rank has a bandwidth, though nothing was moved"
    yield from _not_beyond_memory("all-reduce", best, ceiling)
    for entry in allreduce.get("entries") or []:
        moved = bus_factor(entry["ranks"]) * entry["bytes"] / entry["seconds"]
        if moved > BEYOND * entry["bus_bytes_per_s"]:
            case = f"all-reduce of {entry['bytes']} B on {entry['ranks']} ranks"
            yield f"{case}: bytes over time give {moved:.4g} B/s, more than its best, {entry['bus_bytes_per_s']:.4g}"


def _storage(machine: Found, peaks: Sequence[Found], ceiling: Found) -> Iterator[str]:
    """Check storage against a host's memory, which is known only if it is the device's."""
    if machine["device_kind"] == "cpu":
        rate = (ceiling.get("storage") or {}).get("read_bytes_per_s")
        yield from _not_beyond_memory("storage, a rank,", rate / ceiling["ranks"] if rate else None, ceiling)


def _not_beyond_memory(what: str, rate: float | None, ceiling: Found) -> Iterator[str]:
    """Check that data into a device's memory came no faster than the memory's bandwidth."""
    memory = (ceiling.get("memory") or {}).get("memory_bytes_per_s")
    if rate is not None and memory is not None and rate > memory:
        yield f"{what} reached {rate:.4g} B/s, more than the device's memory ({memory:.4g} B/s)"
