"""The section on the time of a step: its parts, its bottleneck, checks, and profiled steps in detail. Pure."""

from __future__ import annotations

from reports.analysis.overview import Overview
from reports.charts.step import step_charts
from reports.sections.form import Details, Heading, Section, Text, present
from reports.tables import step, step_checks
from reports.tables.step_details import details

NO_STEPS = Text("No step time was measured.")
ABOUT_DETAILS = Text(
    "From a pass under a profiler after the measurement, of rank 0: of each growth path the smallest, the middle and "
    "the largest point, twelve at most. Busy is the time in which the device computed, under the profiler; it is set "
    "beside the measured step, so that shares may add up to more than 100 %. A layer's time holds its forward and "
    'backward operations; "its shape alone" is the same layer alone on random data of the same shapes, fastest repeat. '
    "The records hold all other points.",
    hint=True,
)


def section(overview: Overview) -> Section:
    """Return the section with bars, tables, then details."""
    found, cases, axes = overview.trend, overview.cases, overview.trend.axes
    profiled = tuple(details(found))
    parts = present(
        *(step_charts(overview.steps, found) or (NO_STEPS,)),
        step.steps(overview.steps, axes),
        step.bounds(cases, axes),
        step_checks.table(cases, axes),
        *((Heading("Profiled steps in detail"), ABOUT_DETAILS, Details(profiled)) if profiled else ()),
    )
    return Section("time", "Where the time of a step goes", "Time of a step", parts)
