"""From the record of a point to what bounds it: the verdict, its evidence, what would help and gain how much. Pure.

    parts.py      the step divided into what each part costs
    groups.py     work against the machine's ceilings: arithmetic, memory, or near neither
    blocks.py     what the timed blocks alone tell
    calls.py      what the profile of a CPU holds besides work
    roofline.py   a roofline's data, and the bound of the layers' own shapes
    causes.py     which parts are named, and what removing them would gain
    evidence.py   what is said of a named cause: its evidence, and what would help
    checks.py     whether other instruments agree with what was timed
    contradictions.py   data of one point that exclude one another
    suspect.py    why a point's figures may not be repeatable
    trend.py      over the sizes of a sweep: where the leading cause changes, and what ends the path

docs/diagnosis.md has the method on a page. A diagnosis, record.diagnosis, is

    verdict     words of the causes, "input-bound (storage) and memory-bandwidth-bound", or "undetermined"
    evidence    the causes' sentences together, or what is known where none is named
    causes      [{"cause": launch | memory | compute | kernels | input | communication | straggler | capacity, "kind":
                storage | decode | copy | null, "verdict", "share" of the step, "saved_s", "low_s", "high_s", "gain",
                "evidence", "help"}], largest share first; null where not known
    shares      {"input", "copy", "communication", "straggler", "launch", "compute", "memory", "kernels", "rest"} of
                the step, null where not known, maybe negative; with the rest they add up to 1
    checks      [{"check", "value", "low", "high", "words", "holds"}]: what was timed against other instruments
    contradictions   sentences about data that exclude one another; where there are any, the verdict is "undetermined",
                no cause is named, and shares and roofline are null
    roofline    {"ridge_flop_per_byte", "flop_per_s", "bytes_per_s", "point", "layers", "bound_s"} or null
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saih.diagnosis import blocks, causes, checks, words
from saih.diagnosis.causes import NAMED_SHARE
from saih.diagnosis.contradictions import contradictions
from saih.diagnosis.parts import NAMES, Parts, divide
from saih.diagnosis.roofline import least_traffic, roofline

__all__ = ["NAMED_SHARE", "diagnose", "out_of_memory"]

UNDETERMINED = "undetermined"


def diagnose(
    metrics: Mapping[str, Mapping[str, Any]],
    samples: Mapping[str, Any],
    ceilings: Mapping[str, Any],
    device_kind: str,
) -> dict[str, Any]:
    """The diagnosis of a measured point.

    ``metrics``, ``samples`` as in the record, ``ceilings`` as in its system["ceilings"] (may be empty); ``device_kind``
    "cuda" or "cpu". Without a profile it tells what the differences of blocks tell; it never raises for want of one.
    """
    parts = divide(metrics, samples, ceilings, device_kind)
    named = causes.named(parts, metrics, samples, device_kind)
    traffic = least_traffic(samples.get("profile") or {}).get("bytes")
    point = {"flop": blocks.flop_of_a_step(metrics, samples), "bytes": traffic, "step_s": parts.step_s}
    bound_s = metrics.get("layer_bound_s", {}).get("value")
    checked = checks.checks(metrics, samples, device_kind)
    told = {"checks": [check.to_dict() for check in checked]}
    if against := contradictions(parts, metrics, checked):
        return _contradictory(against) | told
    return told | {
        "contradictions": [],
        "verdict": " and ".join(cause["verdict"] for cause in named) or UNDETERMINED,
        "evidence": " ".join(cause["evidence"] for cause in named) or _nothing_named(parts),
        "causes": named,
        "shares": parts.shares(),
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
        "roofline": None,
    }


def out_of_memory(message: str, needed_bytes: int, there_bytes: int) -> dict[str, Any]:
    """The diagnosis of a point that memory ended.

    ``message``: what the record's error says; ``needed_bytes``: predicted of a rank's tensors; ``there_bytes``: what a
    rank may take.
    """
    needed, there = words.size(needed_bytes), words.size(there_bytes)
    told = f"Memory ended ({message}). A rank's tensors are predicted to take {needed} at once, and a rank has {there}"
    if needed_bytes <= there_bytes:
        told += ": by prediction it fits, so that the prediction is too low, or something else took the rest"
    told += "."
    cause = causes.alone("capacity", told, causes.MEMORY_HELP)
    shares = dict.fromkeys((*NAMES, "rest"))
    return {"verdict": cause["verdict"], "evidence": told, "causes": [cause], "shares": shares, "roofline": None}


def _nothing_named(parts: Parts) -> str:
    shares = parts.shares()
    told = [f"{name} {words.percent(share)}" for name in NAMES if (share := shares[name])]
    rest = words.percent(shares["rest"] or 0.0)
    known = ", ".join(told) or "No part could be told apart"
    unjudged = f", among them {words.duration(parts.unjudged_s)} of work whose counts or ceilings are not known"
    end = unjudged if parts.unjudged_s > 0 else ""
    return f"{known[:1].upper()}{known[1:]}; the other {rest} are not told apart{end}."
