"""Charts -> matplotlib figures. Imported only when a page is written, because matplotlib takes a while to import.

Figures are objects of their own, without pyplot, so that no global state changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from reports.analysis.step_parts import PARTS, STRAGGLER
from reports.charts.step import STAR, BarChart
from reports.charts.trend import Chart, Line, Mark, Panel
from reports.draw.palette import DARK, FAINT, FRAME, INK, LOST, PARTS_OF_A_STEP, SECONDARY, STYLES, WIDTH, colours
from reports.words.text import percentage, quantity

LONGEST_LABEL = 60
"""Most letters of a label; a longer name would leave no room for the figure. The tables hold it in full."""
MOST_LABELS = 14
"""Most labels in a panel; more would overlap."""


def draw_chart(chart: Chart) -> Figure:
    """Draw a metric against problem size, with the panels side by side."""
    rows, columns = (2, 2) if len(chart.panels) > 3 else (1, len(chart.panels))
    figure = Figure(figsize=(WIDTH, 1.0 + 3.4 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    for panel, axes in zip(chart.panels, grid, strict=False):
        _draw_panel(axes, panel, chart)
    _limits(grid[0], chart)
    for panel, axes in zip(chart.panels, grid, strict=False):
        _label_marks(axes, panel, left=not chart.logarithmic)
    for axes in figure.axes:
        spot = axes.get_subplotspec()
        axes.set_xlabel(chart.x_title if spot and spot.is_last_row() else "")
        axes.set_ylabel(_y_label(chart) if spot and spot.is_first_col() else "")
    _legend(figure, chart)
    return figure


def _y_label(chart: Chart) -> str:
    """Return the title with its unit, unless the numbers at the axis carry the unit."""
    return f"{chart.title} ({chart.unit})" if chart.unit in ("%", "samples/s") else chart.title


def _draw_panel(axes: Axes, panel: Panel, chart: Chart) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log" if chart.logarithmic else "linear")
    axes.grid(True)
    axes.set_axisbelow(True)
    if panel.title:
        axes.set_title(fitting(panel.title, 90 // len(chart.panels)), loc="left")
    for line in panel.lines:
        draw_line(axes, line, colours(len(chart.colours))[line.colour])


def draw_line(axes: Axes, line: Line, colour: str) -> None:
    """Draw a line with its points, their intervals, and its points without a result on the lower edge."""
    style, marker = STYLES[line.style % len(STYLES)]
    known = [mark for mark in line.marks if mark.y is not None]
    x, y = [mark.x for mark in known], [mark.y or 0.0 for mark in known]
    axes.plot(x, y, linestyle=style, marker=marker, color=colour, linewidth=1.6, markersize=5.5)
    bars = [mark for mark in known if mark.low is not None and mark.high is not None]
    if bars:
        below = [max(0.0, (mark.y or 0.0) - (mark.low or 0.0)) for mark in bars]
        above = [max(0.0, (mark.high or 0.0) - (mark.y or 0.0)) for mark in bars]
        middle = [mark.y or 0.0 for mark in bars]
        axes.errorbar([mark.x for mark in bars], middle, [below, above], fmt="none", ecolor=colour, capsize=3)
    for mark in line.marks:
        if mark.y is None:
            (lost,) = axes.plot([mark.x], [0.0], LOST.get(mark.status, "X"), color=colour, markersize=8)
            lost.set(transform=axes.get_xaxis_transform(), clip_on=False, zorder=5)


def fitting(text: str, most: int) -> str:
    """Return text fit for a picture: unprintable letters replaced, and the middle of long text left out."""
    clean = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return clean if len(clean) <= most else f"{clean[: most // 2]}\u2026{clean[-(most // 2 - 1) :]}"


def _limits(axes: Axes, chart: Chart) -> None:
    """Set limits with room around the points, whole ticks, and zero on a linear scale; the panels share the axes."""
    marks = [mark for panel in chart.panels for line in panel.lines for mark in line.marks]
    x = [mark.x for mark in marks if mark.x > 0]
    axes.set_xlim(min(x) / 1.7, max(x) * 1.7)
    few = 5 if len(chart.panels) == 3 else 12
    _log_ticks(
        axes.xaxis, min(x), max(x), few, lambda value: quantity(value, chart.x_unit).removesuffix("FLOP").strip()
    )
    if chart.ticks:
        axes.set_xticks(chart.ticks)
        axes.tick_params(axis="x", which="minor", length=0)
    y = [end for mark in marks if mark.y is not None for end in (mark.y, mark.low, mark.high) if end and end > 0]
    if not y:
        return
    if chart.logarithmic:
        axes.set_ylim(min(y) / 1.6, max(y) * 1.9)
        _log_ticks(axes.yaxis, min(y), max(y), 12, lambda value: quantity(value, chart.unit.replace("samples/s", "1")))
    else:
        axes.set_ylim(0, max(y) * 1.14)


def _log_ticks(axis: object, low: float, high: float, most: int, show: Callable[[float], str]) -> None:
    steps = (1.0, 2.0, 5.0) if math.log10(high / low) < 1.3 else (1.0,)
    axis.set_major_locator(LogLocator(subs=steps, numticks=most))  # type: ignore[attr-defined]
    axis.set_major_formatter(FuncFormatter(lambda value, _: show(value)))  # type: ignore[attr-defined]
    axis.set_minor_formatter(NullFormatter())  # type: ignore[attr-defined]


def _label_marks(axes: Axes, panel: Panel, left: bool) -> None:
    """Write the growing dial's value over the highest of stacked points, and the status at lost ones.

    The value is to the left of its point if lines mostly rise, else to the right, so that no line crosses it.
    """
    offset, side = ((-3, 4), "right") if left else ((3, 4), "left")
    for group in _stacks(panel):
        known = [mark for mark in group if mark.y is not None]
        lost = list(dict.fromkeys(f"{fitting(mark.label, 16)} {mark.status}" for mark in group if mark.y is None))
        if known and known[0].label:
            top = max(known, key=lambda mark: mark.high or mark.y or 0.0)
            place = (top.x, top.high or top.y or 0.0)
            axes.annotate(fitting(top.label, 16), place, offset, textcoords="offset points", ha=side, fontsize=9)
        if lost:
            text, way = "\n".join(lost), axes.get_xaxis_transform()
            place = (group[0].x, 0.0)
            axes.annotate(text, place, (0, 7), xycoords=way, textcoords="offset points", ha="center", fontsize=8)


def _stacks(panel: Panel) -> list[list[Mark]]:
    """Return groups of marks that lie above each other, or only the ends of lines if there are too many groups."""
    groups: dict[int, list[Mark]] = {}
    for line in panel.lines:
        for mark in line.marks:
            groups.setdefault(round(12 * math.log10(mark.x)), []).append(mark)
    if len(groups) <= MOST_LABELS:
        return list(groups.values())
    ends = [mark for line in panel.lines for mark in (line.marks[0], line.marks[-1])]
    return [[mark for mark in group if mark in ends or mark.y is None] for group in groups.values()]


def _legend(figure: Figure, chart: Chart) -> None:
    handles = []
    lines = [line for panel in chart.panels for line in panel.lines]
    both = not chart.styles and any(line.style for line in lines)  # ranks are then colour and style
    for i, name in enumerate(chart.colours):
        style, marker = STYLES[i % len(STYLES)] if both else STYLES[0]
        if any(line.colour == i for line in lines):
            colour = colours(len(chart.colours))[i]
            handles.append(
                Line2D([], [], color=colour, linestyle=style, marker=marker, label=fitting(name, LONGEST_LABEL))
            )
    for i, name in enumerate(chart.styles):
        style, marker = STYLES[i % len(STYLES)]
        if any(line.style == i for line in lines):
            handles.append(
                Line2D([], [], color=SECONDARY, linestyle=style, marker=marker, label=fitting(name, LONGEST_LABEL))
            )
    title = f"Numbers at the points: {fitting(chart.growth, LONGEST_LABEL)}" if chart.growth else None
    longest = max((len(str(handle.get_label())) for handle in handles), default=1)
    columns = max(1, min(4, len(handles), 120 // (longest + 8)))
    if handles or title:
        figure.legend(handles=handles, title=title, loc="outside lower center", ncols=columns, fontsize=9)


def draw_bars(chart: BarChart) -> Figure:
    """Draw the parts of steps: stacked bars in percent of the step."""
    n = len(chart.bars)
    figure = Figure(figsize=(WIDTH, 1.3 + 0.31 * n), layout="constrained")
    axes = figure.subplots()
    for row, bar in enumerate(chart.bars):
        right = _stack(axes, row, bar.parts)
        axes.annotate(bar.text, (right, row), (5, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(range(n), [fitting(bar.label, LONGEST_LABEL) for bar in chart.bars])
    axes.set_ylim(n - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.0), max(high, 100) + 9)
    axes.axvline(0, color=FRAME, linewidth=0.8)
    axes.grid(True, axis="x")
    axes.set_axisbelow(True)
    axes.set_xlabel("share of the step (%); step time at the right")
    _bar_legend(figure, chart)
    return figure


def _stack(axes: Axes, row: int, parts: Sequence[tuple[str, float, bool | None]]) -> float:
    """Draw positive parts to the right of zero and negative ones to the left; return the right end of the bar."""
    left, right = 0.0, 0.0
    for name, share, resolved in parts:
        width = 100 * share
        start = right if width >= 0 else left
        hatch = "////" if resolved is False else None
        axes.barh(row, width, 0.66, start, color=PARTS_OF_A_STEP[name], edgecolor="white", hatch=hatch, linewidth=0.5)
        if width >= 5 and resolved is not False:
            shown = percentage(width) + (STAR if resolved is None else "")
            axes.text(start + width / 2, row, shown, ha="center", va="center", fontsize=8, color=_ink(name))
        right, left = (right + width, left) if width >= 0 else (right, left + width)
    return max(right, 0.0)


def _ink(name: str) -> str:
    return "white" if name in DARK else INK


def _bar_legend(figure: Figure, chart: BarChart) -> None:
    shown = {name for bar in chart.bars for name, share, _ in bar.parts if share}
    starred = {name for bar in chart.bars for name, share, resolved in bar.parts if share and resolved is None}
    stars = {name: STAR if name in starred else "" for name in shown}
    handles = [Patch(facecolor=PARTS_OF_A_STEP[name], label=name + stars[name]) for name in PARTS if name in shown]
    if any(resolved is False for bar in chart.bars for _, _, resolved in bar.parts):
        handles.append(Patch(facecolor=FAINT, hatch="////", edgecolor="white", label="interval includes zero"))
    columns = 4 if STRAGGLER in shown else 5  # its name is long
    figure.legend(handles=handles, loc="outside lower center", ncols=min(columns, len(handles)), fontsize=9)
