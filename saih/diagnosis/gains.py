"""Seconds saved and speed-up from removing a cause, with an interval. Pure.

If only this cause is removed, it saves

    input, communication, host, straggler      the part itself
    memory     its groups then take their arithmetic's time:          sum of t - c
    compute    arithmetic takes no time, memory traffic remains:      sum of t - m
    kernels    its groups reach the nearer ceiling:                   sum of t - max(c, m)

and the gain is step / (step - saved). Its interval:

    parts from blocks        the ends of the part's interval, of the median step. The step's own interval is not added:
                             both are of the same blocks, and a longer block lengthens both
    work                     the spread of the ceilings behind c and m, and the step's interval, which is of other
                             steps. t is of one profiled pass, which shows no spread; if the ceilings show none
                             either, there is no interval, and `interval` gives the reason
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saih.diagnosis.parts import WORK, Part, Parts
from saih.metrics.work_groups import Group, spread

OF_BLOCKS = "of the part's interval over blocks"
OF_CEILINGS = "of the spread of the ceilings and the step's interval; the work is of one profiled pass"
ONE_PASS = "no interval: one profiled pass"
ESTIMATE = "no interval: an estimate"


@dataclass(frozen=True)
class Gain:
    """The speed-up of a step without a cause; None: nothing of the step would be left.

    `low`, `high`: both None without an interval; `high` alone if there is no upper end. `interval`: its source, or the
    reason why there is none.
    """

    value: float | None
    low: float | None
    high: float | None
    interval: str


def work_saved_s(found: Sequence[Group], cause: str, arithmetic: float = 1.0, memory: float = 1.0) -> float:
    """Return the seconds saved by `found`, the groups of a cause, if the ceilings were higher by these factors."""
    return sum(max(0.0, group.own_s - _left_s(group, cause, arithmetic, memory)) for group in found)


def _left_s(group: Group, cause: str, arithmetic: float, memory: float) -> float:
    compute_s, memory_s = (group.compute_s or 0.0) / arithmetic, (group.memory_s or 0.0) / memory
    return {"memory": compute_s, "compute": memory_s, "kernels": max(compute_s, memory_s)}[cause]


def gain(parts: Parts, cause: str, saved_s: float, step: Mapping[str, Any], ceilings: Mapping[str, Any]) -> Gain:
    """Return the gain of removing a cause; `step`: the metric step_s."""
    value = _times(saved_s, parts.step_s)
    if cause in WORK:
        return _of_work(parts, cause, value, step, ceilings)
    return _of_part(parts.of[cause], value, parts.step_s)


def _of_part(part: Part, value: float | None, step_s: float) -> Gain:
    if part.low is None or part.high is None:
        return Gain(value, None, None, ESTIMATE)
    low = _times(part.low, step_s)
    return Gain(value, low, None if low is None else _times(part.high, step_s), OF_BLOCKS)


def _of_work(
    parts: Parts, cause: str, value: float | None, step: Mapping[str, Any], ceilings: Mapping[str, Any]
) -> Gain:
    of_cause = [group for group in parts.groups if group.cause == cause]
    ends = zip(spread(ceilings, "flop_per_s"), spread(ceilings, "memory_bytes_per_s"), strict=True)
    least_s, most_s = (work_saved_s(of_cause, cause, *rates) for rates in ends)
    if least_s == most_s:
        return Gain(value, None, None, ONE_PASS)
    shortest, longest = step.get("low") or parts.step_s, step.get("high") or parts.step_s
    low = _times(least_s, longest)
    return Gain(value, low, None if low is None else _times(most_s, shortest), OF_CEILINGS)


def _times(saved_s: float, step_s: float) -> float | None:
    """Return the speed-up of a step that saves `saved_s`; None if nothing is left."""
    return step_s / (step_s - saved_s) if saved_s < step_s else None
