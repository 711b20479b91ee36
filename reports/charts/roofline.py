"""The roofline figures as plain data, with captions and texts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reports.analysis.cases import Case
from reports.analysis.layers import FORWARD, Half, halves
from reports.analysis.roofs import INTENSITY, Dot, Roof
from reports.analysis.trend import Trend
from reports.words.text import count, percent, quantity

MOST_ROOFS = 4
"""Most roofs with a figure; the table holds all of them."""
MOST_LAYERS = 7
LEAST_SHARE = 0.01
"""Least share of the step of a layer in the figure; smaller ones would only stretch the axes."""


@dataclass(frozen=True)
class Spot:
    """A point on the chart with its label."""

    label: str
    intensity: float
    flop_per_s: float


@dataclass(frozen=True)
class Path:
    """Points along a growth path, in its order."""

    name: str
    spots: tuple[Spot, ...]


@dataclass(frozen=True)
class LayerSpot:
    """A layer's part in a step of the largest point, `forward` or backward; its first part has the label."""

    layer: str
    label: str
    forward: bool
    intensity: float
    flop_per_s: float


@dataclass(frozen=True)
class RoofChart:
    """Rate against intensity below the measured roofs, both in logarithms; `datasheet` is None if unknown."""

    name: str
    title: str
    flop_per_s: float
    bytes_per_s: float
    datasheet: float | None
    growth: str
    paths: tuple[Path, ...]
    layers: tuple[LayerSpot, ...]
    caption: str
    alt: str


def roof_charts(roofs: Sequence[Roof], trend: Trend) -> list[RoofChart]:
    """Return a chart for each of the roofs with most points, in the roofs' order."""
    most = sorted(roofs, key=lambda roof: -len(roof.dots))[:MOST_ROOFS]
    drawn = [roof for roof in roofs if roof in most]
    return [_chart("roofline" + (f"-{i + 1}" if i else ""), roof, trend) for i, roof in enumerate(drawn)]


def _chart(name: str, roof: Roof, trend: Trend) -> RoofChart:
    paths = _paths(roof, trend)
    largest = max(roof.dots, key=lambda dot: dot.flop).case
    shown = _main(largest)
    growth = trend.roles.growth
    return RoofChart(
        name,
        roof.label,
        roof.flop_per_s,
        roof.bytes_per_s,
        roof.datasheet,
        growth.name if growth else "",
        tuple(paths),
        tuple(_layer_spots(shown)),
        _caption(roof, largest, shown, trend),
        _alt(roof, paths, shown),
    )


def _paths(roof: Roof, trend: Trend) -> list[Path]:
    """Return the points below the roof by growth path."""
    dots = {dot.case.number: dot for dot in roof.dots}
    paths = []
    for series in trend.series:
        here = [dots[case.number] for case in series.cases if case.number in dots]
        if here:
            paths.append(Path(series.label, tuple(_spot(dot, trend) for dot in here)))
    return paths


def _spot(dot: Dot, trend: Trend) -> Spot:
    growth = trend.roles.growth
    label = growth.show(growth.of(dot.case)) if growth else f"#{dot.case.number}"
    return Spot(label, dot.intensity, dot.flop_per_s)


def _main(case: Case) -> list[Half]:
    """Return the layers that take longest, of those with enough arithmetic and traffic for a place on the chart."""
    placed = [half for half in halves(case) if half.intensity and half.flop_per_s]
    took: dict[str, float] = {}
    for half in placed:
        took[half.layer] = took.get(half.layer, 0.0) + half.seconds
    step = case.value("step_s") or 0.0
    took = {layer: seconds for layer, seconds in took.items() if seconds >= LEAST_SHARE * step}
    longest = sorted(took, key=lambda layer: -took[layer])[:MOST_LAYERS]
    return [half for half in placed if half.layer in longest]


def _layer_spots(shown: Sequence[Half]) -> Iterator[LayerSpot]:
    labelled: set[str] = set()
    for half in shown:
        label = "" if half.layer in labelled else half.layer
        labelled.add(half.layer)
        yield LayerSpot(half.layer, label, half.part == FORWARD, half.intensity or 0.0, half.flop_per_s or 0.0)


def _caption(roof: Roof, largest: Case, shown: Sequence[Half], trend: Trend) -> str:
    growth = trend.roles.growth
    quoted = f"; dashed, the datasheet's {quantity(roof.datasheet, 'FLOP/s')}" if roof.datasheet else ""
    parts = [
        f"{roof.label}: rate" if roof.label else "Rate",
        f"of a device against the intensity of its work. The roofs are measured: memory "
        f"{quantity(roof.bytes_per_s, 'B/s')}, arithmetic {quantity(roof.flop_per_s, 'FLOP/s')}{quoted}.",
        "Operations are counted in closed form. The least traffic is that of the operations as they ran, each reading "
        "its inputs and writing its output once; true traffic is higher, so that true intensity lies to the left, "
        "unless a cache keeps what one layer hands to the next.",
        f"Lines join points equal in all but {growth.name}." if growth else "",
        _layers_caption(largest, shown),
    ]
    return " ".join(part for part in parts if part)


def _layers_caption(largest: Case, shown: Sequence[Half]) -> str:
    if not shown:
        return ""
    took = sum(half.seconds for half in shown) / (largest.value("step_s") or 1.0)
    return (
        f"Triangles: of #{largest.number}, the largest, the layers that take longest (together {percent(took)} of its "
        "step), forward filled, backward hollow. Those without arithmetic have no place here."
    )


def _alt(roof: Roof, paths: Sequence[Path], shown: Sequence[Half]) -> str:
    left = sum(dot.intensity < roof.ridge for dot in roof.dots)
    best = max(dot.flop_per_s / roof.at(dot.intensity) for dot in roof.dots)
    near = f"reaches {percent(best)} of" if best <= 1 else "is beyond"
    layers = f" {count(len({half.layer for half in shown}), 'layer')} of the largest point." if shown else ""
    return (
        f"Roofline chart, {count(len(paths), 'line')}, {count(len(roof.dots), 'point')}: {left} below the memory roof, "
        f"{len(roof.dots) - left} below the arithmetic roof, which meet at {quantity(roof.ridge, INTENSITY)}; the best "
        f"{near} its roof.{layers} The table below holds the values."
    )
