"""The table of scaling over ranks, weak and strong. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.axes import Axis
from reports.analysis.doubts import doubts
from reports.analysis.scaling import Scaling
from reports.tables.form import Cell, Head, Notes, Table, case_cells, case_head, words
from reports.words.text import interval, number, quantity


def scaling(found: Sequence[Scaling], axes: Sequence[Axis]) -> Table | None:
    """Return the table of throughput at more ranks beside that at the fewest; the batch that stays shows the kind."""
    if not found:
        return None
    notes = Notes()
    left = [axis for axis in axes if not {"ranks", "batch"}.issuperset(axis.keys)]
    head = (
        *case_head(left),
        Head("kind", "batch that stays", number=False),
        Head("ranks", "from, to"),
        Head("throughput", "fewest ranks"),
        Head("throughput", "more ranks"),
        Head("speed-up", "ideal"),
        Head("scaling efficiency", "higher is better"),
    )
    rows = tuple(_row(each, left, notes) for each in found)
    return Table("scaling", "Scaling over ranks", head, rows, notes.listed())


def _row(found: Scaling, axes: Sequence[Axis], notes: Notes) -> tuple[Cell, ...]:
    value = found.efficiency
    shown = [100 * each if each is not None else None for each in (value.value, value.low, value.high)]
    doubt = "; ".join(each for each in (found.doubt, doubts([found.reference, found.case])) if each)
    mark = notes.mark(doubt) if doubt else ""
    return (
        *case_cells(found.case, axes),
        words(found.kind, found.batch),
        Cell(f"{found.reference.ranks} to {found.case.ranks}", f"#{found.reference.number} to #{found.case.number}"),
        notes.cell(found.reference.quantity("samples_per_s")),
        notes.cell(found.case.quantity("samples_per_s")),
        Cell(f"x {number(found.speed_up)}", f"x {number(found.ideal)}"),
        Cell(quantity(shown[0], "%"), interval(shown[0], shown[1], shown[2], "%"), mark),
    )
