"""A table as plain data: cells with an optional second line, and a footnote for every missing value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reports.analysis.axes import Axis
from reports.analysis.cases import Case, Quantity
from reports.words.text import DASH, interval, quantity


@dataclass(frozen=True)
class Cell:
    """A table cell; `detail` is a second, smaller line, and `note` the mark of a footnote."""

    text: str
    detail: str = ""
    note: str = ""
    number: bool = True
    status: str = ""
    anchor: str = ""
    span: int = 1


@dataclass(frozen=True)
class Head:
    """The head of a column: its title and a second line (unit, direction); `number` is True above numbers."""

    text: str
    detail: str = ""
    number: bool = True


@dataclass(frozen=True)
class Table:
    """A table: columns, rows and the footnotes (mark, text)."""

    name: str
    title: str
    head: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[tuple[str, str], ...] = ()


@dataclass
class Notes:
    """The footnotes of a table in the making, with one mark for each reason."""

    marks: dict[str, str] = field(default_factory=dict)

    def mark(self, reason: str) -> str:
        """Return the mark of this reason: a, b, ..., z, aa, ab, ..."""
        if reason not in self.marks:
            self.marks[reason] = _letters(len(self.marks))
        return self.marks[reason]

    def missing(self, why: str) -> Cell:
        """Return a dash with the reason for it."""
        return Cell(DASH, note=self.mark(why or "no reason recorded"))

    def cell(self, found: Quantity) -> Cell:
        """Return a quantity with its interval on the second line, or a dash with the reason."""
        if found.value is None:
            return self.missing(found.why)
        return Cell(quantity(found.value, found.unit), interval(found.value, found.low, found.high, found.unit))

    def listed(self) -> tuple[tuple[str, str], ...]:
        """Return all footnotes in order: (mark, reason)."""
        return tuple((mark, reason) for reason, mark in self.marks.items())


def _letters(place: int) -> str:
    letters = ""
    place += 1
    while place:
        place, digit = divmod(place - 1, 26)
        letters = chr(ord("a") + digit) + letters
    return letters


def words(text: str, detail: str = "", status: str = "") -> Cell:
    """Return a cell of words, not numbers."""
    return Cell(text, detail, number=False, status=status)


def case_head(axes: Sequence[Axis]) -> tuple[Head, ...]:
    """Return the columns that identify the point of a row."""
    return (Head("point"), *(Head(axis.name, number=_numeric(axis)) for axis in axes))


def case_cells(case: Case, axes: Sequence[Axis], anchor: bool = False) -> tuple[Cell, ...]:
    """Return the cells of `case_head`; `anchor` makes this row the target of references."""
    name = f"point-{case.number}" if anchor else ""
    return (
        Cell(f"#{case.number}", anchor=name),
        *(Cell(axis.show(axis.of(case)), number=_numeric(axis)) for axis in axes),
    )


def _numeric(axis: Axis) -> bool:
    return all(isinstance(part, int | float) for value in axis.values for part in value)
