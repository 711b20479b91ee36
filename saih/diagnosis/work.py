"""Sentences about work against ceilings: evidence, seconds saved, advice. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saih.diagnosis import advice
from saih.diagnosis.gains import work_saved_s
from saih.diagnosis.parts import Parts
from saih.diagnosis.words import Told, duration, listed, percent
from saih.metrics.work_groups import NEAR, Group

HIGH = 0.8
"""Of a ceiling. From here on better kernels gain a quarter at most: the device does what it is for."""
OWN_SHAPE = 0.6
"""A layer that takes, alone, at least this much of what it takes in the step is as slow alone: its kernel is slow."""
MOST_NAMED = 3
LEAST_NAMED = 0.05
"""Groups that a sentence names: the longest few, and none below this share of the cause's time."""
NEARLY_ALL = 0.995
"""A group that had its cores for more of its time than this was left alone: its sentence does not speak of others."""


def told_of_memory(parts: Parts, run: Mapping[str, Any]) -> Told:
    """Groups near the memory bandwidth."""
    found = _of(parts, "memory")
    told = (
        f"{_long(parts, 'memory')} reaches at least {percent(NEAR)} of the measured memory bandwidth, and arithmetic "
        f"limits it less: {_names(found)}."
    )
    return None, work_saved_s(found, "memory"), told, advice.for_memory(run, found)


def told_of_compute(parts: Parts, run: Mapping[str, Any], ceilings: Mapping[str, Any]) -> Told:
    """Groups near the ceiling of arithmetic: how near they come all together."""
    found = _of(parts, "compute")
    reached = sum(group.compute_s or 0.0 for group in found) / sum(group.had * group.own_s for group in found)
    beyond = _beyond(found, ceilings.get("flop_per_s_limit"))
    told = (
        f"{_long(parts, 'compute')} reaches {'the whole' if reached > 1 else percent(reached)} of the ceiling of "
        f"arithmetic, no group less than {percent(NEAR)}: {_names(found)}.{beyond}"
    )
    return None, work_saved_s(found, "compute"), told, advice.for_compute(run, reached, HIGH)


def told_of_kernels(parts: Parts, run: Mapping[str, Any]) -> Told:
    """Groups that reach neither ceiling, and whether that is due to their kernels or to their place in the step."""
    found = _of(parts, "kernels")
    told, help_ = (
        f"{_long(parts, 'kernels')} comes near neither ceiling: {_names(found)}.",
        advice.for_kernels(run, found),
    )
    timed = [(group.own_s, group.alone_s) for group in found if group.alone_s is not None]
    half = sum(group.own_s for group in found) / 2
    slow_s = sum(own for own, alone in timed if alone >= OWN_SHAPE * own)
    if slow_s >= half:
        told += f" {duration(slow_s)} of it is as slow alone: that is due to the library's kernels for these shapes."
    elif sum(own for own, alone in timed if alone < OWN_SHAPE * own) >= half:
        told += f" Alone, {duration(sum(own for own, _ in timed))} of it take {duration(sum(a for _, a in timed))}."
        help_ = (
            "Look for what slows it down in the step, for it is faster alone: others on the device or its cores, cold "
            "caches, conversions between layouts or types."
        )
    return None, work_saved_s(found, "kernels"), told, help_


def told_of_cache(parts: Parts) -> str:
    """Work from caches: how much, and that nothing says how fast it could be; empty where there is none."""
    found = _of(parts, "cache")
    if not found:
        return ""
    return (
        f"{_long(parts, 'cache')} runs from caches, for the memory could not move its least traffic in that time: "
        f"{_names(found)}. No ceiling of caches was measured, so that it is not known how fast it could be."
    )


def _of(parts: Parts, cause: str) -> list[Group]:
    return sorted((group for group in parts.groups if group.cause == cause), key=lambda group: -group.own_s)


def _long(parts: Parts, cause: str) -> str:
    seconds = parts.of[cause].seconds or 0.0
    return f"Work of {duration(seconds)} of {duration(parts.step_s)} ({percent(seconds / parts.step_s)})"


def _names(found: Sequence[Group]) -> str:
    """The longest groups with how near they come to their ceiling, and what they take alone."""
    least_s = LEAST_NAMED * sum(group.own_s for group in found)
    shown = [group for group in found[:MOST_NAMED] if group.own_s >= least_s]
    told = [f"{group.label} {duration(group.own_s)}{_beside(group)}" for group in shown]
    more = len(found) - len(shown)
    return listed([*told, f"{more} more"] if more else told)


def _beside(group: Group) -> str:
    alone = "" if group.alone_s is None else f", alone {duration(group.alone_s)}"
    if group.near is None or not group.limit_s:
        return f" (nothing that it must move is counted{alone})"
    if group.from_caches:
        return f" ({alone.removeprefix(', ')})" if alone else ""
    of = "memory bandwidth" if group.limit == "memory" else "arithmetic"
    had = "" if group.had > NEARLY_ALL else f" in the {percent(group.had)} of the time that others left it"
    reached = "at the ceiling" if group.near > 1 else f"{percent(group.near)} of the ceiling"
    return f" ({reached} of {of}{had}{alone})"


def _beyond(found: Sequence[Group], limit_flop_per_s: float | None) -> str:
    """Why some arithmetic is faster than its ceiling, also if it had its cores all the time.

    ``limit_flop_per_s``: more than that no clock allows; None: not known.
    """
    most = max((group.compute_s or 0.0) / group.own_s for group in found)
    if most <= 1:
        return ""
    if limit_flop_per_s and any((group.flop or 0.0) > limit_flop_per_s * group.own_s for group in found):
        return " Some is faster than the device can compute at any clock: its count or its time is off."
    return (
        f" Some is up to {percent(most - 1)} faster: the ceiling is a sustained rate on random data, and work that is "
        "short, or whose data draw less power, runs at higher clocks."
    )
