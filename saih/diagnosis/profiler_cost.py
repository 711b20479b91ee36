"""Costs in the profile of a CPU besides work: the profiler, calling operations, sharing the cores. Pure.

On a CPU the computing thread also calls the operations, reports to the profiler, and shares its cores with threads that
read and decode, and with other processes on the machine. Corrections, one after another:

    the profiler    if a profiled step took longer than a timed one of its kind, busy time is longer in proportion.
                    The excess is subtracted from the groups by their number of operations, each of which costs the
                    profiler as much, but none becomes shorter than the cost of calling a tiny one
    calling         the host's part is the time of groups whose operations take hardly longer than a tiny one, and the
                    time between operations in the step without any waiting. The latter is no more than in the
                    profiled steps (where it is more, timed steps were disturbed), and both together are no more than
                    `SLOWER` x operations x the measured cost of calling a tiny one. If they are less than operations
                    x that cost, the other groups contribute the cost of calling their operations, up to their time
    sharing         if the groups still add up to more than the step without any waiting, less calling, profiled
                    steps were slowed down by others, or by threads at work on the input if the application has no
                    steps without it. First the excess of layers over their time alone is removed, since such threads
                    slow down the part of the step that they run beside; if that is not enough, all groups shrink alike
    others          ceilings are of undisturbed moments: work is compared with them by the part of its time in which
                    it had its cores, according to telemetry, but no less than half; its share of the step stays
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from saih.metrics.work_groups import NEAR, Group, scaled

SLOWER = 2.0
"""The most by which calls may be slower in a step than in a loop of calls alone; any excess has another cause."""
TINY = 2.0
"""Operations up to this multiple of the cost of calling one on one number consist of little besides the call."""
LEAST_HAD = 0.5
"""The least share of its time with its cores that work is judged by; with less of it too little is known."""


def less_profiler(
    found: Sequence[Group], profile: Mapping[str, Any], step_s: float, launch_s: float = 0.0
) -> list[Group]:
    """Return the groups without the profiler's cost.

    `step_s`: such a step as timed; `launch_s`: the cost of one call.
    """
    count, busy, profiled = (profile.get(name) for name in ("operations", "busy_s", "step_s"))
    if not count or not busy or not profiled:
        return list(found)
    cost_s = max(0.0, busy * (1 - step_s / profiled)) / count
    least = [min(group.own_s, launch_s * group.calls) for group in found]
    return [replace(g, own_s=max(less, g.own_s - cost_s * g.calls)) for g, less in zip(found, least, strict=True)]


def less_calling(
    found: Sequence[Group], estimate_s: float, launch_s: float, there_s: float, gaps_s: float = math.inf
) -> tuple[list[Group], float]:
    """Return the groups without the cost of calls, and that cost.

    `estimate_s`: operations x `launch_s`, the cost of one call; `there_s`: the step without any waiting; `gaps_s`: the
    time between the operations of the profiled steps, which the profiler only widens.
    """
    between = min(gaps_s, max(0.0, there_s - sum(group.own_s for group in found)))
    work = [replace(group, own_s=0.0) if _is_calling(group, launch_s) else group for group in found]
    tiny_s = sum(group.own_s for group in found) - sum(group.own_s for group in work)
    at_most = [min(group.own_s, launch_s * group.calls) for group in work]
    more = min(max(0.0, SLOWER * estimate_s - tiny_s), between)
    if tiny_s + more < estimate_s:
        more = min(estimate_s - tiny_s, between + sum(at_most))
    share = (more - between) / sum(at_most) if more > between else 0.0
    left = [replace(group, own_s=group.own_s - share * most) for group, most in zip(work, at_most, strict=True)]
    return left, tiny_s + more


def _is_calling(group: Group, launch_s: float) -> bool:
    """True if its operations take hardly longer than one on one number, and neither ceiling could be the reason."""
    least_s = group.limit_s
    return least_s is not None and least_s < NEAR * group.own_s and group.own_s <= TINY * launch_s * group.calls


def beside_others(found: Sequence[Group], telemetry: Sequence[Mapping[str, Any]]) -> list[Group]:
    """Return the groups with the share of rank 0's cores that other processes left to it; 1 if nothing is known."""
    host = (telemetry[0].get("host_cpu") if telemetry else None) or {}
    if not host.get("others_cores"):
        return list(found)
    had = max(LEAST_HAD, 1 - host["others_cores"] / len(host["cores"]))
    return [replace(group, had=had) for group in found]


def fitted(found: Sequence[Group], there_s: float) -> list[Group]:
    """Return the groups, shrunk if they exceed `there_s`: first by their excess over the time alone, then all alike."""
    most = max(0.0, there_s)
    longer = [0.0 if group.alone_s is None else max(0.0, group.own_s - group.alone_s) for group in found]
    over = sum(group.own_s for group in found) - most
    share = min(1.0, over / sum(longer)) if over > 0 and any(longer) else 0.0
    eased = [replace(group, own_s=group.own_s - share * more) for group, more in zip(found, longer, strict=True)]
    together = sum(group.own_s for group in eased)
    return scaled(eased, most / together) if together > most else eased
