"""The table of input sources and background load, and the location of the data. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.analysis.axes import Axis
from reports.analysis.cases import BACKGROUND, Case
from reports.analysis.input_sources import IO_KEYS, Group, input_of, megabytes, others_mb_s
from reports.analysis.intervals import within
from reports.analysis.runs import Run
from reports.analysis.step_parts import share
from reports.tables.form import Cell, Head, Notes, Table, case_cells, case_head, words
from reports.words.glossary import label_of
from reports.words.text import listed, percent, quantity, signed_percent

EVIDENCE = ("from_storage_percent", "page_cache_percent", "direct_read_percent", "data_to_memory_ratio")
"""Metrics that applications may declare about the origin of their input; docs/io.md defines them."""


def inputs(groups: Sequence[Group], axes: Sequence[Axis]) -> Table | None:
    """Return the table of all cases of the groups: throughput, cost of input, and evidence for its origin."""
    if not groups:
        return None
    notes = Notes()
    left = [axis for axis in axes if not set(IO_KEYS) & set(axis.keys)]
    known = _declared([case for group in groups for case in group.cases])
    head = (
        *case_head(left),
        Head("input", number=False),
        Head("others read", "achieved"),
        Head("throughput"),
        Head("change", "from undisturbed"),
        Head("exposed input", "% of step, interval"),
        Head(label_of("read_bytes_per_s"), "of the samples"),
        *(Head(label) for label in known.values()),
    )
    rows = tuple(_row(group, case, left, list(known), notes) for group in groups for case in group.cases)
    return Table("inputs", "Input and storage", head, rows, notes.listed())


def _declared(cases: Sequence[Case]) -> dict[str, str]:
    """Return the evidence that is recorded, with the application's own labels."""
    labels: dict[str, str] = {}
    for name in EVIDENCE:
        for record in (record for case in cases for record in case.ok):
            if name in record.metrics and record.value(name) is not None:
                labels.setdefault(name, str(record.metrics[name].get("label") or name))
    return labels


def _row(group: Group, case: Case, axes: Sequence[Axis], evidence: Sequence[str], notes: Notes) -> tuple[Cell, ...]:
    read = case.value("read_bytes_per_s")
    return (
        *case_cells(case, axes),
        words(input_of(case)),
        _others(case),
        notes.cell(case.quantity("samples_per_s")),
        Cell(_change(group, case)),
        _exposed(case, notes),
        notes.cell(case.quantity("read_bytes_per_s")) if read is None else Cell(megabytes(read / 1e6)),
        *(notes.cell(case.quantity(name)) for name in evidence),
    )


def _others(case: Case) -> Cell:
    """Return the achieved background rate, with the requested rate below."""
    asked = case.keys.get(BACKGROUND)
    if not asked or not isinstance(asked, int | float):
        return Cell("0")
    return Cell(megabytes(others_mb_s(case)), f"of {megabytes(asked)}")


def _change(group: Group, case: Case) -> str:
    for curve in group.curves:
        if case in curve.cases[1:]:
            return signed_percent(curve.change(case))
    return ""


def _exposed(case: Case, notes: Notes) -> Cell:
    part = share(case, "exposed_input_s")
    if part.value is None:
        return notes.missing(part.why)
    return Cell(quantity(case.value("exposed_input_s"), "s"), f"{percent(part.value)}{within(part)}")


def where_data_lay(runs: Sequence[Run]) -> str:
    """Return a sentence on the file systems in the application's facts; empty if there are none."""
    systems: dict[str, None] = {}
    for folder in (folder for run in runs for folder in run.folders):
        for facts in (folder.system.get("data") or {}).values():
            if isinstance(facts, Mapping) and facts.get("file_system"):
                systems[f"{facts['file_system']} ({facts.get('path', 'path not recorded')})"] = None
    return f"File systems of the data sets: {listed(systems)}." if systems else ""
