"""Data for a roofline, and the time of a step's layers run alone. Pure.

Intensity is operations by closed form over the least traffic of the step's operations as they ran: each reads its
inputs and writes its output once. Layers have the application's closed form. The traffic of work outside them
(activations that were not fused into a kernel, changes of type, the optimiser) is read off the shapes in the trace. If
the layers did such work, as `augment.model.cost` counts it, less would have to move: of CosmoFlow at edge 128, width 1,
batch 8, in bf16 9.98 GB instead of 18.07. Real traffic is higher than either, so that the true intensity is lower, and
a point's true place is further left than drawn. But a cache that keeps data from one layer to the next saves traffic: a
CosmoFlow step of edge 32 moved half of it (H200, hardware counters).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saih.metrics.work_groups import NO_WORK, Group, groups

NO_LAYERS = "the profiled pass tells no layers"


def layer_bound(profile: Mapping[str, Any], ceilings: Mapping[str, Any], flop: float | None) -> dict[str, Any]:
    """Return the time of the step's layers, each run alone.

    The result is {"seconds", "alone": layer parts timed alone, "of": layer parts} or {"why"}. The kernels are the same,
    and others may be faster, so that the time is no lower bound. A layer's part counts its time alone (or in the step,
    if it was faster there), or without such a timing its time at the machine's ceilings; work outside layers counts its
    least traffic at the measured memory bandwidth.
    """
    if not profile.get("layers"):
        return {"why": _why(profile, "layers") or NO_LAYERS}
    parts = groups(profile, ceilings, flop)
    layers = [group for group in parts if group.part != "outside"]
    least = [_least_s(group) for group in layers]
    if not all(seconds is not None for seconds in least):
        return {"why": "a layer was neither timed alone, nor are its counts and both ceilings known"}
    outside = [group.limit_s for group in parts if group.part == "outside"]
    seconds = sum(part_s or 0.0 for part_s in [*least, *outside])
    return {"seconds": seconds, "alone": sum(g.alone_s is not None for g in layers), "of": len(layers)}


def least_traffic(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Return the least bytes that a step's operations move, and those of its layers: {"bytes", "layers"}, or {"why"}.

    Bytes are counted between the device's memory and its arithmetic, one operation after the other.
    """
    layers = profile.get("layers")
    others = (profile.get("outside") if layers else profile.get("classes")) or []
    entries = [*(layers or []), *(entry for entry in others if entry["class"] not in NO_WORK)]
    if not entries:
        return {"why": _why(profile, "layers") or _why(profile, "profile") or "the step was not profiled"}
    known = [entry["bytes"] for entry in entries if entry.get("bytes") is not None]
    unknown_s = sum(entry.get("busy_s") or 0.0 for entry in entries if entry.get("bytes") is None)
    if not known or unknown_s > UNKNOWN_SHARE * (profile.get("busy_s") or 0.0):
        return {"why": "the least traffic of some operations is not known"}
    return {"bytes": sum(known), "layers": sum(entry.get("bytes") or 0 for entry in layers or [])}


UNKNOWN_SHARE = 0.1
"""Operations with unknown bytes may take this share of the busy time before the sum counts as unknown."""


def roofline(
    found: Sequence[Group], ceilings: Mapping[str, Any], point: Mapping[str, Any], bound_s: float | None
) -> dict[str, Any] | None:
    """Return the chart's data, or None if a ceiling or all counts are missing.

    `point`: "flop", "bytes", "layer_bytes" and "step_s".
    """
    flop_per_s, bytes_per_s = ceilings.get("flop_per_s"), ceilings.get("memory_bytes_per_s")
    layers = [group for group in found if group.part != "outside" and group.flop is not None and group.bytes]
    if not flop_per_s or not bytes_per_s or not (layers or point["bytes"]):
        return None
    return {
        "ridge_flop_per_byte": flop_per_s / bytes_per_s,
        "flop_per_s": flop_per_s,
        "bytes_per_s": bytes_per_s,
        "point": {
            "flop": point["flop"],
            "bytes": point["bytes"],
            "layer_bytes": point["layer_bytes"],
            "intensity": point["flop"] / point["bytes"] if point["flop"] is not None and point["bytes"] else None,
            "flop_per_s": None if point["flop"] is None else point["flop"] / point["step_s"],
        },
        "layers": [_mark(group) for group in layers],
        "bound_s": bound_s,
    }


def _mark(group: Group) -> dict[str, Any]:
    flop, bytes_ = group.flop or 0.0, group.bytes or 1.0
    return {
        "name": group.name,
        "part": group.part,
        "flop": flop,
        "bytes": bytes_,
        "intensity": flop / bytes_,
        "seconds": group.seconds,
        "flop_per_s": flop / group.seconds,
        "limit": group.limit,
        "cause": group.cause,
        "limit_s": group.limit_s,
        "alone_s": group.alone_s,
    }


def _least_s(group: Group) -> float | None:
    return group.limit_s if group.alone_s is None else min(group.alone_s, group.seconds)


def _why(profile: Mapping[str, Any], key: str) -> str | None:
    why = profile.get("why") or {}
    reason = why.get(key) or why.get("profile")
    return None if reason is None else str(reason)
