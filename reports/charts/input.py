"""The figures about input and storage as plain data, with captions and texts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.analysis.cases import Case
from reports.analysis.input_sources import SLOWED, Curve, Group, input_of, megabytes, others_mb_s
from reports.charts.trend import Mark
from reports.words.text import count, quantity

MOST_GROUPS = 4
"""Most groups with a figure; the table holds all of them."""


@dataclass(frozen=True)
class SourceBar:
    """The throughput of one input source, with its interval."""

    case: int
    label: str
    value: float
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True)
class SourceChart:
    """Throughput by input source, without background load."""

    name: str
    title: str
    bars: tuple[SourceBar, ...]
    caption: str
    alt: str


@dataclass(frozen=True)
class LoadLine:
    """Throughput of one input against the background rate; `slowed` is its fall to 95 % at (MB/s, samples/s)."""

    name: str
    marks: tuple[Mark, ...]
    slowed: tuple[float, float] | None
    text: str


@dataclass(frozen=True)
class LoadChart:
    """Throughput against the background rate."""

    name: str
    title: str
    lines: tuple[LoadLine, ...]
    caption: str
    alt: str


def source_charts(groups: Sequence[Group]) -> list[SourceChart]:
    """Return charts of throughput by input source, one a group."""
    compared = [group for group in groups if len(group.sources) > 1]
    return [_sources(f"input-sources{_number(i)}", group) for i, group in enumerate(compared[:MOST_GROUPS])]


def _number(place: int) -> str:
    return f"-{place + 1}" if place else ""


def _sources(name: str, group: Group) -> SourceChart:
    ordered = sorted(group.sources, key=lambda case: -(case.value("samples_per_s") or 0.0))
    bars = tuple(_bar(case) for case in ordered)
    ends = "Lines at the ends are the intervals." if any(bar.low is not None for bar in bars) else ""
    caption = f"{_where(group)}Throughput by input source, all else equal and nobody else reading. {ends}"
    alt = "Bars: throughput by input source. " + ", ".join(
        f"{input_of(c)} {bar.text}" for c, bar in zip(ordered, bars, strict=True)
    )
    return SourceChart(name, "throughput (samples/s)", bars, caption.strip(), f"{alt}.")


def _bar(case: Case) -> SourceBar:
    rate = case.quantity("samples_per_s")
    value = rate.value or 0.0
    label = f"#{case.number}  {input_of(case)}"
    return SourceBar(case.number, label, value, rate.low, rate.high, quantity(value, "samples/s"))


def _where(group: Group) -> str:
    return f"{group.label}. " if group.label else ""


def load_charts(groups: Sequence[Group]) -> list[LoadChart]:
    """Return charts of throughput against background load, one a group."""
    loaded = [group for group in groups if group.curves]
    return [_loads(f"background-reading{_number(i)}", group) for i, group in enumerate(loaded[:MOST_GROUPS])]


def _loads(name: str, group: Group) -> LoadChart:
    lines = tuple(_line(curve) for curve in group.curves)
    shown = any(line.slowed for line in lines)
    caption = (
        f"{_where(group)}Throughput while other processes read from the data set's storage, against the rate that "
        "those achieved, over all hosts together. Vertical bars are the intervals."
    )
    diamond = f" Diamonds: {100 * SLOWED:.0f}\u00a0% below the undisturbed rate, interpolated between two points."
    alt = (
        f"Line chart: throughput against what others read. {count(len(lines), 'line')}: "
        f"{'; '.join(f'{line.name}: {line.text}' for line in lines)}. The table below holds the values."
    )
    return LoadChart(name, "throughput (samples/s)", lines, caption + (diamond if shown else ""), alt)


def _line(curve: Curve) -> LoadLine:
    slowdown = curve.slowdown
    shown = slowdown is not None and slowdown.real is not False and not curve.drifted
    slowed = (slowdown.mb_s, slowdown.samples_per_s) if slowdown and shown else None
    text = f"falls by 5\u00a0% at {megabytes(slowed[0])}" if slowed else "does not fall by 5\u00a0%"
    return LoadLine(curve.input, tuple(map(_mark, curve.cases)), slowed, text)


def _mark(case: Case) -> Mark:
    rate = case.quantity("samples_per_s")
    return Mark(case.number, f"#{case.number}", others_mb_s(case), rate.value, rate.low, rate.high, case.status)
