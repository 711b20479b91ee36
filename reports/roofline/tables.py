"""The table of the roofline: every point below its roof. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reports.axes import Axis
from reports.roofline.charts import INTENSITY
from reports.roofline.points import Dot, Roof
from reports.table import Cell, Head, Table, case_cells, case_head, words
from reports.text import percent, quantity


def roofline(roofs: Sequence[Roof], axes: Sequence[Axis]) -> Table | None:
    """Work, traffic and intensity of every point, the roof above it, and how near it comes."""
    if not roofs:
        return None
    head = (
        *case_head(axes),
        Head("work", "per device, step"),
        Head("least traffic", "per device, step"),
        Head("intensity"),
        Head("ridge", "roofs meet"),
        Head("roof above it", number=False),
        Head("rate"),
        Head("of the roof"),
    )
    dots = sorted(((dot, roof) for roof in roofs for dot in roof.dots), key=lambda each: each[0].case.number)
    return Table("rooflines", "Points below their roofs", head, tuple(_row(dot, roof, axes) for dot, roof in dots))


def _row(dot: Dot, roof: Roof, axes: Sequence[Axis]) -> tuple[Cell, ...]:
    height = roof.at(dot.intensity)
    return (
        *case_cells(dot.case, axes),
        Cell(quantity(dot.flop, "FLOP")),
        Cell(quantity(dot.bytes, "B")),
        Cell(quantity(dot.intensity, INTENSITY)),
        Cell(quantity(roof.ridge, INTENSITY)),
        words("memory" if dot.intensity < roof.ridge else "arithmetic", quantity(height, "FLOP/s")),
        Cell(quantity(dot.flop_per_s, "FLOP/s")),
        Cell(percent(dot.flop_per_s / height)),
    )
