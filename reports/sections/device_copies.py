"""The section on points that ran on every device at once. Pure."""

from __future__ import annotations

from reports.analysis.device_copies import find_everywhere
from reports.analysis.overview import Overview
from reports.sections.form import Section
from reports.tables.device_copies import everywhere_tables


def section(overview: Overview) -> Section | None:
    """Return the section with a table for each run with such points; None if there is none."""
    tables = everywhere_tables(find_everywhere(overview.runs, overview.cases))
    title = "Every device at once"
    return Section("copies", title, title, tuple(tables)) if tables else None
