"""The table of the roofline, with every point below its roof. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.axes import Axis
from reports.analysis.roofs import INTENSITY, Dot, Roof
from reports.tables.form import Cell, Head, Notes, Table, case_cells, case_head, words
from reports.words.text import percent, quantity

COUNTED = "dram_bytes_per_step"


def roofline(roofs: Sequence[Roof], axes: Sequence[Axis]) -> Table | None:
    """Return the table of work, traffic and intensity of every point, its roof, and its share of the roof."""
    if not roofs:
        return None
    counted = any(dot.case.value(COUNTED) is not None for roof in roofs for dot in roof.dots)
    head = (
        *case_head(axes),
        Head("work", "per device, step"),
        Head("least traffic", "of its operations; layers'"),
        *((Head("traffic, counted", "hardware counters"),) if counted else ()),
        Head("intensity"),
        Head("ridge", "roofs meet"),
        Head("roof above it", number=False),
        Head("rate"),
        Head("of the roof"),
    )
    dots = sorted(((dot, roof) for roof in roofs for dot in roof.dots), key=lambda pair: pair[0].case.number)
    notes = Notes()
    rows = tuple(_row(dot, roof, axes, notes if counted else None) for dot, roof in dots)
    return Table("rooflines", "Points below their roofs", head, rows, notes.listed())


def _row(dot: Dot, roof: Roof, axes: Sequence[Axis], notes: Notes | None) -> tuple[Cell, ...]:
    height = roof.at(dot.intensity)
    return (
        *case_cells(dot.case, axes),
        Cell(quantity(dot.flop, "FLOP")),
        Cell(quantity(dot.bytes, "B"), "" if dot.layer_bytes is None else quantity(dot.layer_bytes, "B")),
        *((_counted(dot, notes),) if notes else ()),
        Cell(quantity(dot.intensity, INTENSITY)),
        Cell(quantity(roof.ridge, INTENSITY)),
        words("memory" if dot.intensity < roof.ridge else "arithmetic", quantity(height, "FLOP/s")),
        Cell(quantity(dot.flop_per_s, "FLOP/s")),
        _of_roof(dot.flop_per_s / height),
    )


def _of_roof(near: float) -> Cell:
    """Return the share of the roof that a point reaches.

    Beyond the roof, the point had its data from caches, or its rate in a burst.
    """
    return Cell(percent(near)) if near <= 1 else Cell("beyond it", "caches, or a burst")


def _counted(dot: Dot, notes: Notes) -> Cell:
    """Return the traffic by hardware counters, and its multiple of the least traffic."""
    moved = dot.case.quantity(COUNTED)
    if moved.value is None:
        return notes.missing(moved.why)
    return Cell(quantity(moved.value, "B"), f"x {moved.value / dot.bytes:.3g}")
