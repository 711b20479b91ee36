"""The figures about input and storage -> matplotlib. Imported only when a page is written."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.analysis.input_sources import megabytes
from reports.charts.input import LoadChart, LoadLine, SourceBar, SourceChart
from reports.charts.trend import Line
from reports.draw.lines import LONGEST_LABEL, draw_line, fitting
from reports.draw.palette import INK, SKY, STYLES, WIDTH, colours


def draw_sources(chart: SourceChart) -> Figure:
    """Draw throughput by input source: bars from zero, with intervals."""
    figure = Figure(figsize=(WIDTH, 1.0 + 0.36 * len(chart.bars)), layout="constrained")
    axes = figure.subplots()
    for row, bar in enumerate(chart.bars):
        _draw_bar(axes, row, bar)
    axes.set_yticks(range(len(chart.bars)), [fitting(bar.label, LONGEST_LABEL) for bar in chart.bars])
    axes.set_ylim(len(chart.bars) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1.16 * max(bar.high or bar.value for bar in chart.bars))
    axes.grid(True, axis="x")
    axes.set_axisbelow(True)
    axes.set_xlabel(chart.title)
    return figure


def _draw_bar(axes: Axes, row: int, bar: SourceBar) -> None:
    axes.barh(row, bar.value, 0.62, color=SKY, edgecolor="white")
    if bar.low is not None and bar.high is not None:
        ends = [[bar.value - bar.low], [bar.high - bar.value]]
        axes.errorbar([bar.value], [row], xerr=ends, fmt="none", ecolor=INK, capsize=3)
    right = max(bar.value, bar.high or 0.0)
    axes.annotate(bar.text, (right, row), (6, 0), textcoords="offset points", va="center", fontsize=9)


def draw_loads(chart: LoadChart) -> Figure:
    """Draw throughput against the background rate, a line an input; both scales begin at zero."""
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    axes = figure.subplots()
    palette = colours(len(chart.lines))
    for i, line in enumerate(chart.lines):
        _draw_load_line(axes, i, line, palette[i])
    marks = [mark for line in chart.lines for mark in line.marks]
    axes.set_xlim(-0.02 * max(mark.x for mark in marks), 1.05 * max(mark.x for mark in marks))
    axes.set_ylim(0, 1.14 * max(mark.high or mark.y or 0.0 for mark in marks))
    axes.grid(True)
    axes.set_axisbelow(True)
    axes.set_xlabel("others read from the data set's storage (MB/s, achieved)")
    axes.set_ylabel(chart.title)
    figure.legend(loc="outside lower center", ncols=min(4, len(chart.lines)), fontsize=9)
    return figure


def _draw_load_line(axes: Axes, place: int, line: LoadLine, colour: str) -> None:
    draw_line(axes, Line(line.name, 0, place, line.marks), colour)
    style, marker = STYLES[place % len(STYLES)]
    axes.plot([], [], linestyle=style, marker=marker, color=colour, label=fitting(line.name, LONGEST_LABEL))
    if line.slowed:
        axes.plot(*line.slowed, "D", color="white", markeredgecolor=colour, markersize=8, zorder=6)
        text = f"\u22125\u00a0% at {megabytes(line.slowed[0])}"
        # Above and to the right: lines fall, so there is room, also at the left edge.
        axes.annotate(text, line.slowed, (7, 5), textcoords="offset points", fontsize=9, color=colour)
