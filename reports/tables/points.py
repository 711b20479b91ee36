"""The tables of points and of their resources. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.axes import Axis
from reports.analysis.cases import Case, Quantity
from reports.analysis.failures import reasons
from reports.analysis.reference_metric import RATE, SHARE, differ
from reports.analysis.suspects import note
from reports.tables import steadiness
from reports.tables.form import Cell, Head, Notes, Table, case_cells, case_head, words
from reports.words.glossary import label_of
from reports.words.text import clauses
from saih.metrics.compute import UNITS

SPEED = ("step_s", "samples_per_s", RATE, SHARE, "percent_of_peak")
OWN = Head(label_of(SHARE), "each of its own: they differ")
RESOURCES = ("parameters", "peak_mem_bytes", "read_bytes_per_s", "rank_imbalance_percent")
HOW_STEADY = (Head("spread of blocks", "quartiles, % of median"), Head("drift", "first to last block"))
ARROWS = {"higher": "higher is better", "lower": "lower is better"}


def points(cases: Sequence[Case], axes: Sequence[Axis]) -> Table:
    """Return the table of all points in the plan: status, and speed or the reason for its absence."""
    notes = Notes()
    own = differ(cases)
    speed = [OWN if own and name == SHARE else _head(name) for name in SPEED]
    head = (*case_head(axes), Head("status", number=False), Head("work", "per device, step"), *speed)
    rows = [_point_row(case, axes, notes) for case in cases]
    return Table("points", "All points", head, tuple(rows), notes.listed())


def _head(name: str) -> Head:
    return Head(label_of(name), ARROWS.get(UNITS[name][1], "") if name in UNITS else "")


def _point_row(case: Case, axes: Sequence[Axis], notes: Notes) -> tuple[Cell, ...]:
    doubt = note(case)
    status = Cell(case.status_text, "suspect" if doubt else "", notes.mark(doubt) if doubt else "", False, case.status)
    work = Quantity(case.flop_per_step, "FLOP", why="no point of this size recorded its work per sample")
    start = (*case_cells(case, axes, anchor=True), status, notes.cell(work))
    if not case.ok:
        return (*start, Cell(clauses(reasons(case), 2), number=False, span=len(SPEED)))
    return (*start, *(notes.cell(case.quantity(name)) for name in SPEED))


def resources(cases: Sequence[Case], axes: Sequence[Axis]) -> Table | None:
    """Return the table of the measured points' resources, own metrics, and blocks."""
    measured = [case for case in cases if case.ok]
    own = sorted({name for case in measured for record in case.ok for name in record.metrics if name not in UNITS})
    notes = Notes()
    names = [*RESOURCES, *own]
    labels = [Head(_own_label(name, measured) or label_of(name)) for name in names]
    head = (*case_head(axes), *labels, Head("blocks", "blocks x steps"), *HOW_STEADY, Head("stopped", number=False))
    rows = [
        (*case_cells(case, axes), *(notes.cell(case.quantity(name)) for name in names), *_how(case, notes))
        for case in measured
    ]
    title = "What the points used, and how long they were measured"
    return Table("resources", title, head, tuple(rows), notes.listed()) if rows else None


def _own_label(name: str, cases: Sequence[Case]) -> str:
    entries = [record.metrics[name] for case in cases for record in case.ok if name in record.metrics]
    return next((str(entry["label"]) for entry in entries if entry.get("label")), "")


def _how(case: Case, notes: Notes) -> tuple[Cell, ...]:
    """Return the number of blocks, their steadiness, and the reason why measuring stopped."""
    blocks = dict.fromkeys(
        f"{len((record.samples.get('block_s') or {}).get('full') or [])} x {record.samples['block_steps']}"
        for record in case.ok
        if "block_steps" in record.samples
    )
    stopped = dict.fromkeys(str(record.samples["stopped"]) for record in case.ok if "stopped" in record.samples)
    return (
        Cell(" / ".join(blocks)) if blocks else notes.missing("not recorded"),
        *steadiness.cells(case, notes),
        words(" / ".join(stopped)) if stopped else notes.missing("not recorded"),
    )
