"""Parts of a step -> the causes that are named, each with its evidence, advice and gain. Pure.

A part is named if it takes at least `NAMED_SHARE` of the step and is more than noise (parts.Part). Work from caches is
never named: no ceiling of caches is measured, so that its possible speed is unknown. The gain from removing a cause is
computed in gains.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from saih.diagnosis import advice, evidence, work
from saih.diagnosis.gains import gain
from saih.diagnosis.parts import Part, Parts
from saih.diagnosis.suspect import suspect
from saih.diagnosis.words import Told

NAMED_SHARE = 0.12
"""The least share of the step that is called a bottleneck: removing a smaller part gains under 14 %.

A part of over 15 % must always be named, although its share is measured with noise: hence a fifth less.
"""
VERDICTS = {
    "host": "host-bound",
    "memory": "memory-bandwidth-bound",
    "compute": "compute-bound",
    "kernels": "kernel-bound",
    "input": "input-bound",
    "communication": "communication-bound",
    "straggler": "straggler",
    "capacity": "capacity-limited",
}
"""The name of a cause in a verdict; "input-bound" and "host-bound" have their kind in brackets, if known."""

TELEMETRY = {"host", "device", "gpu", "host_cpu", "allocation_retries"}
"""The fields of a rank's telemetry without which nothing is said about disturbances."""


@dataclass(frozen=True)
class Measured:
    """Facts about a point besides its parts; `run`: the record's point["run"], or {}."""

    metrics: Mapping[str, Mapping[str, Any]]
    samples: Mapping[str, Any]
    ceilings: Mapping[str, Any]
    device_kind: str
    run: Mapping[str, Any]


def named(parts: Parts, point: Measured) -> list[dict[str, Any]]:
    """Return the causes of a divided step (form: saih/diagnosis/), largest share first, capacity without one last."""
    samples, run = point.samples, point.run
    tell: dict[str, Callable[[], Told]] = {
        "input": partial(evidence.told_of_input, parts, point.metrics, samples),
        "communication": partial(evidence.told_of_communication, parts, samples),
        "straggler": partial(evidence.told_of_straggler, parts, samples),
        "host": partial(evidence.told_of_host, parts, samples, point.ceilings, point.device_kind, run),
        "memory": partial(work.told_of_memory, parts, run),
        "compute": partial(work.told_of_compute, parts, run, point.ceilings),
        "kernels": partial(work.told_of_kernels, parts, run),
    }
    causes = [_cause(parts, point, name, tell[name]()) for name in tell if _large(parts.of[name], parts)]
    causes.sort(key=lambda cause: -cause["share"])
    return [*causes, *_capacity(samples, run)]


def verdict(cause: str, kind: str | None) -> str:
    """Return a cause in the words of a verdict."""
    return f"{VERDICTS[cause]} ({kind})" if kind else VERDICTS[cause]


def alone(cause: str, told_of_it: str, help_: str) -> dict[str, Any]:
    """Return a cause without a known cost in time."""
    numbers = dict.fromkeys(("share", "saved_s", "low_s", "high_s", "gain", "gain_low", "gain_high", "gain_interval"))
    name = {"cause": cause, "kind": None, "verdict": verdict(cause, None)}
    return {**name, **numbers, "caveat": None, "evidence": told_of_it, "help": help_}


def _large(part: Part, parts: Parts) -> bool:
    return part.seconds is not None and part.seconds >= NAMED_SHARE * parts.step_s and part.certain


def _cause(parts: Parts, point: Measured, name: str, told: Told) -> dict[str, Any]:
    kind, saved_s, seen, help_ = told
    part, caveat = parts.of[name], _caveat(point.samples)
    without = gain(parts, name, saved_s, point.metrics["step_s"], point.ceilings)
    return {
        "cause": name,
        "kind": kind,
        "verdict": verdict(name, kind),
        "share": (part.seconds or 0.0) / parts.step_s,
        "saved_s": saved_s,
        "low_s": part.low,
        "high_s": part.high,
        "gain": without.value,
        "gain_low": without.low,
        "gain_high": without.high,
        "gain_interval": without.interval,
        "caveat": caveat,
        "evidence": f"{seen} {caveat[:1].upper()}{caveat[1:]}." if caveat else seen,
        "help": help_,
    }


def _caveat(samples: Mapping[str, Any]) -> str | None:
    """Return the caution that figures of this point may not repeat, or None."""
    telemetry = samples.get("telemetry") or []
    complete = all(set(rank) >= TELEMETRY for rank in telemetry)  # older versions recorded less
    reasons = [reason["words"] for reason in suspect(telemetry if complete else [], samples)]
    more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return f"this point is suspect: {reasons[0]}{more}" if reasons else None


def _capacity(samples: Mapping[str, Any], run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    retries = {i: rank.get("allocation_retries") or 0 for i, rank in enumerate(samples.get("telemetry") or [])}
    if any(retries.values()):
        rank, most = max(retries.items(), key=lambda item: item[1])
        sentence = (
            f"Memory is nearly used up: while it was measured, rank {rank}'s allocator emptied its cache and asked the "
            f"driver again {most} time{'s' * (most > 1)}, which stops the device."
        )
        yield alone("capacity", sentence, advice.for_capacity(run))
