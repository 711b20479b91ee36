"""A section of the report, and the kinds of parts that it is made of.

Each kind of part has a template of its own in page/templates/parts/, named after the kind's class. A table and the
charts are parts by themselves (tables/form.py, charts/).
"""

from __future__ import annotations

from dataclasses import dataclass

from reports.charts.input import LoadChart, SourceChart
from reports.charts.roofline import RoofChart
from reports.charts.step import BarChart
from reports.charts.trend import Chart as TrendChart
from reports.tables.form import Table
from reports.tables.step_details import Detail

Chart = TrendChart | BarChart | RoofChart | SourceChart | LoadChart


@dataclass(frozen=True)
class Text:
    """A paragraph, in small print if it is a `hint`; it ends with the `link` (anchor, words)."""

    text: str
    hint: bool = False
    link: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str


@dataclass(frozen=True)
class Facts:
    """A table of facts, shown as a list if there is only one run."""

    table: Table


@dataclass(frozen=True)
class ShownFinding:
    """A finding in the form of the page; `points` are numbers of points."""

    kind: str
    headline: str
    evidence: str
    points: tuple[int, ...]


@dataclass(frozen=True)
class Findings:
    """Numbered findings, the most important first."""

    findings: tuple[ShownFinding, ...]


@dataclass(frozen=True)
class Details:
    """Tables that a click opens, point by point."""

    details: tuple[Detail, ...]


@dataclass(frozen=True)
class Failure:
    """A record without a result, with the end of its log."""

    point: int
    name: str
    status: str
    reason: str
    log_end: str


@dataclass(frozen=True)
class Logs:
    """Ends of logs that a click opens."""

    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Definitions:
    """Titles and their meanings."""

    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Entry:
    """A metric in the glossary; `methods` and `missing` quote the records."""

    name: str
    label: str
    unit: str
    better: str
    meaning: str
    methods: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class MetricGlossary:
    """The glossary's table."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Verbatim:
    """Literal text, such as a file; `commands` are there to be typed."""

    text: str
    commands: bool = False


Part = Text | Heading | Table | Chart | Facts | Findings | Details | Logs | Definitions | MetricGlossary | Verbatim


@dataclass(frozen=True)
class Section:
    """A section of the page: its anchor, its title, its title in the list of contents, and its parts in order."""

    anchor: str
    title: str
    contents: str
    parts: tuple[Part, ...]


def present(*parts: Part | None) -> tuple[Part, ...]:
    """Return the parts that are not None."""
    return tuple(part for part in parts if part is not None)
