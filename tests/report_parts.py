"""Parts of a report by kind, for tests."""

from reports.charts.step import BarChart
from reports.page.report import Report
from reports.sections.form import Definitions, Details, Findings, ShownFinding


def findings(report: Report) -> tuple[ShownFinding, ...]:
    (part,) = [part for part in report.parts() if isinstance(part, Findings)]
    return part.findings


def details(report: Report):
    return [detail for part in report.parts() if isinstance(part, Details) for detail in part.details]


def definitions(report: Report) -> dict[str, str]:
    return dict(entry for part in report.parts() if isinstance(part, Definitions) for entry in part.entries)


def bars(report: Report) -> list[BarChart]:
    return [chart for chart in report.charts() if isinstance(chart, BarChart)]
