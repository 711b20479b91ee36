"""The table of suspect points. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.axes import Axis
from reports.analysis.cases import Case
from reports.analysis.suspects import by_cause, note, reasons
from reports.tables.form import Head, Table, case_cells, case_head, words
from reports.words.text import clauses

MOST_SENTENCES = 3


def table(cases: Sequence[Case], axes: Sequence[Axis]) -> Table | None:
    """Return the table of suspect points with their causes and the records' own words."""
    rows = tuple(
        (
            *case_cells(case, axes),
            words("; ".join(by_cause(case))),
            words(clauses([sentence for _, sentence in reasons(case)], MOST_SENTENCES)),
        )
        for case in cases
        if note(case)
    )
    head = (*case_head(axes), Head("why suspect", number=False), Head("in the record's words", number=False))
    return Table("suspects", "Points that may not stand for the machine", head, rows) if rows else None
