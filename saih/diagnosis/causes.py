"""Parts of a step -> the causes that are named, each with its evidence, what would help, and its gain. Pure.

Named is a part that takes at least `NAMED_SHARE` of the step, and that is no noise (parts.Part).
What is saved by removing a cause alone, all else as it is:

    input, communication, launch, straggler    the part itself
    memory     its groups then take their arithmetic's time:          sum of t - c
    compute    arithmetic takes no time, what must be moved remains:  sum of t - m
    kernels    its groups reach the nearer ceiling:                   sum of t - max(c, m)

and the gain is step / (step - saved).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from saih.diagnosis import evidence
from saih.diagnosis.evidence import Told
from saih.diagnosis.parts import Part, Parts

NAMED_SHARE = 0.12
"""A part that costs less of the step than this is not called a bottleneck: removing it gains under 14 %. What costs
over 15 % is to be named without fail, although its share is seen with noise: hence a fifth less."""
VERDICTS = {
    "launch": "launch-bound",
    "memory": "memory-bandwidth-bound",
    "compute": "compute-bound",
    "kernels": "kernel-bound",
    "input": "input-bound",
    "communication": "communication-bound",
    "straggler": "straggler",
    "capacity": "capacity-limited",
}
"""What a cause is called in a verdict; "input-bound" goes with its kind in brackets, where that is known."""


def named(
    parts: Parts, metrics: Mapping[str, Mapping[str, Any]], samples: Mapping[str, Any], device_kind: str
) -> list[dict[str, Any]]:
    """The causes of a divided step (form: saih/diagnosis/), largest share first; capacity, which has none, last."""
    tell: dict[str, Callable[[], Told]] = {
        "input": partial(evidence.told_of_input, parts, metrics, samples),
        "communication": partial(evidence.told_of_communication, parts, samples),
        "straggler": partial(evidence.told_of_straggler, parts, samples),
        "launch": partial(evidence.told_of_launch, parts, samples, device_kind),
        "memory": partial(evidence.told_of_memory, parts),
        "compute": partial(evidence.told_of_compute, parts),
        "kernels": partial(evidence.told_of_kernels, parts, samples),
    }
    found = [_cause(parts, name, tell[name]()) for name in tell if _large(parts.of[name], parts)]
    found.sort(key=lambda cause: -cause["share"])
    return [*found, *_capacity(samples)]


def verdict(cause: str, kind: str | None) -> str:
    """A cause as the verdict has it."""
    return f"{VERDICTS[cause]} ({kind})" if kind else VERDICTS[cause]


def alone(cause: str, told_of_it: str, advice: str) -> dict[str, Any]:
    """A cause whose cost in time is not known."""
    numbers = dict.fromkeys(("share", "saved_s", "low_s", "high_s", "gain"))
    told = {"cause": cause, "kind": None, "verdict": verdict(cause, None)}
    return {**told, **numbers, "evidence": told_of_it, "help": advice}


def _large(part: Part, parts: Parts) -> bool:
    return part.seconds is not None and part.seconds >= NAMED_SHARE * parts.step_s and part.certain


def _cause(parts: Parts, name: str, told: Told) -> dict[str, Any]:
    kind, saved_s, seen, advice = told
    part = parts.of[name]
    left = parts.step_s - saved_s
    return {
        "cause": name,
        "kind": kind,
        "verdict": verdict(name, kind),
        "share": (part.seconds or 0.0) / parts.step_s,
        "saved_s": saved_s,
        "low_s": part.low,
        "high_s": part.high,
        "gain": parts.step_s / left if left > 0 else None,
        "evidence": seen,
        "help": advice,
    }


def _capacity(samples: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    retries = {i: rank.get("allocation_retries") or 0 for i, rank in enumerate(samples.get("telemetry") or [])}
    if any(retries.values()):
        rank, most = max(retries.items(), key=lambda item: item[1])
        told = (
            f"Memory is nearly used up: while it was measured, rank {rank}'s allocator emptied its cache and asked the "
            f"driver again {most} time{'s' * (most > 1)}, which stops the device."
        )
        yield alone("capacity", told, MEMORY_HELP)


MEMORY_HELP = (
    "Less memory a device is needed by a smaller batch, lower precision, activations computed anew in backward, or a "
    "model divided among devices."
)
