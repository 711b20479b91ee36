"""What is said of a named cause: its kind, the seconds saved without it, its evidence, and what would help. Pure.

Sentences hold measured numbers only, and advice follows from what was measured; the record has both.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from saih.diagnosis.blocks import excess
from saih.diagnosis.groups import NEAR, OWN_SHAPE, Group
from saih.diagnosis.parts import Parts
from saih.diagnosis.suspect import MEMORY, SLOWER, suspect
from saih.diagnosis.words import duration, listed, percent

Told = tuple[str | None, float, str, str]
"""Kind, seconds saved a step, evidence, help."""

OF_INPUT = 0.5
"""A timer that shows at least this much of what input costs can be the reason; a smaller one cannot."""
MOST_NAMED = 3
LEAST_NAMED = 0.05
"""Groups that a sentence names: the longest few, and none below this share of the cause's time."""
NEARLY_ALL = 0.995
"""A group that had its cores for more of its time than this was left alone: its sentence does not speak of others."""

_INPUT_HELP = {
    "storage": "Keep the data nearer: a copy on a local disk, or in memory where it fits; or read fewer bytes a "
    "sample, by compressing what decodes fast. More reading threads help where the storage is not busy yet.",
    "decode": "Make a sample cheaper to decode: without compression, or with a faster one; or decode with more "
    "threads, if there are cores for them.",
    "copy": "Copy ahead of the step, from page-locked memory, on a stream of its own; or copy fewer bytes, as small "
    "integers that the device converts.",
    "untimed": "Find out whether reading or decoding takes the time: this application times neither.",
    "neither": "Look at what lies between decoding and the step: batches that are put together and handed over, and "
    "reading threads that compete with the step for cores.",
}


def told_of_input(parts: Parts, metrics: Mapping[str, Mapping[str, Any]], samples: Mapping[str, Any]) -> Told:
    """Its kind by timers: the copy, or else whichever the reading threads spend more time with, if it can be that."""
    seconds = parts.of["input"].seconds or 0.0
    read_s, decode_s, copy_s = (metrics.get(name, {}).get("value") for name in ("read_s", "decode_s", "h2d_s"))
    kind, advice = None, "untimed"
    told = "Neither reading nor decoding is timed, so that it stays open which of them."
    if copy_s and copy_s >= OF_INPUT * seconds:
        kind = advice = "copy"
        told = f"Copies to the device last {duration(copy_s)} a step."
    elif read_s or decode_s:
        more = "decode" if (decode_s or 0.0) > (read_s or 0.0) else "storage"
        kind = more if max(decode_s or 0.0, read_s or 0.0) >= OF_INPUT * seconds else None
        advice = kind or "neither"
        times = [(read_s, "reading"), (decode_s, "decoding")]
        spent = [f"{duration(each)} a step {doing}" for each, doing in times if each is not None]
        told = f"The reading threads, added up, spend {listed(spent)}{'' if kind else ', too little to be it'}."
    seen = _seen(samples, "exposed_input_s", "the device waits for input")
    return kind, seconds, f"{_without(parts, 'input', samples)} {told}{seen}", _INPUT_HELP[advice]


def told_of_communication(parts: Parts, samples: Mapping[str, Any]) -> Told:
    """By difference."""
    advice = (
        "Exchange less often for the same work, by a larger batch a rank; exchange while backward still computes, in "
        "buckets; or exchange fewer bytes, in lower precision."
    )
    seen = _seen(samples, "exposed_comm_s", "only communication runs, waiting for others included,")
    told = f"{_without(parts, 'communication', samples)}{seen}"
    return None, parts.of["communication"].seconds or 0.0, told, advice


def told_of_straggler(parts: Parts, samples: Mapping[str, Any]) -> Told:
    """Which rank, by how much, and how regularly."""
    late, saved_s = parts.late, parts.of["straggler"].seconds or 0.0
    if late is None:
        raise ValueError("a lone rank is not late")
    where = " without communication" if "without_communication" in samples["block_s"] else ""
    told = (
        f"Rank {late.rank} takes {duration(saved_s)} a step longer than the mean of the others "
        f"({percent(saved_s / parts.step_s)} of the step), and was the slowest in {late.blocks} of {late.of} "
        f"blocks{where}."
    )
    advice = (
        f"See what differs at rank {late.rank}: its share of the work, its device's clocks, its cores, or other "
        "processes there. sweep.everywhere compares all devices with one another."
    )
    return None, saved_s, told, advice


def told_of_launch(parts: Parts, samples: Mapping[str, Any], device_kind: str) -> Told:
    """Gaps of a GPU, measured; on a CPU an estimate."""
    seconds = parts.of["launch"].seconds or 0.0
    count = (samples.get("profile") or {}).get("operations") or 0
    of = f"{duration(seconds)} of {duration(parts.step_s)} ({percent(seconds / parts.step_s)}"
    if device_kind == "cuda":
        told = (
            f"For {of}) the device is idle though it waits for neither input nor communication, between {count:.0f} "
            f"kernels a step{_handed_out(samples)}."
        )
        advice = (
            "Hand out less often: compiled execution or CUDA graphs, or more work in each kernel by a larger batch. "
            "Waiting for the device within the step leaves the same gaps."
        )
        return None, seconds, told, advice
    told = (
        f"Calling {count:.0f} operations a step takes {of}): those that last hardly longer than one on one number, "
        "and time between operations, as far as the measured cost of calling one explains it."
    )
    return None, seconds, told, "Do more in each operation: a larger batch, compiled execution, or fused operations."


def _handed_out(samples: Mapping[str, Any]) -> str:
    """How long the host took to hand the blocks' steps out; near all of the time, it is the host that sets the pace."""
    handed, full = samples.get("handed_out_s") or [], samples["block_s"]["full"]
    if not handed or len(handed[0]) != len(full[0]):
        return ""
    pairs = [pair for block in zip(handed, full, strict=False) for pair in zip(*block, strict=True)]
    share = statistics.median(out / block for out, block in pairs)
    return f"; the host handed work out for {percent(share)} of the blocks' time"


def told_of_memory(parts: Parts) -> Told:
    """Groups near the memory bandwidth."""
    found = _of(parts, "memory")
    told = (
        f"{_long(parts, 'memory')} reaches at least {percent(NEAR)} of the measured memory bandwidth, and arithmetic "
        f"limits it less: {_names(found)}."
    )
    advice = (
        "Move fewer bytes: fuse elementwise operations with their neighbours (compiled execution), or use a lower "
        "precision."
    )
    return None, sum(group.own_s - (group.compute_s or 0.0) for group in found), told, advice


def told_of_compute(parts: Parts) -> Told:
    """Groups near the ceiling of arithmetic, or near what their own shape allows."""
    found = _of(parts, "compute")
    own = [group for group in found if (group.limit_s or 0.0) < NEAR * group.had * group.own_s]
    near = f"reaches at least {percent(NEAR)} of the measured ceiling of arithmetic"
    if own:
        near += f" or, {duration(sum(group.own_s for group in own))} of it, what its shapes allow alone"
    told = f"{_long(parts, 'compute')} {near}: {_names(found)}."
    advice = (
        "The device does what it is for: left are fewer operations, a faster datapath (lower precision), or a faster "
        "device."
    )
    if own:
        advice += " Layers that their own shape limits gain from shapes that suit the library better, or other kernels."
    return None, sum(group.own_s - (group.memory_s or 0.0) for group in found), told, advice


def told_of_kernels(parts: Parts, samples: Mapping[str, Any]) -> Told:
    """Groups that reach neither ceiling; where telemetry saw the machine disturbed, that comes with it."""
    found = _of(parts, "kernels")
    told = f"{_long(parts, 'kernels')} comes near neither ceiling: {_names(found)}.{_disturbed(samples)}"
    advice = (
        "Give each operation more to do (larger batch, more channels), or try other kernels for the same: another "
        "memory layout, compiled execution, another library version."
    )
    timed = [(group.own_s, group.alone_s) for group in found if group.alone_s is not None]
    half = sum(group.own_s for group in found) / 2
    if sum(own for own, alone in timed if alone >= OWN_SHAPE * own) >= half:
        advice += " Most of it is as slow alone: that is due to its shapes, not to its place in the step."
    elif sum(own for own, alone in timed if alone < OWN_SHAPE * own) >= half:
        told += f" Alone, {duration(sum(own for own, _ in timed))} of it take {duration(sum(a for _, a in timed))}."
        advice = (
            "Look for what slows it down in the step, for it is faster alone: others on the device or its cores, cold "
            "caches, conversions between layouts or types."
        )
    return None, sum(group.own_s - (group.limit_s or 0.0) for group in found), told, advice


def _disturbed(samples: Mapping[str, Any]) -> str:
    """The first reason, if any, for which this device was slower than when its ceilings were measured."""
    found = suspect(samples.get("telemetry") or [], samples)
    words = [each["words"] for each in found if each["cause"] not in (MEMORY, SLOWER)]
    return f" The device was not left alone: {words[0]}." if words else ""


def _without(parts: Parts, name: str, samples: Mapping[str, Any]) -> str:
    """By difference; in how many rounds is told where that is why the cause is named though its interval holds zero."""
    part = parts.of[name]
    seconds = part.seconds or 0.0
    between = "" if part.low is None or part.high is None else f", {duration(part.low)} to {duration(part.high)}"
    shorter = f"{duration(seconds)} of {duration(parts.step_s)}{between}"
    told = f"Without {name} the step is {percent(seconds / parts.step_s)} shorter ({shorter})"
    if part.low is not None and part.low <= 0:
        rounds = excess(samples, f"without_{name}")
        told += f", and was in {sum(each > 0 for each in rounds)} of {len(rounds)} pairs of blocks"
    return f"{told}."


def _seen(samples: Mapping[str, Any], name: str, what: str) -> str:
    """The same time as a GPU's profile has it: how long it lasts, where the difference is what would be saved."""
    profile = samples.get("profile") or {}
    seconds = profile.get(name)
    if profile.get("device") != "cuda" or seconds is None:
        return ""
    return (
        f" In the profiled steps {what} for {duration(seconds)} ({percent(seconds / profile['step_s'])} of the step)."
    )


def _of(parts: Parts, cause: str) -> list[Group]:
    return sorted((group for group in parts.groups if group.cause == cause), key=lambda group: -group.own_s)


def _long(parts: Parts, cause: str) -> str:
    seconds = parts.of[cause].seconds or 0.0
    return f"Work of {duration(seconds)} of {duration(parts.step_s)} ({percent(seconds / parts.step_s)})"


def _names(found: Sequence[Group]) -> str:
    """The longest groups with how near they come to their ceiling, and what they take alone."""
    least_s = LEAST_NAMED * sum(group.own_s for group in found)
    shown = [group for group in found[:MOST_NAMED] if group.own_s >= least_s]
    told = [f"{group.label} {duration(group.own_s)}{_beside(group)}" for group in shown]
    more = len(found) - len(shown)
    return listed([*told, f"{more} more"] if more else told)


def _beside(group: Group) -> str:
    alone = "" if group.alone_s is None else f", alone {duration(group.alone_s)}"
    if not group.limit_s:
        return f" (nothing that it must move is counted{alone})"
    of = "memory bandwidth" if group.limit == "memory" else "arithmetic"
    had = "" if group.had > NEARLY_ALL else f" in the {percent(group.had)} of the time that others left it"
    near = group.limit_s / group.own_s / group.had
    short = ", a sustained rate that short work may exceed" if near > 1 and group.limit == "compute" else ""
    return f" ({percent(near)} of the ceiling of {of}{short}{had}{alone})"
