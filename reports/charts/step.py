"""The figure of a step's time as plain data: bars and their parts, with caption and text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.analysis import diagnosis
from reports.analysis.cases import Case, numbers
from reports.analysis.step_parts import CACHE, COPY, INPUT, PARTS, Part, Step
from reports.analysis.trend import Trend
from reports.words.text import chunks, count, listed, percent, quantity

BARS_A_FIGURE = 20
STAR = "*"
"""The mark of parts without an interval."""


@dataclass(frozen=True)
class Bar:
    """A step with its parts as (name, share of the step, resolved).

    A part is resolved if its interval excludes zero; None stands for no interval.
    """

    case: int
    label: str
    text: str
    parts: tuple[tuple[str, float, bool | None], ...]


@dataclass(frozen=True)
class BarChart:
    """The parts of steps."""

    name: str
    title: str
    bars: tuple[Bar, ...]
    caption: str
    alt: str


def step_charts(steps: Sequence[Step], trend: Trend) -> list[BarChart]:
    """Return charts of step parts, of a few steps each so that none is larger than a page."""
    charts = []
    for i, chunk in enumerate(chunks(steps, BARS_A_FIGURE)):
        name = "where-the-time-goes" + (f"-{i + 1}" if i else "")
        bars = tuple(_bar(step, trend) for step in chunk)
        charts.append(BarChart(name, "where the time of a step goes", bars, _step_caption(chunk), _step_alt(chunk)))
    return charts


def _bar(step: Step, trend: Trend) -> Bar:
    parts = tuple((part.name, part.share, part.resolved) for part in step.parts)
    label = f"#{step.case.number}  {trend.where(step.case)}"
    return Bar(step.case.number, label, quantity(step.step.value, "s"), parts)


def _step_caption(steps: Sequence[Step]) -> str:
    parts = [part for step in steps for part in step.parts]
    sentences = [
        "The median step of each point; its time is at the right.",
        _methods(steps),
        "Hatched: the interval includes zero." if any(part.resolved is False for part in parts) else "",
        _without_interval(parts),
        "Parts that are negative are drawn to the left of 0, and the others reach beyond 100 % by as much."
        if any(part.share < 0 for part in parts)
        else "",
        _missing_caption(steps),
    ]
    return " ".join(part for part in sentences if part)


def _methods(steps: Sequence[Step]) -> str:
    """Return sentences on the separation of the parts, and on the points with undivided computing."""
    sentences = "Exposed input and communication are the step less the step without them."
    plain = [step.case for step in steps if not step.profiled]
    if len(plain) < len(steps):
        sentences += (
            " Computing is divided by a profiled pass: each layer's forward and backward part, and each class of other "
            "operations, counts as bound by arithmetic or by memory traffic where it comes near that ceiling, else as "
            "work at neither."
        )
        sentences += _by_construction([step for step in steps if step.profiled])
    if plain:
        which = "The rest" if len(plain) == len(steps) else f"At {numbers(plain)}, which have no profile, the rest"
        sentences += f" {which} is computing, host gaps and memory traffic, which are not told apart."
    return sentences


def _by_construction(steps: Sequence[Step]) -> str:
    """Return sentences on the limits of a profile: caches have no ceiling, and a GPU's rest checks nothing."""
    sentences = ""
    if any(step.part(CACHE) for step in steps):
        sentences += " Work from caches moves more than the memory could; no ceiling is measured for it."
    kinds = {str(profile.get("device")) for step in steps if (profile := diagnosis.profile(step.case))}
    if "cuda" in kinds:
        gpus = "" if kinds == {"cuda"} else " of a GPU"
        sentences += (
            f" Host gaps{gpus} are the timed step less the profiled busy time, so that the unexplained rest is about "
            "zero by construction: it checks nothing."
        )
    if kinds != {"cuda"}:
        sentences += " The unexplained rest is what these passes do not account for."
    return sentences


def _without_interval(parts: Sequence[Part]) -> str:
    """Return the star with the parts that it marks, and the reasons."""
    reasons: dict[str, list[str]] = {}
    for part in parts:
        if part.why and part.share:
            names = reasons.setdefault(part.why.removeprefix("no interval: "), [])
            names += [part.name] if part.name not in names else []
    marked = "; ".join(f"{listed(names, len(names))} ({why})" for why, names in reasons.items())
    return f"{STAR} No interval: {marked}." if marked else ""


def _missing_caption(steps: Sequence[Step]) -> str:
    """Return sentences on parts that were not measured: the parts that hold them, and the points."""
    places: dict[tuple[str, str], list[Case]] = {}
    for step in steps:
        missing = [name for name, _ in step.missing]
        for name in missing:
            within = INPUT if name == COPY and INPUT not in missing else "the rest"
            places.setdefault((within, name), []).append(step.case)
    sentences = (
        f"Within {w}, for it was not measured: {name} at {numbers(cases)}." for (w, name), cases in places.items()
    )
    return " ".join(sentences)


def _step_alt(steps: Sequence[Step]) -> str:
    names = list(dict.fromkeys(name for name in PARTS for step in steps if (part := step.part(name)) and part.share))
    rest = [step.parts[-1].share for step in steps]
    ends = " to ".join(dict.fromkeys(percent(share) for share in (min(rest), max(rest))))
    return (
        f"Stacked bars, one for each of {count(len(steps), 'point')}: {listed(names, len(names))}. The rest is {ends}. "
        "The table below holds the values."
    )
