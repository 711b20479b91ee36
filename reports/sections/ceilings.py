"""The section of ceilings. Pure."""

from __future__ import annotations

from reports.analysis.overview import Overview
from reports.sections.form import Section, Text
from reports.tables.ceilings import ceilings


def section(overview: Overview) -> Section:
    """Return the section with the measured ceilings beside the datasheets'."""
    table = ceilings(overview.runs, overview.cases)
    return Section("peaks", "Ceilings", "Ceilings", (table or Text("No ceiling was recorded."),))
