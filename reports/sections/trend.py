"""The section on growth: rates and shares against problem size and against ranks. Pure."""

from __future__ import annotations

from reports.analysis.overview import Overview
from reports.charts.scaling import scaling_charts
from reports.charts.trend import trend_charts
from reports.sections.form import Section, Text, present
from reports.tables import key_numbers, trend
from reports.tables.fixed_sizes import fixed_sizes
from reports.tables.scaling import scaling

NO_TREND = Text("A trend needs points measured at two sizes or more; here there is no more than one.")
NO_SCALING = Text(
    "Scaling over ranks: no two measured points are equal in all but the number of ranks, with the batch of a rank "
    "(weak) or of all ranks together (strong) kept.",
    hint=True,
)


def section(overview: Overview) -> Section:
    """Return the section with charts of growth, key numbers, then scaling over ranks."""
    found = overview.trend
    parts = present(
        *(trend_charts(overview.cases, found) or (NO_TREND,)),
        trend.growth(found),
        key_numbers.figures(found),
        fixed_sizes(overview.cases, found),
        trend.effects(found),
        *scaling_charts(found),
        scaling(found.scalings, found.axes) or NO_SCALING,
    )
    return Section("trend", "Trend", "Trend", parts)
