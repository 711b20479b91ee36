"""What the figure of a step's time shows, as plain data: bars and their parts, with caption and text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.cases import numbers
from reports.step.parts import Step
from reports.text import chunks, count, percent, quantity
from reports.trend.lines import Trend

BARS_A_FIGURE = 20


@dataclass(frozen=True)
class Bar:
    """A step: parts as (name, share of the step, whether it is told apart from zero)."""

    case: int
    label: str
    text: str
    parts: tuple[tuple[str, float, bool], ...]


@dataclass(frozen=True)
class BarChart:
    """Where the time of steps goes."""

    name: str
    title: str
    bars: tuple[Bar, ...]
    caption: str
    alt: str


def step_charts(steps: Sequence[Step], trend: Trend) -> list[BarChart]:
    """Where the time goes, a chart for every few steps so that none is larger than a page."""
    charts = []
    for i, chunk in enumerate(chunks(steps, BARS_A_FIGURE)):
        name = "where-the-time-goes" + (f"-{i + 1}" if i else "")
        bars = tuple(_bar(step, trend) for step in chunk)
        charts.append(BarChart(name, "where the time of a step goes", bars, _step_caption(chunk), _step_alt(chunk)))
    return charts


def _bar(step: Step, trend: Trend) -> Bar:
    parts = tuple((part.name, part.share, part.resolved is not False) for part in step.parts)
    label = f"#{step.case.number}  {trend.where(step.case)}"
    return Bar(step.case.number, label, quantity(step.step.value, "s"), parts)


def _step_caption(steps: Sequence[Step]) -> str:
    parts = [part for step in steps for part in step.parts]
    told = [
        "The median step of each point, divided by differential passes; its time is at the right.",
        "Exposed input and communication are the step less the step without them. The rest is computing, launch gaps "
        "and memory traffic, which are not told apart.",
        "Hatched: the interval includes zero." if any(part.resolved is False for part in parts) else "",
        "A negative difference is drawn to the left of 0, and the other parts reach beyond 100 % by as much."
        if any(part.share < 0 for part in parts)
        else "",
        _missing_caption(steps),
    ]
    return " ".join(part for part in told if part)


def _missing_caption(steps: Sequence[Step]) -> str:
    """Parts that were not measured are in the rest: which, and at which points."""
    names = dict.fromkeys(name for step in steps for name, _ in step.missing)
    told = []
    for name in names:
        cases = [step.case for step in steps if name in dict(step.missing)]
        told.append(f"Within the rest, for it was not measured: {name} at {numbers(cases)}.")
    return " ".join(told)


def _step_alt(steps: Sequence[Step]) -> str:
    rest = [step.parts[-1].share for step in steps]
    return (
        f"Stacked bars, one for each of {count(len(steps), 'point')}: exposed input, exposed communication and the "
        f"rest of the step. The rest is {percent(min(rest))} to {percent(max(rest))}. The table below holds the values."
    )
