"""The roofline charts -> matplotlib. Imported only when a page is written."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from reports.charts.roofline import RoofChart
from reports.draw.lines import LONGEST_LABEL, fitting
from reports.draw.palette import INK, ROOF, SECONDARY, STYLES, WIDTH, colours
from reports.draw.roofline_labels import all_spots, write_labels
from reports.words.text import quantity

CLOSE = 1.9
"""A roof less than this factor above another leaves no room for a name between them."""


def draw_roof(chart: RoofChart) -> Figure:
    """Draw rate against intensity: roofs, points along growth, layers of the largest point."""
    figure = Figure(figsize=(WIDTH, 5.6), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_yscale("log")
    _limits(axes, chart)
    axes.grid(True)
    axes.set_axisbelow(True)
    axes.set_xlabel("intensity: operations over their least traffic (FLOP/B)")
    axes.set_ylabel("rate of a device")
    _paths(axes, chart)
    _legend(figure, chart)
    _roofs(axes, chart)
    figure.draw_without_rendering()  # fixes places on the picture
    _along(axes, chart)
    write_labels(axes, chart)
    return figure


def _limits(axes: Axes, chart: RoofChart) -> None:
    """Set limits with room around all marks and the ridge, and the roofs' top a little below the edge."""
    ridge = chart.flop_per_s / chart.bytes_per_s
    x = [spot[0] for spot in all_spots(chart)]
    y = [spot[1] for spot in all_spots(chart)]
    top = max(chart.flop_per_s, chart.datasheet or 0.0, *y)
    axes.set_xlim(min(*x, ridge / 30) / 2.2, max(2.2 * max(x), ridge * 12))
    axes.set_ylim(min(min(y), chart.flop_per_s / 10) / 2, top * 2.2)
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.yaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: quantity(value, "FLOP/s")))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())


def _roofs(axes: Axes, chart: RoofChart) -> None:
    low, high = axes.get_xlim()
    ridge = chart.flop_per_s / chart.bytes_per_s
    axes.plot([low, ridge, high], [low * chart.bytes_per_s, *[chart.flop_per_s] * 2], color=INK, linewidth=1.8)
    if chart.datasheet:
        start = chart.datasheet / chart.bytes_per_s
        axes.plot([min(start, ridge), high], [chart.datasheet] * 2, color=ROOF, linewidth=1.3, linestyle="--")
        _name(axes, f"datasheet: {quantity(chart.datasheet, 'FLOP/s')}", (high, chart.datasheet), "right")
    name = f"arithmetic, measured: {quantity(chart.flop_per_s, 'FLOP/s')}"
    close = chart.datasheet is not None and chart.flop_per_s < chart.datasheet < CLOSE * chart.flop_per_s
    _name(axes, name, (1.15 * ridge, chart.flop_per_s), "left", below=close)


def _name(axes: Axes, text: str, place: tuple[float, float], side: str, below: bool = False) -> None:
    """Write a roof's name, above the roof unless another roof is close."""
    offset, under = ((0, -4), "top") if below else ((0, 3), "bottom")
    axes.annotate(text, place, offset, textcoords="offset points", ha=side, va=under, fontsize=8.5)


def _along(axes: Axes, chart: RoofChart) -> None:
    """Write the memory roof's name along the roof, on its upper side."""
    low, ridge = axes.get_xlim()[0], chart.flop_per_s / chart.bytes_per_s
    start = max(low, axes.get_ylim()[0] / chart.bytes_per_s)
    x = start**0.55 * ridge**0.45
    axes.annotate(
        f"memory, measured: {quantity(chart.bytes_per_s, 'B/s')}", (x, x * chart.bytes_per_s), (-3, 5),
        textcoords="offset points", ha="center", va="bottom", fontsize=8.5, rotation_mode="anchor",
        rotation=_slope(axes),
    )  # fmt: skip


def _slope(axes: Axes) -> float:
    """Return the angle, in degrees, of a line of slope 1 in the logarithms on this picture."""
    (x, y), (to_x, to_y) = axes.transData.transform([(1.0, 1e9), (10.0, 1e10)])
    return math.degrees(math.atan2(to_y - y, to_x - x))


def _paths(axes: Axes, chart: RoofChart) -> None:
    palette = colours(len(chart.paths))
    for i, path in enumerate(chart.paths):
        x, y = [spot.intensity for spot in path.spots], [spot.flop_per_s for spot in path.spots]
        line, marker = STYLES[i % len(STYLES)]
        axes.plot(x, y, linestyle=line, marker=marker, color=palette[i], linewidth=1.6, markersize=6.5, zorder=4)
    for name in dict.fromkeys(layer.layer for layer in chart.layers):
        both = [(layer.intensity, layer.flop_per_s) for layer in chart.layers if layer.layer == name]
        axes.plot(*zip(*both, strict=True), color=SECONDARY, linewidth=0.7, zorder=3)
    for layer in chart.layers:
        fill = SECONDARY if layer.forward else "white"
        axes.plot(
            [layer.intensity], [layer.flop_per_s], _marker(layer.forward), color=fill, markeredgecolor=SECONDARY,
            markersize=6, zorder=5,
        )  # fmt: skip


def _marker(forward: bool) -> str:
    return ">" if forward else "<"


def _legend(figure: Figure, chart: RoofChart) -> None:
    handles, palette = [], colours(len(chart.paths))
    for i, path in enumerate(chart.paths if len(chart.paths) > 1 else ()):
        line, marker = STYLES[i % len(STYLES)]
        name = fitting(path.name, LONGEST_LABEL)
        handles.append(Line2D([], [], color=palette[i], linestyle=line, marker=marker, label=name))
    for forward, name in ((True, "layer, forward"), (False, "layer, backward")):
        if any(layer.forward == forward for layer in chart.layers):
            fill = SECONDARY if forward else "white"
            handles.append(
                Line2D([], [], linestyle="", marker=_marker(forward), color=fill, markeredgecolor=SECONDARY, label=name)
            )
    title = f"Numbers at the points: {fitting(chart.growth, LONGEST_LABEL)}" if chart.growth else None
    longest = max((len(str(handle.get_label())) for handle in handles), default=1)
    if handles or title:
        columns = max(1, min(4, len(handles), 120 // (longest + 8)))
        figure.legend(handles=handles, title=title, loc="outside lower center", ncols=columns, fontsize=9)
