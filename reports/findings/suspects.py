"""Why points may not stand for the machine, grouped by cause. Pure.

The harness says of each replicate, in sentences with their numbers, what disturbed it (a record's diagnosis,
"suspect"; saih/diagnosis/suspect.py). A rank more, another host or another number makes no other cause.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from reports.analysis.axes import Axis
from reports.analysis.cases import Case, numbers
from reports.findings.form import Finding
from reports.tables.form import Cell, Head, Table, case_cells, case_head, words
from reports.words.text import clauses, count, listed

SLOWER = "steps grew slower"
OTHER = "another reason"
TOLD = {
    "memory": "memory was nearly used up",
    "throttled": "GPUs throttled",
    "clocks": "clocks fell",
    "gpu shared": "others used the GPUs",
    "cores shared": "others used the ranks' cores",
    "cores throttled": "cores throttled for heat",
    "slower": SLOWER,
}
"""The record's cause -> what the reader is told, in the order of the report."""
OLDER = (
    (r"the allocator emptied its cache", "memory was nearly used up"),
    (r"^the GPU (was slowed down|lowered its clocks|was held back)", "GPUs throttled"),
    (r"^the GPU was at its power limit", "GPUs were at their power limit"),
    (r" clock fell by", "clocks fell"),
    (r"other process(es)? used the GPU", "others used the GPUs"),
    (r"^others kept .* busy", "others used the ranks' cores"),
    (r" cores? throttled for heat", "cores throttled for heat"),
    (r"^steps grew .* slower", SLOWER),
)
"""Records of method versions before 4 hold sentences only: what one holds, without rank and host -> what is told."""
WHOSE = re.compile(r"^(rank \d+ on )?\S+: ")
MOST_SENTENCES = 3


def cause(reason: Mapping[str, str] | str) -> str:
    """What the reader is told of one of the record's reasons: {"cause", "words"}, or a sentence in older records."""
    if not isinstance(reason, str):
        return TOLD.get(reason["cause"], OTHER)
    text = WHOSE.sub("", reason)
    return next((told for pattern, told in OLDER if re.search(pattern, text)), OTHER)


def reasons(case: Case) -> list[tuple[str, str]]:
    """(what is told, the record's own words) of a case, each once, the largest share first."""
    found = [each for record in case.ok for each in (record.diagnosis or {}).get("suspect") or []]
    told = dict.fromkeys((cause(each), each if isinstance(each, str) else str(each["words"])) for each in found)
    return sorted(told, key=lambda each: _weight(each[1]), reverse=True)


def _weight(sentence: str) -> float:
    """The first percentage in a sentence."""
    found = re.search(r"(\d+(?:\.\d+)?) %", sentence)
    return float(found[1]) if found else 0.0


def by_cause(case: Case) -> dict[str, list[str]]:
    """The sentences of a case by cause, in the order of `TOLD`."""
    found: dict[str, list[str]] = {}
    for told, sentence in reasons(case):
        found.setdefault(told, []).append(sentence)
    order = dict.fromkeys([*TOLD.values(), *(told for _, told in OLDER), OTHER])
    return {told: found[told] for told in order if told in found}


def note(case: Case) -> str:
    """Its causes in one line, or empty."""
    told = by_cause(case)
    return f"suspect: {'; '.join(told)}" if told else ""


def suspect_findings(cases: Sequence[Case]) -> list[Finding]:
    """Which points may not stand for the machine: one finding, a sentence a cause with its worst case quoted."""
    groups = _groups(cases)
    suspect = [case for case in cases if note(case)]
    if not suspect:
        return []
    measured = sum(bool(case.ok) for case in cases)
    headline = f"{len(suspect)} of {count(measured, 'measured point')} may not stand for the machine: {listed(groups)}"
    told = [_of_cause(why, group) for why, group in groups.items()]
    end = "They keep their figures; what each record says is in the table of suspect points."
    return [Finding("caution", headline, " ".join([*told, end]), tuple(suspect))]


def _groups(cases: Sequence[Case]) -> Mapping[str, list[tuple[Case, str]]]:
    """By cause: the points, each with its worst sentence; the cause of most points first."""
    groups: dict[str, list[tuple[Case, str]]] = {}
    for case in cases:
        for why, told in by_cause(case).items():
            groups.setdefault(why, []).append((case, told[0]))
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))


def _of_cause(why: str, group: Sequence[tuple[Case, str]]) -> str:
    case, sentence = max(group, key=lambda each: _weight(each[1]))
    told = f"{why[:1].upper()}{why[1:]} at {numbers([case for case, _ in group])}"
    most = f"most at #{case.number}" if len(group) > 1 else "there"
    return f"{told}; {most}: \u201c{sentence}\u201d."


def table(cases: Sequence[Case], axes: Sequence[Axis]) -> Table | None:
    """Every suspect point with its causes and the records' own words."""
    rows = tuple(
        (
            *case_cells(case, axes),
            words("; ".join(by_cause(case))),
            words(clauses([told for _, told in reasons(case)], MOST_SENTENCES)),
        )
        for case in cases
        if note(case)
    )
    head = (*case_head(axes), Head("why suspect", number=False), Head("in the record's words", number=False))
    return Table("suspects", "Points that may not stand for the machine", head, rows) if rows else None


def _told(case: Case) -> Cell:
    """The records' own words, the worst first."""
    return words(clauses([sentence for _, sentence in reasons(case)], MOST_SENTENCES))
