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
"""Share of a ceiling. Above it better kernels gain a quarter at most: the device works as intended."""
OWN_SHAPE = 0.6
"""The kernel is slow if a layer run alone takes at least this share of its time in the step."""
MOST_NAMED = 3
LEAST_NAMED = 0.05
"""A sentence names the longest few groups, and none below this share of the cause's time."""
NEARLY_ALL = 0.995
"""A group that had its cores for more of its time than this was undisturbed: its sentence does not mention others."""


def told_of_memory(parts: Parts, run: Mapping[str, Any]) -> Told:
    """Describe groups near the memory bandwidth."""
    near_memory = _of(parts, "memory")
    sentence = (
        f"{_long(parts, 'memory')} reaches at least {percent(NEAR)} of the measured memory bandwidth, and arithmetic "
        f"limits it less: {_names(near_memory)}."
    )
    return None, work_saved_s(near_memory, "memory"), sentence, advice.for_memory(run, near_memory)


def told_of_compute(parts: Parts, run: Mapping[str, Any], ceilings: Mapping[str, Any]) -> Told:
    """Describe groups near the ceiling of arithmetic, and the share of it that they reach together."""
    near_arithmetic = _of(parts, "compute")
    reached = sum(group.compute_s or 0.0 for group in near_arithmetic) / sum(
        group.had * group.own_s for group in near_arithmetic
    )
    beyond = _beyond(near_arithmetic, ceilings.get("flop_per_s_limit"))
    sentence = (
        f"{_long(parts, 'compute')} reaches {'the whole' if reached > 1 else percent(reached)} of the ceiling of "
        f"arithmetic, no group less than {percent(NEAR)}: {_names(near_arithmetic)}.{beyond}"
    )
    return None, work_saved_s(near_arithmetic, "compute"), sentence, advice.for_compute(run, reached, HIGH)


def told_of_kernels(parts: Parts, run: Mapping[str, Any]) -> Told:
    """Describe groups that reach neither ceiling, with the reason: their kernels or their place in the step."""
    near_neither = _of(parts, "kernels")
    sentences, help_ = (
        f"{_long(parts, 'kernels')} comes near neither ceiling: {_names(near_neither)}.",
        advice.for_kernels(run, near_neither),
    )
    timed = [(group.own_s, group.alone_s) for group in near_neither if group.alone_s is not None]
    half = sum(group.own_s for group in near_neither) / 2
    slow_s = sum(own for own, alone in timed if alone >= OWN_SHAPE * own)
    if slow_s >= half:
        sentences += (
            f" {duration(slow_s)} of it is as slow alone: that is due to the library's kernels for these shapes."
        )
    elif sum(own for own, alone in timed if alone < OWN_SHAPE * own) >= half:
        sentences += (
            f" Alone, {duration(sum(own for own, _ in timed))} of it take {duration(sum(a for _, a in timed))}."
        )
        help_ = (
            "Look for what slows it down in the step, for it is faster alone: others on the device or its cores, cold "
            "caches, conversions between layouts or types."
        )
    return None, work_saved_s(near_neither, "kernels"), sentences, help_


def told_of_cache(parts: Parts) -> str:
    """Describe the amount of work from caches, whose possible speed is unknown; empty if there is none."""
    in_caches = _of(parts, "cache")
    if not in_caches:
        return ""
    return (
        f"{_long(parts, 'cache')} runs from caches, for the memory could not move its least traffic in that time: "
        f"{_names(in_caches)}. No ceiling of caches was measured, so that it is not known how fast it could be."
    )


def _of(parts: Parts, cause: str) -> list[Group]:
    return sorted((group for group in parts.groups if group.cause == cause), key=lambda group: -group.own_s)


def _long(parts: Parts, cause: str) -> str:
    seconds = parts.of[cause].seconds or 0.0
    return f"Work of {duration(seconds)} of {duration(parts.step_s)} ({percent(seconds / parts.step_s)})"


def _names(found: Sequence[Group]) -> str:
    """Name the longest groups with the shares of their ceilings that they reach, and their times alone."""
    least_s = LEAST_NAMED * sum(group.own_s for group in found)
    shown = [group for group in found[:MOST_NAMED] if group.own_s >= least_s]
    groups_in_words = [f"{group.label} {duration(group.own_s)}{_beside(group)}" for group in shown]
    more = len(found) - len(shown)
    return listed([*groups_in_words, f"{more} more"] if more else groups_in_words)


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
    """Explain arithmetic faster than its ceiling, even if it had its cores all the time; empty if there is none.

    `limit_flop_per_s`: the most at any clock; None: not known.
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
