"""The table of undeclared values of applications, and of processes, threads and files that they left behind. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.axes import Axis
from reports.analysis.cases import Case
from reports.tables.form import Head, Table, case_cells, case_head, words
from reports.words.text import clauses

MOST_SENTENCES = 3


def table(cases: Sequence[Case], axes: Sequence[Axis]) -> Table | None:
    """Return the table of the cases with remarks, in the records' own words."""
    remarked = [(case, _remarks(case)) for case in cases]
    rows = tuple(
        (*case_cells(case, axes), words(clauses(remarks, MOST_SENTENCES))) for case, remarks in remarked if remarks
    )
    head = (*case_head(axes), Head("in the record's words", number=False))
    return Table("remarks", "What the application left behind, or gave in vain", head, rows) if rows else None


def _remarks(case: Case) -> list[str]:
    remarks = [text for record in case.records for text in record.provenance.get("remarks") or []]
    return list(dict.fromkeys(map(str, remarks)))
