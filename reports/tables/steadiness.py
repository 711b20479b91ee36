"""The cells about steadiness in the table of points. Pure."""

from __future__ import annotations

from reports.analysis.cases import Case
from reports.analysis.steadiness import CHANCE, of_case
from reports.tables.form import Cell, Notes
from reports.words.text import count, number, quantity, signed_percent


def cells(case: Case, notes: Notes) -> tuple[Cell, Cell]:
    """Return the spread with outliers, and the drift: over replicates, the widest spread and the clearest drift."""
    replicates = of_case(case)
    if not replicates:
        missing = notes.missing("no blocks to compare are recorded")
        return missing, missing
    wide = max(replicates, key=lambda replicate: replicate.spread_percent)
    moved = min(replicates, key=lambda replicate: replicate.chance)
    far, blocks = sum(replicate.outliers for replicate in replicates), sum(replicate.blocks for replicate in replicates)
    worst = max(
        (replicate.worst_ratio for replicate in replicates if replicate.worst_ratio),
        default=None,
        key=lambda x: abs(x - 1),
    )
    outliers = f"{count(far, 'outlier')} of {blocks}" + (f", to x {number(worst)}" if worst else "")
    clear = "clear" if moved.drifts else "as by chance" if moved.chance >= CHANCE else "small"
    return (
        Cell(quantity(wide.spread_percent, "%"), outliers),
        Cell(signed_percent(round(moved.drift_percent, 1) / 100 + 0.0), clear),  # no minus before 0.0
    )
