"""Findings about data that cannot be believed: unreadable files, and records and data with contradictions. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis import diagnosis
from reports.analysis.cases import Case, numbers
from reports.analysis.failures import reason
from reports.analysis.judged_anew import is_doubtful
from reports.analysis.runs import Run
from reports.findings.form import Finding
from reports.words.text import clauses, count

MOST_FILES, MOST_RECORDS, MOST_SENTENCES = 5, 3, 3


def left_out(runs: Sequence[Run]) -> list[Finding]:
    """Return a finding on files that cannot be read, with the reasons."""
    unread = [file for run in runs for file in run.unread]
    if not unread:
        return []
    reasons = clauses((f"{file.path}: {file.why}" for file in unread), MOST_FILES)
    headline = f"{count(len(unread), 'file')} cannot be read and {'is' if len(unread) == 1 else 'are'} left out"
    return [Finding("caution", headline, f"{reasons}.", ())]


def doubtful(cases: Sequence[Case]) -> list[Finding]:
    """Return a finding on records whose metrics do not follow from their own samples."""
    hit = [case for case in cases if any(is_doubtful(record) for record in case.records)]
    if not hit:
        return []
    sentences = [f"#{case.number}: {reason(record)}" for case in hit for record in case.records if is_doubtful(record)]
    headline = f"At {count(len(hit), 'point')} metrics do not follow from the raw data"
    end = "Which of both figures is true cannot be told: these records are left out of all else."
    return [Finding("caution", headline, f"{clauses(sentences, MOST_RECORDS)}. {end}", tuple(hit))]


def contradictory(cases: Sequence[Case]) -> list[Finding]:
    """Return a finding on points whose data contradict one another, so that no bottleneck is named."""
    against = {
        case.number: [sentence for record in case.ok for sentence in diagnosis.against(record)] for case in cases
    }
    hit = [case for case in cases if against[case.number]]
    if not hit:
        return []
    sentences = [f"#{case.number}: {' '.join(against[case.number][:MOST_SENTENCES])}" for case in hit]
    measured = sum(bool(case.ok) for case in cases)
    headline = f"Data contradict one another at {len(hit)} of {count(measured, 'measured point')}"
    end = (
        f"Which of them is wrong cannot be told, so that nothing is named at {numbers(hit)}, and the parts of those "
        "steps are not shown. Rates and step times are as measured."
    )
    return [Finding("caution", headline, f"{clauses(sentences, MOST_RECORDS)} {end}", tuple(hit))]
