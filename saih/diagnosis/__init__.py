"""Record of a point -> its bottlenecks: verdict, evidence, advice and predicted gain. Pure.

    parts.py      the step divided into what each part costs
    groups.py     work against the machine's ceilings: arithmetic, memory, or near neither
    blocks.py     what the timed blocks alone tell
    calls.py      what the profile of a CPU holds besides work
    roofline.py   a roofline's data, and the time of the layers alone
    causes.py     which parts are named
    gains.py      what removing them would gain, with its interval
    input_kind.py what kind the cost of input is
    evidence.py   what is said of a cause outside the device's work
    work.py       what is said of work against ceilings
    advice.py     what would help, by how the point ran
    checks.py     whether other instruments agree with what was timed
    contradictions.py   data of one point that exclude one another
    suspect.py    why a point's figures may not be repeatable
    trend.py      over the sizes of a sweep: where the leading cause changes, and what ends the path

docs/diagnosis.md has the method on a page. A diagnosis, record.diagnosis, is

    verdict     words of the causes, "input-bound (storage) and memory-bandwidth-bound", or "undetermined"
    evidence    the causes' sentences together, or what is known where none is named
    causes      [{"cause": host | memory | compute | kernels | input | communication | straggler | capacity, "kind":
                of input storage | decode | copy | contention | null, of host launches | framework | null, "verdict",
                "share" of the step, "saved_s", "low_s", "high_s", "gain", "gain_low", "gain_high" (null with a low:
                unbounded), "gain_interval" (of what it is made, or why there is none), "caveat", "evidence", "help"}],
                largest share first; null where not known
    shares      {"input", "copy", "communication", "straggler", "host", "compute", "memory", "cache", "kernels", "rest"}
                of the step, null where not known, maybe negative; with the rest they add up to 1. Records up to method
                version 7 have "launch" for "host", also as a cause, and no "cache"
    intervals   {a part: [low, high] as shares of the step}, of the parts that have one; input without its copy
    checks      [{"check", "value", "low", "high", "words", "holds"}]: what was timed against other instruments
    contradictions   sentences about data that exclude one another; where there are any, the verdict is "undetermined",
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
    """The diagnosis of a measured point.

    ``metrics``, ``samples`` as in the record, ``ceilings`` as in its system["ceilings"] (may be empty); ``device_kind``
    "cuda" or "cpu"; ``run`` its point["run"], by which advice is chosen. Without a profile it tells what the
    differences of blocks tell; it never raises for want of one.
    """
    parts = divide(metrics, samples, ceilings, device_kind)
    named = causes.named(parts, Measured(metrics, samples, ceilings, device_kind, run or {}))
    traffic = least_traffic(samples.get("profile") or {})
    moved = {"bytes": traffic.get("bytes"), "layer_bytes": traffic.get("layers")}
    point = {"flop": from_blocks.flop_of_a_step(metrics, samples), **moved, "step_s": parts.step_s}
    bound_s = metrics.get("layer_bound_s", {}).get("value")
    checked = checks.checks(metrics, samples, device_kind)
    told = {"checks": [check.to_dict() for check in checked]}
    if against := contradictions(parts, metrics, checked):
        return _contradictory(against) | told
    return told | {
        "contradictions": [],
        "verdict": " and ".join(cause["verdict"] for cause in named) or UNDETERMINED,
        "evidence": _evidence(parts, named),
        "causes": named,
        "shares": parts.shares(),
        "intervals": parts.intervals(),
        "roofline": roofline(parts.groups, ceilings, point, bound_s),
    }


def _contradictory(against: Sequence[str]) -> dict[str, Any]:
    """The diagnosis of a point whose data exclude one another: which of them is wrong, nobody can tell."""
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
    """The diagnosis of a point that memory ended.

    ``message``: what the record's error says; ``needed_bytes``: the most that a rank is predicted to take;
    ``there_bytes``: what it may take, and ``limited_by`` what leaves it no more; ``run`` as for `diagnose`.
    """
    needed, there = words.size(needed_bytes), words.size(there_bytes)
    told = f"Memory ended ({message}). A rank is predicted to take at most {needed}, and has {there}"
    told += f" ({limited_by})" if limited_by else ""
    if needed_bytes <= there_bytes:
        told += ": that should have sufficed, so that something else took the rest, or the prediction is too low"
    told += "."
    cause = causes.alone("capacity", told, advice.for_capacity(run or {}))
    shares = dict.fromkeys((*NAMES, "rest"))
    return {"verdict": cause["verdict"], "evidence": told, "causes": [cause], "shares": shares, "roofline": None}


def _evidence(parts: Parts, named: list[dict[str, Any]]) -> str:
    """The causes' sentences, or what is known without any; and what cannot be named though it takes as much."""
    told = " ".join(cause["evidence"] for cause in named) or _nothing_named(parts)
    large = (parts.of["cache"].seconds or 0.0) >= NAMED_SHARE * parts.step_s
    return f"{told} {work.told_of_cache(parts)}" if large else told


def _nothing_named(parts: Parts) -> str:
    shares = parts.shares()
    told = [f"{_PART.get(name, name)} {words.percent(share)}" for name in NAMES if (share := shares[name])]
    rest = words.percent(shares["rest"] or 0.0)
    known = ", ".join(told) or "No part could be told apart"
    unjudged = f", among them {words.duration(parts.unjudged_s)} of work whose counts or ceilings are not known"
    end = unjudged if parts.unjudged_s > 0 else ""
    return f"{known[:1].upper()}{known[1:]}; the other {rest} are not told apart{end}."
