"""Findings about points that may not be representative, grouped by cause. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.analysis.cases import Case, numbers
from reports.analysis.suspects import by_cause, note, weight
from reports.findings.form import Finding
from reports.words.text import count, listed


def suspect_findings(cases: Sequence[Case]) -> list[Finding]:
    """Return one finding on all suspect points, with a sentence for each cause that quotes its worst case."""
    groups = _groups(cases)
    suspect = [case for case in cases if note(case)]
    if not suspect:
        return []
    measured = sum(bool(case.ok) for case in cases)
    headline = f"{len(suspect)} of {count(measured, 'measured point')} may not stand for the machine: {listed(groups)}"
    sentences = [_of_cause(why, group) for why, group in groups.items()]
    end = "They keep their figures; what each record says is in the table of suspect points."
    return [Finding("caution", headline, " ".join([*sentences, end]), tuple(suspect))]


def _groups(cases: Sequence[Case]) -> Mapping[str, list[tuple[Case, str]]]:
    """Return the points by cause, each with its worst sentence; the cause of most points is first."""
    groups: dict[str, list[tuple[Case, str]]] = {}
    for case in cases:
        for why, sentences in by_cause(case).items():
            groups.setdefault(why, []).append((case, sentences[0]))
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))


def _of_cause(why: str, group: Sequence[tuple[Case, str]]) -> str:
    case, sentence = max(group, key=lambda pair: weight(pair[1]))
    start = f"{why[:1].upper()}{why[1:]} at {numbers([case for case, _ in group])}"
    most = f"most at #{case.number}" if len(group) > 1 else "there"
    return f"{start}; {most}: \u201c{sentence}\u201d."
