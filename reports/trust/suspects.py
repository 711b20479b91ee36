"""Why points may not stand for the machine, grouped by cause. Pure.

The harness says of each replicate, in sentences with their numbers, what disturbed it (a record's diagnosis,
"suspect"; saih/telemetry/suspect.py). A rank more, another host or another number makes no other cause.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from reports.axes import Axis
from reports.cases import Case, numbers
from reports.finding import Finding
from reports.table import Head, Table, case_cells, case_head, words
from reports.text import clauses, count, listed

SLOWER = "steps grew slower"
OTHER = "another reason"
CAUSES = (
    (r"the allocator emptied its cache", "memory was nearly used up"),
    (r"^the GPU (was slowed down|lowered its clocks|was held back)", "GPUs throttled"),
    (r"^the GPU was at its power limit", "GPUs were at their power limit"),
    (r" clock fell by", "clocks fell"),
    (r"other process(es)? used the GPU", "others used the GPUs"),
    (r"^others kept .* busy", "others used the ranks' cores"),
    (r" cores? throttled for heat", "cores throttled for heat"),
    (r"^steps grew .* slower", SLOWER),
)
"""What a sentence holds, without the rank and the host at its beginning -> what the reader is told."""
WHOSE = re.compile(r"^(rank \d+ on )?\S+: ")
MOST_SENTENCES = 3


def cause(sentence: str) -> str:
    """The cause that a sentence tells of."""
    text = WHOSE.sub("", sentence)
    return next((told for pattern, told in CAUSES if re.search(pattern, text)), OTHER)


def sentences(case: Case) -> list[str]:
    """What the records of a case say, each once, the largest share first."""
    told = dict.fromkeys(str(each) for record in case.ok for each in (record.diagnosis or {}).get("suspect") or [])
    return sorted(told, key=_weight, reverse=True)


def _weight(sentence: str) -> float:
    """The first percentage in a sentence."""
    found = re.search(r"(\d+(?:\.\d+)?) %", sentence)
    return float(found[1]) if found else 0.0


def by_cause(case: Case) -> dict[str, list[str]]:
    """The sentences of a case by cause, in the order of `CAUSES`."""
    found: dict[str, list[str]] = {}
    for sentence in sentences(case):
        found.setdefault(cause(sentence), []).append(sentence)
    order = [*(told for _, told in CAUSES), OTHER]
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
        (*case_cells(case, axes), words("; ".join(by_cause(case))), words(clauses(sentences(case), MOST_SENTENCES)))
        for case in cases
        if note(case)
    )
    head = (*case_head(axes), Head("why suspect", number=False), Head("in the record's words", number=False))
    return Table("suspects", "Points that may not stand for the machine", head, rows) if rows else None
