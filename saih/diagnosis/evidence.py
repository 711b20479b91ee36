"""Sentences about causes outside the device's work: kind, seconds saved, evidence, advice. Pure.

Sentences contain only measured numbers, and advice follows from measurements; the record has both. Sentences about work
against ceilings are in work.py.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from saih.diagnosis import advice, input_kind
from saih.diagnosis.parts import Part, Parts
from saih.diagnosis.words import Told, duration, percent
from saih.metrics.from_blocks import gaps

EXPLAINED = 0.5
"""Launches that explain at least this share of a GPU's gaps are their kind; otherwise the host's other work is."""
AHEAD = 0.5
"""A host that launched a block's work in less than this share of its time did not keep the device waiting."""


def told_of_input(parts: Parts, metrics: Mapping[str, Mapping[str, Any]], samples: Mapping[str, Any]) -> Told:
    """Describe the cost of input by difference, and its kind as far as known (input_kind.py)."""
    seconds = parts.of["input"].seconds or 0.0
    cost_kind = input_kind.kind(seconds, metrics, samples)
    seen = _seen(
        samples, "exposed_input_s", "the host is at the input, or a copy runs, while the device computes nothing,"
    )
    sentences = " ".join([_without(parts, "input"), cost_kind.evidence.strip()])
    return cost_kind.kind, seconds, f"{sentences}{seen}", cost_kind.help


def told_of_communication(parts: Parts, samples: Mapping[str, Any]) -> Told:
    """Describe the cost of communication by difference."""
    advice = (
        "Exchange less often for the same work, by a larger batch a rank; exchange while backward still computes, in "
        "buckets; or exchange fewer bytes, in lower precision."
    )
    seen = _seen(samples, "exposed_comm_s", "only communication runs, waiting for others included,")
    sentences = f"{_without(parts, 'communication')}{seen}"
    return None, parts.of["communication"].seconds or 0.0, sentences, advice


def told_of_straggler(parts: Parts, samples: Mapping[str, Any]) -> Told:
    """Describe the late rank: its delay, and the regularity of it. Raises ValueError without a late rank."""
    late, saved_s = parts.late, parts.of["straggler"].seconds or 0.0
    if late is None:
        raise ValueError("a lone rank is not late")
    where = " without communication" if "without_communication" in samples["block_s"] else ""
    sentence = (
        f"Rank {late.rank} takes {duration(saved_s)} a step longer than the mean of the others "
        f"({percent(saved_s / parts.step_s)} of the step{_between(parts.of['straggler'])}), and was the slowest in "
        f"{late.blocks} of {late.of} blocks{where}."
    )
    advice = (
        f"See what differs at rank {late.rank}: its share of the work, its device's clocks, its cores, or other "
        "processes there. sweep.everywhere compares all devices with one another."
    )
    return None, saved_s, sentence, advice


def told_of_host(
    parts: Parts, samples: Mapping[str, Any], ceilings: Mapping[str, Any], device_kind: str, run: Mapping[str, Any]
) -> Told:
    """Describe gaps of a GPU, as measured, or an estimate of the cost of calls on a CPU."""
    part, profile = parts.of["host"], samples.get("profile") or {}
    seconds, count = part.seconds or 0.0, profile.get("operations") or 0.0
    of = f"{duration(seconds)} of {duration(parts.step_s)} ({percent(seconds / parts.step_s)}{_between(part)})"
    if part.low is not None and part.low <= 0 and profile.get("busy_s"):
        rounds = gaps(samples, profile["busy_s"])
        of += f", in {sum(each > 0 for each in rounds)} of {len(rounds)} rounds,"
    if device_kind != "cuda":
        sentence = (
            f"Calling {count:.0f} operations a step takes {of}: those that last hardly longer than one on one number, "
            "and time between operations, as far as the measured cost of calling one explains it."
        )
        return "launches", seconds, sentence, advice.for_calls(run)
    handed = _handed_out(samples)
    kind, why = _launches(seconds, count, ceilings.get("launch_s"), handed, run)
    sentence = (
        f"For {of} the device is idle for want of work from the host, though the step waits for neither input nor "
        f"communication. {why}"
    )
    return kind, seconds, sentence, advice.for_host(run, kind, profile.get("busy_s") or 0.0, count)


def _launches(
    gap_s: float, count: float, launch_s: float | None, handed: float | None, run: Mapping[str, Any]
) -> tuple[str | None, str]:
    """Return the kind of a GPU's gaps, "launches", "framework", or None if undetermined; and the figures in words.

    Operations within graphs are not launched one by one: there count x cost is an upper bound, which can exclude
    launches as the kind but not confirm it.
    """
    out = f" The host was handing out work for {percent(handed)} of the blocks' time." if handed is not None else ""
    if not launch_s or not count:
        return None, f"What launching {count:.0f} kernels costs is not known.{out}"
    share = count * launch_s / gap_s
    in_graphs = run.get("execution") in advice.GRAPHS
    product = f"{count:.0f} kernels x {duration(launch_s)} of launching one"
    explained = f"{duration(count * launch_s)}, {percent(min(share, 1.0))} of it"
    if handed is not None and handed < AHEAD:
        return None, f"{product} is {duration(count * launch_s)}.{out} It was ahead: the gaps may be the device's own."
    if share < EXPLAINED:
        most = "at most " if in_graphs else ""
        rest = "the rest is other work of the host: interpreter and framework"
        return "framework", f"{product} explain {most}{explained}; {rest}.{out}"
    if in_graphs:
        return None, f"{product} would explain {explained}, but those in graphs are launched together.{out}"
    return "launches", f"{product} explain {explained}.{out}"


def _handed_out(samples: Mapping[str, Any]) -> float | None:
    """Return the share of the blocks' time in which the host launched work; near 1, the host sets the pace."""
    handed, full = samples.get("handed_out_s") or [], samples["block_s"]["full"]
    if not handed or len(handed[0]) != len(full[0]):
        return None
    pairs = [pair for block in zip(handed, full, strict=False) for pair in zip(*block, strict=True)]
    return float(statistics.median(out / block for out, block in pairs))


def _without(parts: Parts, name: str) -> str:
    """Describe a part by difference."""
    part = parts.of[name]
    seconds = part.seconds or 0.0
    shorter = f"{duration(seconds)} of {duration(parts.step_s)}{_between(part)}"
    return f"Without {name} the step is {percent(seconds / parts.step_s)} shorter ({shorter})."


def _between(part: Part) -> str:
    return "" if part.low is None or part.high is None else f", {duration(part.low)} to {duration(part.high)}"


def _seen(samples: Mapping[str, Any], name: str, what: str) -> str:
    """Describe the same time in a GPU's profile: its duration, whereas the difference is the time saved."""
    profile = samples.get("profile") or {}
    seconds = profile.get(name)
    if profile.get("device") != "cuda" or seconds is None:
        return ""
    return (
        f" In the profiled steps {what} for {duration(seconds)} ({percent(seconds / profile['step_s'])} of the step)."
    )
