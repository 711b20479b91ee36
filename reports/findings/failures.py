"""Findings about points without a result, and about the precision of the measured ones. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reports.analysis.axes import Axis
from reports.analysis.cases import Case, half_width_percent, numbers
from reports.analysis.failures import reason, reasons
from reports.analysis.judged_anew import is_doubtful
from reports.analysis.runs import Run
from reports.findings.form import Finding
from reports.words.text import clauses, count, listed, number
from saih.records.record import FAULTS, Record

Where = Callable[[Case], str]

WORDS = {
    "invalid": ("ran but must not be believed", "caution"),
    "failed": ("failed", "caution"),
    "timeout": ("gave no answer in time", "caution"),
    "preempted": ("was stopped by a signal: a resumed sweep measures it", "caution"),
    "skipped": ("skipped", "gap"),
}


def frontier(cases: Sequence[Case], growth: Axis | None, where: Where) -> list[Finding]:
    """Return a finding on points that ran out of memory, with the largest point below each that ran."""
    out = [case for case in cases if case.status == "oom"]
    if not out:
        return []
    sentences = []
    for case in out:
        below = _largest_below(case, cases, growth)
        ran = f"; all else equal, {growth.label(growth.of(below))} still ran" if growth and below else ""
        sentences.append(f"{where(case)} (#{case.number}): {listed(reasons(case))}{ran}")
    headline = f"Memory ends: {count(len(out), 'point')} ran out of it"
    return [Finding("result", headline, f"{clauses(sentences, 4)}.", tuple(out))]


def _largest_below(case: Case, cases: Sequence[Case], axis: Axis | None) -> Case | None:
    """Return the last measured case before this one on the axis, equal in all else."""
    if axis is None:
        return None
    own = {*axis.keys, *axis.silent}
    here = axis.values.index(axis.of(case))
    below = [
        other
        for other in cases
        if other.ok and axis.values.index(axis.of(other)) < here and _rest(other, own) == _rest(case, own)
    ]
    return max(below, key=lambda other: axis.values.index(axis.of(other)), default=None)


def _rest(case: Case, keys: set[str]) -> Mapping[str, Any]:
    return {key: value for key, value in case.keys.items() if key not in keys}


def faults(cases: Sequence[Case], where: Where) -> list[Finding]:
    """Return a finding for each other status without a result, with its points and their reasons."""
    findings = []
    for status, (words, kind) in WORDS.items():
        hit = [case for case in cases if _of(case, status)]
        if hit:
            points = clauses(
                (f"{where(case)} (#{case.number}): {listed(_reasons(case, status), 2)}" for case in hit), 3
            )
            logs = any((record.error or {}).get("log_end") for case in hit for record in _of(case, status))
            end = " The end of its log is under the table of points." if status in FAULTS and logs else ""
            headline = f"{count(len(hit), 'point')} {words if len(hit) == 1 else _plural(words)}"
            findings.append(Finding(kind, headline, f"{points}.{end}", tuple(hit)))
    return findings


def _of(case: Case, status: str) -> list[Record]:
    """Return the replicates of a status, without doubtful ones, which have a finding of their own."""
    return [record for record in case.records if record.status == status and not is_doubtful(record)]


def _reasons(case: Case, status: str) -> list[str]:
    return list(dict.fromkeys(reason(record) for record in _of(case, status)))


def _plural(words: str) -> str:
    return words.replace("was stopped", "were stopped").replace("measures it", "measures them")


def precision(runs: Sequence[Run], cases: Sequence[Case]) -> list[Finding]:
    """Return a finding on points that stopped at the time limit, before the rate's interval reached its target."""
    late = [case for case in cases if any(record.samples.get("stopped") == "limit" for record in case.ok)]
    measured = [case for case in cases if case.ok]
    if not late:
        return []
    widths = {case.number: width for case in late if (width := half_width_percent(case)) is not None}
    targets = dict.fromkeys(target for run in runs if (target := target_percent(run)) is not None)
    asked = f" of {listed(f'± {number(each)} %' for each in targets)}" if targets else ""
    widest = ""
    if widths:
        worst = max(widths, key=lambda each: widths[each])
        widest = f" The widest interval is ± {number(widths[worst], 2)} % of the rate, at #{worst}."
    evidence = f"They ended before the rate was known to the target{asked}: {numbers(late)}.{widest}"
    headline = f"{len(late)} of {count(len(measured), 'measured point')} stopped at the time limit"
    return [Finding("caution", headline, evidence, tuple(late))]


def target_percent(run: Run) -> float | None:
    """Return the half-width of the step's interval that the configuration requests."""
    target = (run.first.config.get("measure") or {}).get("target_percent")
    return float(target) if isinstance(target, int | float) else None
