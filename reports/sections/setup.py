"""The section on the machine, the software and the data sets. Pure."""

from __future__ import annotations

from reports.analysis.overview import Overview
from reports.sections.form import Facts, Section, present
from reports.tables import setup


def section(overview: Overview) -> Section:
    """Return the section with the facts of each run, side by side."""
    facts = Facts(setup.facts(overview.runs, overview.cases))
    return Section("setup", "What was run", "What was run", present(facts, setup.data_sets(overview.runs)))
