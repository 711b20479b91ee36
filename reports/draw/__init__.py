"""The charts as pictures: matplotlib, imported only when a page is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from reports.charts.input import LoadChart, SourceChart
from reports.charts.roofline import RoofChart
from reports.charts.step import BarChart
from reports.charts.trend import Chart
from reports.draw.input import draw_loads, draw_sources
from reports.draw.lines import draw_bars, draw_chart
from reports.draw.roofline import draw_roof

DRAW: dict[type, Callable[[Any], Figure]] = {
    Chart: draw_chart,
    BarChart: draw_bars,
    RoofChart: draw_roof,
    SourceChart: draw_sources,
    LoadChart: draw_loads,
}


def drawn(chart: Chart | BarChart | RoofChart | SourceChart | LoadChart) -> Figure:
    """Return the picture of any chart."""
    return DRAW[type(chart)](chart)
