"""The table of checks that can fail: a timed step beside other instruments. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.analysis import diagnosis
from reports.analysis.axes import Axis
from reports.analysis.cases import Case
from reports.tables.form import Cell, Head, Notes, Table, case_cells, case_head
from reports.words.text import percent

COLUMNS = {
    "profiled step": "over the timed one",
    "busy time": "profiled, over the timed step",
    "tensor cores": "busy by counter, over their kernels' time",
    "tensor counter": "share of time",
    "dram counter": "share of time",
    "traffic": "by counter, over the least",
    "power": "mean, over the board's limit",
}
"""The diagnosis's checks (saih/diagnosis/checks.py) -> the quotient in words."""
NO_LIMIT = "no limit"


def table(cases: Sequence[Case], axes: Sequence[Axis]) -> Table | None:
    """Return the table with a row a point that has checks; each value has its limits below, and a mark beyond them."""
    checks = {case.number: {str(check["check"]): check for check in diagnosis.checks(case)} for case in cases}
    shown = [case for case in cases if checks[case.number]]
    names = [name for name in COLUMNS if any(name in checks[case.number] for case in shown)]
    if not names:
        return None
    notes = Notes()
    head = (*case_head(axes), *(Head(name, COLUMNS[name]) for name in names))
    rows = tuple(
        (*case_cells(case, axes), *(_cell(checks[case.number].get(name), notes) for name in names)) for case in shown
    )
    title = "Checks that can fail: other instruments beside the timed step"
    return Table("checks", title, head, rows, notes.listed())


def _cell(check: Mapping[str, Any] | None, notes: Notes) -> Cell:
    if check is None:
        return notes.missing("not recorded, or the point has no such instrument")
    mark = "" if check["holds"] else notes.mark("beyond its limits: the data contradict one another")
    return Cell(percent(check["value"]), _limits(check.get("low"), check.get("high")), mark)


def _limits(low: float | None, high: float | None) -> str:
    if high is None:
        return NO_LIMIT
    return f"{percent(low)} to {percent(high)}" if low else f"at most {percent(high)}"
