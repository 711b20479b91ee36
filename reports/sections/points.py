"""The section of all points: figures, doubts, ends of logs, resources. Pure."""

from __future__ import annotations

from reports.analysis.cases import Case
from reports.analysis.failures import reason
from reports.analysis.overview import Overview
from reports.sections.form import Failure, Heading, Logs, Section, Text, present
from reports.tables import points, remarks, suspects

ABOUT = Text(
    "Second lines hold intervals. What all points of a run share stands under",
    hint=True,
    link=("facts", "What was run"),
)


def section(overview: Overview) -> Section:
    """Return the section with every point of the plan."""
    cases, axes = overview.cases, overview.trend.axes
    failures = tuple(failure for case in cases for failure in _failures(case, overview.trend.where(case)))
    parts = present(
        ABOUT,
        points.points(cases, axes),
        suspects.table(cases, axes),
        remarks.table(cases, axes),
        *((Heading("Ends of logs"), Logs(failures)) if failures else ()),
        points.resources(cases, axes),
    )
    return Section("all", "All points", "All points", parts)


def _failures(case: Case, name: str) -> list[Failure]:
    """Return the records of a case that have a log to show."""
    failures = []
    for record in case.records:
        log_end = str((record.error or {}).get("log_end") or "")
        if record.status != "ok" and log_end:
            failures.append(Failure(case.number, name, record.status, reason(record), log_end))
    return failures
