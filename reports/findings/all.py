"""All findings in the order of the page: pure functions from cases and their trend to sentences.

A finding claims no more than the records hold. It says so if an interval holds zero, and a finding of its own names
metrics that were not measured. Each function below answers one question of a reader and returns no finding if the
question does not arise; `findings` sets their order on the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reports.analysis import diagnosis
from reports.analysis.cases import Case
from reports.analysis.device_copies import find_everywhere
from reports.analysis.input_sources import Group
from reports.analysis.runs import Run
from reports.analysis.trend import Trend
from reports.findings.bottlenecks import bound, differing, layer_bound, turning, untold
from reports.findings.ceilings import beyond_ceilings, suspect_ceilings, uncertain_ceilings
from reports.findings.contradictions import contradictory, doubtful, left_out
from reports.findings.device_copies import odd_ones
from reports.findings.failures import faults, frontier, precision
from reports.findings.form import Finding
from reports.findings.growth_ends import growth_ends
from reports.findings.input import io_findings
from reports.findings.key_numbers import approach
from reports.findings.scaling import scaling
from reports.findings.steadiness import steady_findings
from reports.findings.step import exposed, not_measured
from reports.findings.suspects import suspect_findings
from reports.findings.trend import reach, strongest_dial, where_growth_ends
from saih.emulate import in_words, together


def findings(runs: Sequence[Run], cases: Sequence[Case], trend: Trend, groups: Sequence[Group]) -> list[Finding]:
    """Return all findings, the most important question first, each with the number of processes behind its figures."""
    agreeing = [case for case in cases if not diagnosis.contradictory(case)]
    in_order = [
        *emulated(cases),
        *reach([case for case in cases if not case.disturbed] or cases, trend),
        *where_growth_ends(trend),
        *growth_ends(runs),
        *approach(trend),
        *strongest_dial(cases, trend),
        *scaling(trend.scalings),
        *odd_ones(find_everywhere(runs, cases)),
        *turning(cases, trend),
        *bound(cases),
        *differing(cases),
        *layer_bound(agreeing, trend),
        *exposed(untold(agreeing, "communication"), "exposed_comm_s", "communication"),
        *exposed(untold(agreeing, "input"), "exposed_input_s", "input"),
        *io_findings(groups),
        *frontier(cases, trend.roles.growth, trend.where),
        *faults(cases, trend.where),
        *doubtful(cases),
        *left_out(runs),
        *contradictory(cases),
        *precision(runs, cases),
        *uncertain_ceilings(runs),
        *suspect_ceilings(runs),
        *beyond_ceilings(cases, trend.where),
        *suspect_findings(cases),
        *steady_findings(cases),
        *not_measured(cases),
    ]
    return [replace(finding, headline=finding.with_processes) for finding in in_order]


def emulated(cases: Sequence[Case]) -> list[Finding]:
    """Return a finding for each set of disturbances that were emulated on purpose, with its points."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        label = together(record.system.get("emulated") for record in case.records)
        if label:
            groups.setdefault(in_words(label), []).append(case)
    evidence = (
        "These points were disturbed on purpose, by real means (docs/emulate.md): they are not this machine as it is."
    )
    return [Finding("caution", f"Emulated: {words}", evidence, tuple(group)) for words, group in groups.items()]
