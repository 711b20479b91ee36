"""Record of a point -> its bottlenecks: verdict, evidence, advice and predicted gain. Pure.

    parts.py      the step, divided into the time of each part
    profiler_cost.py    costs in the profile of a CPU besides work
    causes.py     the parts that are named as causes
    gains.py      the gain from removing a cause, with its interval
    input_kind.py the kind of the cost of input
    evidence.py   sentences about causes outside the device's work
    work.py       sentences about work against ceilings
    advice.py     advice against a cause, by the settings of the point
    checks.py     checks of the timed steps against other instruments
    contradictions.py   data of one point that exclude one another
    suspect.py    reasons for which a point's figures may not be repeatable
    growth_path.py      over the sizes of a sweep: changes of the leading cause, and the end of the path

From saih/metrics it uses work_groups.py (work against the machine's ceilings: arithmetic, memory, or neither),
from_blocks.py (figures from the timed blocks alone) and roofline.py (a roofline's data, the time of the layers alone).

docs/diagnosis.md has the method on a page. A diagnosis, record.diagnosis, is

    verdict     words of the causes, "input-bound (storage) and memory-bandwidth-bound", or "undetermined"
    evidence    the causes' sentences together, or without a cause the known parts
    causes      [{"cause": host | memory | compute | kernels | input | communication | straggler | capacity, "kind":
                of input storage | decode | copy | contention | null, of host launches | framework | null, "verdict",
                "share" of the step, "saved_s", "low_s", "high_s", "gain", "gain_low", "gain_high" (null with a low:
                unbounded), "gain_interval" (its source, or why there is none), "caveat", "evidence", "help"}],
                largest share first; null if not known
    shares      {"input", "copy", "communication", "straggler", "host", "compute", "memory", "cache", "kernels", "rest"}
                of the step, null if not known, possibly negative; with the rest they add up to 1. Records up to method
                version 7 have "launch" for "host", also as a cause, and no "cache"
    intervals   {a part: [low, high] as shares of the step}, for the parts with an interval; input without its copy
    checks      [{"check", "value", "low", "high", "words", "holds"}]: timed steps against other instruments
    contradictions   sentences about data that exclude one another; if there are any, the verdict is "undetermined",
                no cause is named, and shares and roofline are null
    roofline    {"ridge_flop_per_byte", "flop_per_s", "bytes_per_s", "point", "layers", "bound_s"} or null
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saih.diagnosis import advice, causes, checks, words, work
from saih.diagnosis.causes import NAMED_SHARE, Measured
from saih.diagnosis.contradictions import contradictions
from saih.diagnosis.parts import NAMES, Parts, divide
from saih.metrics import from_blocks
from saih.metrics.roofline import least_traffic, roofline

__all__ = ["NAMED_SHARE", "UNDETERMINED", "diagnose", "out_of_memory"]

UNDETERMINED = "undetermined"
_PART = {
    "host": "gaps for want of work from the host",
    "cache": "work from caches",
    "kernels": "work at neither ceiling",
}


def diagnose(
    metrics: Mapping[str, Mapping[str, Any]],
    samples: Mapping[str, Any],
    ceilings: Mapping[str, Any],
    device_kind: str,
    run: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the diagnosis of a measured point.

    `metrics`, `samples` as in the record, `ceilings` as in its system["ceilings"] (may be empty); `device_kind` "cuda"
    or "cpu"; `run` its point["run"], on which the advice depends. Without a profile the diagnosis rests on the
    differences of blocks alone; a missing profile raises nothing.
    """
    parts = divide(metrics, samples, ceilings, device_kind)
    named = causes.named(parts, Measured(metrics, samples, ceilings, device_kind, run or {}))
    traffic = least_traffic(samples.get("profile") or {})
    moved = {"bytes": traffic.get("bytes"), "layer_bytes": traffic.get("layers")}
    point = {"flop": from_blocks.flop_of_a_step(metrics, samples), **moved, "step_s": parts.step_s}
    bound_s = metrics.get("layer_bound_s", {}).get("value")
    checked = checks.checks(metrics, samples, device_kind)
    check_entries = {"checks": [check.to_dict() for check in checked]}
    if against := contradictions(parts, metrics, checked):
        return _contradictory(against) | check_entries
    return check_entries | {
        "contradictions": [],
        "verdict": " and ".join(cause["verdict"] for cause in named) or UNDETERMINED,
        "evidence": _evidence(parts, named),
        "causes": named,
        "shares": parts.shares(),
        "intervals": parts.intervals(),
        "roofline": roofline(parts.groups, ceilings, point, bound_s),
    }


def _contradictory(against: Sequence[str]) -> dict[str, Any]:
    """Return the diagnosis of a point whose data exclude one another; it is unknown which of them are wrong."""
    return {
        "contradictions": list(against),
        "verdict": UNDETERMINED,
        "evidence": f"The data of this point contradict one another: {' '.join(against)}",
        "causes": [],
        "shares": dict.fromkeys((*NAMES, "rest")),
        "intervals": {},
        "roofline": None,
    }


def out_of_memory(
    message: str,
    needed_bytes: int,
    there_bytes: int,
    run: Mapping[str, Any] | None = None,
    limited_by: str | None = None,
) -> dict[str, Any]:
    """Return the diagnosis of a point that ran out of memory.

    `message`: the record's error; `needed_bytes`: the most that a rank is predicted to take; `there_bytes`: the memory
    available to a rank, and `limited_by` the reason for that limit; `run` as for `diagnose`.
    """
    needed, there = words.size(needed_bytes), words.size(there_bytes)
    evidence = f"Memory ended ({message}). A rank is predicted to take at most {needed}, and has {there}"
    evidence += f" ({limited_by})" if limited_by else ""
    if needed_bytes <= there_bytes:
        evidence += ": that should have sufficed, so that something else took the rest, or the prediction is too low"
    evidence += "."
    cause = causes.alone("capacity", evidence, advice.for_capacity(run or {}))
    shares = dict.fromkeys((*NAMES, "rest"))
    return {"verdict": cause["verdict"], "evidence": evidence, "causes": [cause], "shares": shares, "roofline": None}


def _evidence(parts: Parts, named: list[dict[str, Any]]) -> str:
    """Return the causes' sentences, or without a cause the known parts; a large part that cannot be judged is added."""
    sentences = " ".join(cause["evidence"] for cause in named) or _nothing_named(parts)
    large = (parts.of["cache"].seconds or 0.0) >= NAMED_SHARE * parts.step_s
    return f"{sentences} {work.told_of_cache(parts)}" if large else sentences


def _nothing_named(parts: Parts) -> str:
    shares = parts.shares()
    parts_in_words = [f"{_PART.get(name, name)} {words.percent(share)}" for name in NAMES if (share := shares[name])]
    rest = words.percent(shares["rest"] or 0.0)
    known = ", ".join(parts_in_words) or "No part could be told apart"
    unjudged = f", among them {words.duration(parts.unjudged_s)} of work whose counts or ceilings are not known"
    end = unjudged if parts.unjudged_s > 0 else ""
    return f"{known[:1].upper()}{known[1:]}; the other {rest} are not told apart{end}."
