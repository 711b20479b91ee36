"""The section of rooflines. Pure."""

from __future__ import annotations

from reports.analysis.overview import Overview
from reports.charts.roofline import roof_charts
from reports.sections.form import Section
from reports.tables.roofline import roofline


def section(overview: Overview) -> Section | None:
    """Return the charts and their table; None if no point has a place below a measured roof."""
    table = roofline(overview.roofs, overview.trend.axes)
    if table is None:
        return None
    return Section("roofline", "Roofline", "Roofline", (*roof_charts(overview.roofs, overview.trend), table))
