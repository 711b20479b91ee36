"""Findings about the ends of growing sweeps, as recorded by the driver."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.runs import Run
from reports.findings.form import Finding
from reports.words.text import listed


def growth_ends(runs: Sequence[Run]) -> list[Finding]:
    """Return a finding for each growth series that has ended."""
    findings = []
    for run in runs:
        for folder in run.folders:
            for end in folder.system.get("growth", {}).values():
                along = listed(f"{name} (x {factor:g} a step)" for name, factor in end["along"].items())
                label = f"{run.label}: " if len(runs) > 1 else ""
                headline = f"{label}Growth along {along} has ended"
                findings.append(Finding("result", headline, f"{end['why'][:1].upper()}{end['why'][1:]}.", ()))
    return findings
