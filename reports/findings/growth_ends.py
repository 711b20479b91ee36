"""Why growing sweeps ended, as the driver wrote it down."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.runs import Run
from reports.findings.form import Finding
from reports.words.text import listed


def growth_ends(runs: Sequence[Run]) -> list[Finding]:
    """One finding a lane that has ended."""
    found = []
    for run in runs:
        for folder in run.folders:
            for end in folder.system.get("growth", {}).values():
                along = listed(f"{name} (x {factor:g} a step)" for name, factor in end["along"].items())
                label = f"{run.label}: " if len(runs) > 1 else ""
                headline = f"{label}Growth along {along} has ended"
                found.append(Finding("result", headline, f"{end['why'][:1].upper()}{end['why'][1:]}.", ()))
    return found
