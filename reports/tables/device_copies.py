"""The table of every device or node at once; of very many, only the outliers and the extremes have a row. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.device_copies import At, Copy, Everywhere
from reports.tables.form import Cell, Head, Table, words
from reports.words.text import count

MOST_ROWS = 24
MOST_ODD = 16
EXTREMES = 3
MOST_POINTS = 6
"""Most columns of points for which there is room."""


def everywhere_tables(found: Sequence[Everywhere]) -> list[Table]:
    """Return a table for each run."""
    return [_table(copies, i, len(found) > 1) for i, copies in enumerate(found)]


def _table(found: Everywhere, number: int, several: bool) -> Table:
    one, many = found.noun
    shown = found.cases if len(found.cases) <= MOST_POINTS else ()
    head = (
        Head(one, number=False),
        *(Head(f"#{case.number}", "% of median") for case in shown),
        Head("median", "over points"),
        Head("lowest", "at"),
        Head("highest", "at"),
        Head("odd", "points"),
    )
    rows = tuple(_row(copies, shown, many) for copies in _folded(found))
    run = f"{found.run}: " if several else ""
    title = f"{run}Every {one} at once: throughput in percent of the median of all {len(found.copies):,}"
    return Table(f"everywhere-{number + 1}" if number else "everywhere", title, head, rows)


def _folded(found: Everywhere) -> list[tuple[Copy, ...]]:
    """Return the rows as the copies that they hold: one copy, or many that are folded into one row."""
    if len(found.copies) <= MOST_ROWS:
        return [(copy,) for copy in found.copies]
    odd, rest = found.odd, found.rest
    rows: list[tuple[Copy, ...]] = [(copy,) for copy in odd[:MOST_ODD]]
    rows += [odd[MOST_ODD:]] if odd[MOST_ODD:] else []
    if len(rest) <= 2 * EXTREMES + 1:
        return [*rows, *((copy,) for copy in rest)]
    slow, fast = rest[:EXTREMES], rest[-EXTREMES:]
    return [*rows, *((copy,) for copy in slow), rest[EXTREMES:-EXTREMES], *((copy,) for copy in fast)]


def _row(copies: tuple[Copy, ...], shown: Sequence[object], many: str) -> tuple[Cell, ...]:
    if len(copies) > 1:
        return _fold(copies, shown, many)
    (copy,) = copies
    at_points = {id(at.case): at for at in copy.points}
    low, high = min(copy.points, key=_percent), max(copy.points, key=_percent)
    return (
        words(copy.host, copy.device),
        *(_at(at_points.get(id(case))) for case in shown),
        Cell(_show(copy.percent)),
        Cell(_show(low.percent), f"#{low.case.number}"),
        Cell(_show(high.percent), f"#{high.case.number}"),
        Cell(f"{len(copy.odd)} of {len(copy.points)}", _replicates(copy)),
    )


def _fold(copies: tuple[Copy, ...], shown: Sequence[object], many: str) -> tuple[Cell, ...]:
    """Return a row of many copies with their ranges."""
    every = [at for copy in copies for at in copy.points]
    of_points = [[at.percent for at in every if at.case is case] for case in shown]
    kind = "more odd ones" if copies[0].odd else "more between these"
    low, high = min(every, key=_percent), max(every, key=_percent)
    return (
        words(f"{len(copies):,} {many}", kind),
        *(_ends(percents) for percents in of_points),
        _ends([copy.percent for copy in copies]),
        Cell(_show(low.percent), f"#{low.case.number}"),
        Cell(_show(high.percent), f"#{high.case.number}"),
        Cell("some" if copies[0].odd else "none"),
    )


def _at(at: At | None) -> Cell:
    """Return the cell of a copy at a point, or a dash if the copy took no part."""
    return Cell(_show(at.percent), "odd" if at.odd else "") if at else Cell("\u2013", "took no part")


def _replicates(copy: Copy) -> str:
    """Return the number of replicates in which the copy is an outlier; empty without several replicates."""
    odd, of = sum(at.odd for at in copy.points), sum(at.replicates for at in copy.points)
    return f"{odd} of {count(of, 'replicate')}" if odd and of > len(copy.points) else ""


def _percent(at: At) -> float:
    return at.percent


def _ends(percents: Sequence[float]) -> Cell:
    return Cell(" to ".join(dict.fromkeys(map(_show, (min(percents), max(percents)))))) if percents else Cell("\u2013")


def _show(percent: float) -> str:
    return f"{percent:.1f}\u00a0%"
