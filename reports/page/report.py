"""Runs -> the report as plain, frozen data: everything that the page shows, without its form. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import saih
from reports.analysis.overview import analyse
from reports.analysis.runs import Run
from reports.sections import SECTIONS
from reports.sections.form import Chart, Part, Section
from reports.tables import setup
from reports.tables.form import Table
from reports.words.text import listed
from saih.records.record import STATUSES


@dataclass(frozen=True)
class Report:
    """The page's content, in the page's order; `statuses` counts the points by status."""

    title: str
    summary: str
    statuses: tuple[tuple[str, int], ...]
    sections: tuple[Section, ...]
    version: str

    def parts(self) -> Iterator[Part]:
        """Yield the parts of all sections."""
        for section in self.sections:
            yield from section.parts

    def charts(self) -> list[Chart]:
        """Return all charts, in order."""
        return [part for part in self.parts() if isinstance(part, Chart)]

    def table(self, name: str) -> Table | None:
        """Return the table of this name; None if the report has none."""
        return next((part for part in self.parts() if isinstance(part, Table) and part.name == name), None)


def build(runs: Sequence[Run]) -> Report:
    """Return the content of the page for these runs."""
    overview = analyse(runs)
    statuses = [case.status for case in overview.cases]
    made = (make(overview) for make in SECTIONS)
    return Report(
        title=listed((run.label for run in runs), 4),
        summary=setup.summary(runs, overview.cases),
        statuses=tuple((status, statuses.count(status)) for status in STATUSES if status in statuses),
        sections=tuple(section for section in made if section),
        version=saih.__version__,
    )
