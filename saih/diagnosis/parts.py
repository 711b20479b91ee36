"""A step divided: seconds of each part, and the groups of its work without what lateness and calling cost. Pure.

Parts are seconds of the slowest rank's median step:

    input          the step less the step without input; of it the *copy* is the time in which the device's compute
                   stream stood still for it, where that was measured: copies overlap, and what they last is not it
    communication  the step less the step without communication
    straggler      how much later the latest rank ends than the mean of the others (blocks.late)
    host           GPU: the gaps in which the device has no work from its host: the step that waits for nothing
                   (blocks.waiting_for_nothing) less the device's busy time, but no more than the gaps of the profiled
                   steps, which the profiler only widens. The rest is then about zero by construction
                   CPU: calling operations: time in tiny ones and between operations, of these again no more than the
                   profiled steps had, as far as calling explains it (calls.py)
    compute, memory, cache, kernels     groups of work by what limits them (groups.py)
    rest           the step less all of these; negative where parts overlap or a GPU's profiled steps were slower

No second counts twice. The profile is of rank 0, on a CPU of its steps without input where there are such. Where rank 0
is the latest, its lateness is within its own busy time and gaps, and all of them shrink in proportion; where another
rank is, the gaps of the GPU, which are taken from the slowest rank's step, hold the lateness and lose it, and rank 0's
work stands for that of the others. A GPU's own times are its own; those of a CPU hold more than work, and are corrected
(calls.py).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from saih.diagnosis.profiler_cost import beside_others, fitted, less_calling, less_profiler
from saih.metrics import from_blocks
from saih.metrics.work_groups import Group, groups, scaled

WORK = ("compute", "memory", "cache", "kernels")
NAMES = ("input", "copy", "communication", "straggler", "host", *WORK)
"""The parts in the order in which they are told; "rest" is what they leave."""


@dataclass(frozen=True)
class Part:
    """Seconds a step; None: not known. With an interval where blocks give one.

    ``shown``: whether the rounds of blocks show it beyond noise (blocks.py); None: they cannot tell.
    """

    seconds: float | None
    low: float | None = None
    high: float | None = None
    shown: bool | None = None

    @property
    def certain(self) -> bool:
        """True if it is no noise."""
        return self.shown if self.shown is not None else self.low is None or self.low > 0


@dataclass(frozen=True)
class Parts:
    """A divided step. ``of`` has a Part for each of `NAMES`; ``copy`` is within the input, not beside it."""

    step_s: float
    of: Mapping[str, Part]
    groups: Sequence[Group]
    late: from_blocks.Late | None
    unjudged_s: float
    """Busy time of groups of which a count or a ceiling is not known; it is within the rest."""

    def shares(self) -> dict[str, float | None]:
        """Every part as share of the step, input without its copy; with "rest" they add up to 1."""
        of = {name: part.seconds for name, part in self.of.items()}
        if of["input"] is not None:
            of["input"] -= of["copy"] or 0.0
        shares = {name: None if of[name] is None else (of[name] or 0.0) / self.step_s for name in NAMES}
        return shares | {"rest": 1 - sum(share for share in shares.values() if share is not None)}

    def intervals(self) -> dict[str, list[float]]:
        """[low, high] as shares of the step, of the parts that have an interval; input's without its copy."""
        copy_s = self.of["copy"].seconds or 0.0
        found = {}
        for name, part in self.of.items():
            if part.low is not None and part.high is not None:
                less = copy_s if name == "input" else 0.0
                found[name] = [(part.low - less) / self.step_s, (part.high - less) / self.step_s]
        return found


def divide(
    metrics: Mapping[str, Mapping[str, Any]],
    samples: Mapping[str, Any],
    ceilings: Mapping[str, Any],
    device_kind: str,
) -> Parts:
    """The step of a measured point, divided. ``ceilings`` as in record.system["ceilings"]."""
    step_s = metrics["step_s"]["value"]
    profile = samples.get("profile") or {}
    late = from_blocks.late(samples)
    calm = from_blocks.waiting_for_nothing(samples)
    waitless = statistics.median(calm) if calm else None
    shrunk = _shrinking(late, waitless)
    found = groups(profile, ceilings, from_blocks.flop_of_a_step(metrics, samples))
    host = _part(metrics.get("launch_gap_s", {}), from_blocks.gaps_shown(samples, profile.get("busy_s")))
    if device_kind == "cuda":
        host = _at_most(_less_lateness(host, late, shrunk), _gaps_s(profile))
        found = scaled(found, shrunk)
    else:
        there_s = step_s if waitless is None else waitless
        there_s -= late.seconds if late else 0.0
        calling_s = ceilings.get("launch_s") or 0.0
        timed_s = from_blocks.step_s(samples, profile.get("variant", "full"))
        found = scaled(less_profiler(found, profile, timed_s, calling_s), shrunk)
        if host.seconds is not None:
            found, host_s = less_calling(found, host.seconds, calling_s, there_s, _gaps_s(profile))
            host = Part(host_s)
        found = fitted(found, there_s - (host.seconds or 0.0))
        found = beside_others(found, samples.get("telemetry") or [])
    exposed = _part(metrics.get("exposed_input_s", {}), from_blocks.shown(samples, "without_input"))
    of = {
        "input": exposed,
        "copy": Part(_copy_s(exposed, metrics)),
        "communication": _part(metrics.get("exposed_comm_s", {}), from_blocks.shown(samples, "without_communication")),
        "straggler": Part(late.seconds, late.low, late.high, late.shown) if late else Part(0.0, 0.0, 0.0),
        "host": host,
        **_by_cause(found),
    }
    unjudged = sum(group.own_s for group in found if group.cause is None)
    return Parts(step_s, of, found, late, unjudged)


def _part(metric: Mapping[str, Any], shown: bool | None = None) -> Part:
    return Part(metric.get("value"), metric.get("low"), metric.get("high"), shown)


def _copy_s(exposed: Part, metrics: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Of what input costs, the device's wait for the copy; None where it was not measured and there are copies."""
    if metrics.get("h2d_s", {}).get("value") == 0:
        return 0.0
    found = metrics.get("copy_wait_s", {}).get("value")
    return None if exposed.seconds is None or found is None else float(found)


def _shrinking(late: from_blocks.Late | None, waitless_s: float | None) -> float:
    """What remains of rank 0's own times once its lateness is taken out; 1 where another rank is the latest."""
    if late is None or late.rank != 0 or not waitless_s:
        return 1.0
    return max(0.0, 1 - late.seconds / waitless_s)


def _less_lateness(gaps: Part, late: from_blocks.Late | None, shrunk: float) -> Part:
    """A GPU's gaps without the lateness that is in them."""
    if gaps.seconds is None or late is None:
        return gaps
    less, times = (0.0, shrunk) if late.rank == 0 else (late.seconds, 1.0)
    return _changed(gaps, lambda seconds: times * seconds - less)


def _gaps_s(profile: Mapping[str, Any]) -> float:
    """A profiled step's time in which the device neither computed nor communicated; no limit where it is not told."""
    if profile.get("busy_s") is None or profile.get("step_s") is None:
        return math.inf
    return max(0.0, float(profile["step_s"] - profile["busy_s"] - (profile.get("exposed_comm_s") or 0.0)))


def _at_most(part: Part, most: float) -> Part:
    """A part no longer than that."""
    return _changed(part, lambda seconds: min(seconds, most))


def _changed(part: Part, change: Callable[[float], float]) -> Part:
    """A part and its interval, changed alike."""
    seconds, low, high = (None if each is None else change(each) for each in (part.seconds, part.low, part.high))
    return replace(part, seconds=seconds, low=low, high=high)


def _by_cause(found: Sequence[Group]) -> dict[str, Part]:
    """Time of each kind of work; all null where no group could be judged."""
    if not any(group.cause for group in found):
        return {name: Part(None) for name in WORK}
    return {name: Part(sum(group.own_s for group in found if group.cause == name)) for name in WORK}
