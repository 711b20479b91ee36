"""The section on input and storage. Pure."""

from __future__ import annotations

from reports.analysis.overview import Overview
from reports.charts.input import load_charts, source_charts
from reports.sections.form import Section, Text, present
from reports.tables.input import inputs, where_data_lay


def section(overview: Overview) -> Section | None:
    """Return throughput by source and with background load; None if no two points can be compared."""
    groups = overview.input_groups
    table, lay = inputs(groups, overview.trend.axes), where_data_lay(overview.runs)
    if table is None:
        return None
    parts = present(*source_charts(groups), *load_charts(groups), table, Text(lay, hint=True) if lay else None)
    return Section("input", "Input and storage", "Input and storage", parts)
