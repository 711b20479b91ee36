"""Time and energy at fixed problem sizes: the cost of the same problem. Pure.

A lone run shows every measured problem. Several runs show the problems that two of them or more measured, side by side:
equal in dials, execution and work per device and step, in spite of all other differences between the runs.
"""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.axes import alike
from reports.analysis.cases import Case, Quantity
from reports.analysis.trend import Trend
from reports.tables.form import Cell, Head, Notes, Table, case_cells, case_head

TITLES = ("time a step", "time a sample", "energy a sample")


def fixed_sizes(cases: Sequence[Case], trend: Trend) -> Table | None:
    """Return the table; None if no problem grows, or if several runs have no problem in common."""
    measured = [case for case in cases if case.value("step_s") and case.flop_per_step and not case.disturbed]
    runs = next((axis for axis in trend.axes if axis.keys == ("run",)), None)
    if runs is None and trend.roles.growth is None:
        return None
    if runs is None:
        rows, names, axes = [[case] for case in measured], [""], list(trend.axes)
    else:
        rows = [same for group in alike(measured, runs) if len(same := _same_work(group)) > 1]
        names, axes = [str(value[0]) for value in runs.values], [axis for axis in trend.axes if axis is not runs]
    if not rows:
        return None
    notes = Notes()
    points = case_head(axes) if runs is None else case_head(axes)[1:]
    head = (*points, Head("work", "per device, step"), *(Head(title, name) for title in TITLES for name in names))
    shown = []
    for group in rows:
        start = case_cells(group[0], axes) if runs is None else case_cells(group[0], axes)[1:]
        columns = group if runs is None else [next((c for c in group if c.run == name), None) for name in names]
        shown.append((*start, notes.cell(Quantity(group[0].flop_per_step, "FLOP")), *_cells(columns, notes)))
    return Table("fixed-sizes", "Time and energy at fixed problem sizes", head, tuple(shown), notes.listed())


def _same_work(group: Sequence[Case]) -> list[Case]:
    """Return the cases with the same work a step as the first.

    Runs may differ in the batch, and their cases then do not compare.
    """
    return [case for case in group if case.flop_per_step == group[0].flop_per_step]


def _cells(cases: Sequence[Case | None], notes: Notes) -> list[Cell]:
    """Return all runs' time a step, then time and energy a sample."""
    missing = "this run did not measure this problem"
    return [
        notes.cell(ask(case)) if case else notes.missing(missing)
        for ask in (_step, sample_s, _energy)
        for case in cases
    ]


def _step(case: Case) -> Quantity:
    return case.quantity("step_s")


def sample_s(case: Case) -> Quantity:
    """Return seconds a sample: 1 / samples/s of all ranks, for the interval's ends likewise."""
    rate = case.quantity("samples_per_s")
    if not rate.value:
        return Quantity(None, "s", why=rate.why or "no samples a second")
    low, high = (1 / rate.high if rate.high else None), (1 / rate.low if rate.low else None)
    return Quantity(1 / rate.value, "s", low, high, rate.interval)


def _energy(case: Case) -> Quantity:
    return case.quantity("energy_j_per_sample")
