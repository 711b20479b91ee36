"""A step divided: seconds of each part, and the groups of its work, corrected for lateness and the cost of calls. Pure.

Parts are seconds of the slowest rank's median step:

    input          the step less the step without input; of it the *copy* is the time in which the device's compute
                   stream stood still for it, if measured: copies overlap, so that their duration is another figure
    communication  the step less the step without communication
    straggler      the time from the mean end of the other ranks to the end of the latest rank (from_blocks.late)
    host           GPU: the gaps in which the device has no work from its host: the step without any waiting
                   (from_blocks.waiting_for_nothing) less the device's busy time, but no more than the gaps of the
                   profiled steps, which the profiler only widens. The rest is then about zero by construction
                   CPU: calling operations: time in tiny ones and between operations, of these again no more than the
                   profiled steps had, as far as calling explains it (profiler_cost.py)
    compute, memory, cache, kernels     groups of work by their limit (work_groups.py)
    rest           the step less all of these; negative if parts overlap or a GPU's profiled steps were slower

Parts do not overlap. The profile is of rank 0, on a CPU of its steps without input if there are such. If rank 0 is the
latest, its lateness is within its own busy time and gaps, and all of them shrink in proportion. If another rank is, the
GPU's gaps, which are taken from the slowest rank's step, include the lateness, which is subtracted from them; rank 0's
work then represents that of the others. A GPU's own times are its own; those of a CPU include more than work, and are
corrected (profiler_cost.py).
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
"""The parts in the order of reports; "rest" is the remainder."""


@dataclass(frozen=True)
class Part:
    """Seconds a step; None: not known. Parts from blocks have an interval.

    `shown`: True if the rounds of blocks show it beyond noise (from_blocks.py); None: the blocks cannot decide.
    """

    seconds: float | None
    low: float | None = None
    high: float | None = None
    shown: bool | None = None

    @property
    def certain(self) -> bool:
        """True if the part is more than noise."""
        return self.shown if self.shown is not None else self.low is None or self.low > 0


@dataclass(frozen=True)
class Parts:
    """A divided step; `of` has a Part for each of `NAMES`, and `copy` is part of the input."""

    step_s: float
    of: Mapping[str, Part]
    groups: Sequence[Group]
    late: from_blocks.Late | None
    unjudged_s: float
    """Busy time of groups without a known count or ceiling; it is within the rest."""

    def shares(self) -> dict[str, float | None]:
        """Return every part as share of the step, input without its copy; with "rest" they add up to 1."""
        of = {name: part.seconds for name, part in self.of.items()}
        if of["input"] is not None:
            of["input"] -= of["copy"] or 0.0
        shares = {name: None if of[name] is None else (of[name] or 0.0) / self.step_s for name in NAMES}
        return shares | {"rest": 1 - sum(share for share in shares.values() if share is not None)}

    def intervals(self) -> dict[str, list[float]]:
        """Return [low, high] as shares of the step, for the parts with an interval; input's without its copy."""
        copy_s = self.of["copy"].seconds or 0.0
        intervals = {}
        for name, part in self.of.items():
            if part.low is not None and part.high is not None:
                less = copy_s if name == "input" else 0.0
                intervals[name] = [(part.low - less) / self.step_s, (part.high - less) / self.step_s]
        return intervals


def divide(
    metrics: Mapping[str, Mapping[str, Any]],
    samples: Mapping[str, Any],
    ceilings: Mapping[str, Any],
    device_kind: str,
) -> Parts:
    """Divide the step of a measured point into parts; `ceilings` as in record.system["ceilings"]."""
    step_s = metrics["step_s"]["value"]
    profile = samples.get("profile") or {}
    late = from_blocks.late(samples)
    calm = from_blocks.waiting_for_nothing(samples)
    waitless = statistics.median(calm) if calm else None
    shrunk = _shrinking(late, waitless)
    work = groups(profile, ceilings, from_blocks.flop_of_a_step(metrics, samples))
    host = _part(metrics.get("launch_gap_s", {}), from_blocks.gaps_shown(samples, profile.get("busy_s")))
    if device_kind == "cuda":
        host = _at_most(_less_lateness(host, late, shrunk), _gaps_s(profile))
        work = scaled(work, shrunk)
    else:
        there_s = step_s if waitless is None else waitless
        there_s -= late.seconds if late else 0.0
        calling_s = ceilings.get("launch_s") or 0.0
        timed_s = from_blocks.step_s(samples, profile.get("variant", "full"))
        work = scaled(less_profiler(work, profile, timed_s, calling_s), shrunk)
        if host.seconds is not None:
            work, host_s = less_calling(work, host.seconds, calling_s, there_s, _gaps_s(profile))
            host = Part(host_s)
        work = fitted(work, there_s - (host.seconds or 0.0))
        work = beside_others(work, samples.get("telemetry") or [])
    exposed = _part(metrics.get("exposed_input_s", {}), from_blocks.shown(samples, "without_input"))
    of = {
        "input": exposed,
        "copy": Part(_copy_s(exposed, metrics)),
        "communication": _part(metrics.get("exposed_comm_s", {}), from_blocks.shown(samples, "without_communication")),
        "straggler": Part(late.seconds, late.low, late.high, late.shown) if late else Part(0.0, 0.0, 0.0),
        "host": host,
        **_by_cause(work),
    }
    unjudged = sum(group.own_s for group in work if group.cause is None)
    return Parts(step_s, of, work, late, unjudged)


def _part(metric: Mapping[str, Any], shown: bool | None = None) -> Part:
    return Part(metric.get("value"), metric.get("low"), metric.get("high"), shown)


def _copy_s(exposed: Part, metrics: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Return the device's wait for the copy, a part of the cost of input; None if copies were not timed."""
    if metrics.get("h2d_s", {}).get("value") == 0:
        return 0.0
    wait_s = metrics.get("copy_wait_s", {}).get("value")
    return None if exposed.seconds is None or wait_s is None else float(wait_s)


def _shrinking(late: from_blocks.Late | None, waitless_s: float | None) -> float:
    """Return the share of rank 0's own times that is left without its lateness; 1 if another rank is the latest."""
    if late is None or late.rank != 0 or not waitless_s:
        return 1.0
    return max(0.0, 1 - late.seconds / waitless_s)


def _less_lateness(gaps: Part, late: from_blocks.Late | None, shrunk: float) -> Part:
    """Return a GPU's gaps without the lateness in them."""
    if gaps.seconds is None or late is None:
        return gaps
    less, times = (0.0, shrunk) if late.rank == 0 else (late.seconds, 1.0)
    return _changed(gaps, lambda seconds: times * seconds - less)


def _gaps_s(profile: Mapping[str, Any]) -> float:
    """Return a profiled step's time in which the device neither computed nor communicated; infinite if unknown."""
    if profile.get("busy_s") is None or profile.get("step_s") is None:
        return math.inf
    return max(0.0, float(profile["step_s"] - profile["busy_s"] - (profile.get("exposed_comm_s") or 0.0)))


def _at_most(part: Part, most: float) -> Part:
    """Return a part, limited to `most`."""
    return _changed(part, lambda seconds: min(seconds, most))


def _changed(part: Part, change: Callable[[float], float]) -> Part:
    """Return a part with its value and interval changed alike."""
    seconds, low, high = (None if value is None else change(value) for value in (part.seconds, part.low, part.high))
    return replace(part, seconds=seconds, low=low, high=high)


def _by_cause(found: Sequence[Group]) -> dict[str, Part]:
    """Return the time of each kind of work; all None if no group could be judged."""
    if not any(group.cause for group in found):
        return {name: Part(None) for name in WORK}
    return {name: Part(sum(group.own_s for group in found if group.cause == name)) for name in WORK}
