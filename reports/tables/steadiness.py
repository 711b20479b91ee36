"""The cells about steadiness in the table of points. Pure."""

from __future__ import annotations

from reports.analysis.cases import Case
from reports.analysis.steadiness import CHANCE, of_case
from reports.tables.form import Cell, Notes
from reports.words.text import count, number, quantity, signed_percent


def cells(case: Case, notes: Notes) -> tuple[Cell, Cell]:
    """Spread with outliers, and drift; of several replicates, the one where it is largest."""
    found = of_case(case)
    if not found:
        missing = notes.missing("no blocks to compare are recorded")
        return missing, missing
    wide = max(found, key=lambda each: each.spread_percent)
    moved = min(found, key=lambda each: each.chance)
    far, blocks = sum(each.outliers for each in found), sum(each.blocks for each in found)
    worst = max((each.worst_ratio for each in found if each.worst_ratio), default=None, key=lambda x: abs(x - 1))
    told = f"{count(far, 'outlier')} of {blocks}" + (f", to x {number(worst)}" if worst else "")
    clear = "clear" if moved.drifts else "as by chance" if moved.chance >= CHANCE else "small"
    return (
        Cell(quantity(wide.spread_percent, "%"), told),
        Cell(signed_percent(round(moved.drift_percent, 1) / 100 + 0.0), clear),  # no minus before 0.0
    )
