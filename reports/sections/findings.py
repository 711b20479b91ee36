"""The section of findings: the sentences to read first. Pure."""

from __future__ import annotations

from reports.analysis.overview import Overview
from reports.findings.all import findings
from reports.findings.form import Finding
from reports.sections.form import Findings, Section, ShownFinding


def section(overview: Overview) -> Section:
    """Return the section with all findings."""
    found = findings(overview.runs, overview.cases, overview.trend, overview.input_groups)
    return Section("findings", "Findings", "Findings", (Findings(tuple(map(_shown, found))),))


def _shown(finding: Finding) -> ShownFinding:
    numbers = dict.fromkeys(case.number for case in finding.cases)
    return ShownFinding(finding.kind, finding.headline, finding.evidence, tuple(sorted(numbers)))
