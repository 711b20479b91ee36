"""Where a step's time goes: the step divided into what the differential passes could tell apart. Pure.

    exposed input          the step less the step without input; the host-device copy is a part of it
    exposed communication  the step less the step without communication
    rest                   the step less both: computing, launch gaps and memory traffic, not told apart

The parts add up to the step. A part may be negative where the two passes differ by less than their noise; it is shown
so. The copy is known from a timer. Of it, at most the exposed input is set apart, for the remainder overlaps with
computing; where the step without input was not measured, the timer's time is shown whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.cases import Case, Quantity

INPUT, COPY, COMMUNICATION, REST = "exposed input", "host-device copy", "exposed communication", "rest of the step"
PARTS = (INPUT, COPY, COMMUNICATION, REST)


@dataclass(frozen=True)
class Part:
    """A part of the step. ``resolved``: its interval excludes zero; None where there is no interval to say so."""

    name: str
    seconds: float
    share: float
    resolved: bool | None


@dataclass(frozen=True)
class Step:
    """The step of one case: its parts, and which were not measured and why."""

    case: Case
    step: Quantity
    parts: tuple[Part, ...]
    missing: tuple[tuple[str, str], ...]


def find_steps(cases: Sequence[Case]) -> tuple[Step, ...]:
    """The step of every measured case whose step time is known."""
    return tuple(divide(case) for case in cases if case.value("step_s"))


def divide(case: Case) -> Step:
    """The step of one case, divided."""
    step = case.quantity("step_s")
    whole = step.value or 0.0
    taken = case.quantity("exposed_input_s")
    talk = case.quantity("exposed_comm_s")
    parts = []
    copy = copy_s(case, taken)
    if taken.value is not None:
        parts.append(_part(INPUT, taken.value - copy, whole, taken))
    if copy > 0:
        parts.append(_part(COPY, copy, whole, Quantity(copy, "s")))
    if talk.value is not None:
        parts.append(_part(COMMUNICATION, talk.value, whole, talk))
    rest = whole - sum(part.seconds for part in parts)
    parts.append(Part(REST, rest, rest / whole, None))
    named = ((INPUT, taken), (COMMUNICATION, talk))
    return Step(case, step, tuple(parts), tuple((name, each.why) for name, each in named if each.value is None))


def copy_s(case: Case, taken: Quantity) -> float:
    """The copy's part of the step: what its timer says, at most the exposed input where that was measured."""
    copy = case.value("h2d_s") or 0.0
    return copy if taken.value is None else min(copy, max(taken.value, 0.0))


def share(case: Case, name: str) -> Quantity:
    """A part that is a metric in seconds as a share of the step, with its interval."""
    part, step = case.quantity(name), case.value("step_s")
    if part.value is None or not step:
        return Quantity(None, "1", why=part.why or "the step time is not known")
    low = None if part.low is None else part.low / step
    high = None if part.high is None else part.high / step
    return Quantity(part.value / step, "1", low, high, part.interval)


def _part(name: str, seconds: float, whole: float, measured: Quantity) -> Part:
    sign = measured.sign
    return Part(name, seconds, seconds / whole, None if sign is None else sign != 0)
