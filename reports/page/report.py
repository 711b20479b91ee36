"""Runs -> the report as plain, frozen data: everything the page shows, and nothing about how. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import saih
from reports.analysis.cases import Case, make_cases
from reports.analysis.device_copies import find_everywhere
from reports.analysis.failures import reason
from reports.analysis.input_sources import find_groups
from reports.analysis.roofs import find_roofs
from reports.analysis.runs import Run
from reports.analysis.step_parts import find_steps
from reports.analysis.trend import find_trend
from reports.charts.input import LoadChart, SourceChart, load_charts, source_charts
from reports.charts.roofline import RoofChart, roof_charts
from reports.charts.scaling import scaling_charts
from reports.charts.step import BarChart, step_charts
from reports.charts.trend import Chart, trend_charts
from reports.findings.all import findings
from reports.findings.form import Finding
from reports.page.glossary import Entry, glossary
from reports.page.method import method
from reports.tables import ceilings, step_checks
from reports.tables import input as io_tables
from reports.tables import key_numbers as trend_figures
from reports.tables import points as tables
from reports.tables import setup as facts
from reports.tables import step as step_tables
from reports.tables import suspects as suspects_table
from reports.tables import trend as trend_tables
from reports.tables.device_copies import everywhere_tables
from reports.tables.fixed_sizes import fixed_sizes
from reports.tables.form import Table
from reports.tables.roofline import roofline
from reports.tables.scaling import scaling
from reports.tables.step_details import Detail, details
from reports.words.text import listed
from saih.records.record import STATUSES


@dataclass(frozen=True)
class Shown:
    """A finding as the page shows it; ``points`` are numbers of points."""

    kind: str
    headline: str
    evidence: str
    points: tuple[int, ...]


@dataclass(frozen=True)
class Failure:
    """A record without a result, with the end of its log."""

    point: int
    name: str
    status: str
    reason: str
    log_end: str


@dataclass(frozen=True)
class Report:
    """The page's content, in the page's order."""

    title: str
    summary: str
    statuses: tuple[tuple[str, int], ...]
    findings: tuple[Shown, ...]
    facts: Table
    data: Table | None
    charts: tuple[Chart, ...]
    growth: Table | None
    trend_figures: Table | None
    fixed_sizes: Table | None
    effects: Table | None
    scaling_charts: tuple[Chart, ...]
    scaling: Table | None
    everywhere: tuple[Table, ...]
    bars: tuple[BarChart, ...]
    steps: Table | None
    bounds: Table | None
    checks: Table | None
    details: tuple[Detail, ...]
    roof_charts: tuple[RoofChart, ...]
    roofline: Table | None
    source_charts: tuple[SourceChart, ...]
    load_charts: tuple[LoadChart, ...]
    inputs: Table | None
    file_systems: str
    points: Table
    suspects: Table | None
    resources: Table | None
    failures: tuple[Failure, ...]
    ceilings: Table | None
    method: tuple[tuple[str, str], ...]
    glossary: tuple[Entry, ...]
    configurations: tuple[tuple[str, str], ...]
    commands: tuple[str, ...]
    version: str


def build(runs: Sequence[Run]) -> Report:
    """Everything the page says about these runs."""
    cases = make_cases(runs)
    trend = find_trend(cases)
    steps = find_steps(cases)
    roofs = find_roofs(cases, trend)
    groups = find_groups(cases, trend.axes)
    statuses = [case.status for case in cases]
    return Report(
        title=listed((run.label for run in runs), 4),
        summary=facts.summary(runs, cases),
        statuses=tuple((status, statuses.count(status)) for status in STATUSES if status in statuses),
        findings=tuple(_shown(each) for each in findings(runs, cases, trend, groups)),
        facts=facts.facts(runs, cases),
        data=facts.data_sets(runs),
        charts=tuple(trend_charts(cases, trend)),
        growth=trend_tables.growth(trend),
        trend_figures=trend_figures.figures(trend),
        fixed_sizes=fixed_sizes(cases, trend),
        effects=trend_tables.effects(trend),
        scaling_charts=tuple(scaling_charts(trend)),
        scaling=scaling(trend.scalings, trend.axes),
        everywhere=tuple(everywhere_tables(find_everywhere(runs, cases))),
        bars=tuple(step_charts(steps, trend)),
        steps=step_tables.steps(steps, trend.axes),
        bounds=step_tables.bounds(cases, trend.axes),
        checks=step_checks.table(cases, trend.axes),
        details=tuple(details(trend)),
        roof_charts=tuple(roof_charts(roofs, trend)),
        roofline=roofline(roofs, trend.axes),
        source_charts=tuple(source_charts(groups)),
        load_charts=tuple(load_charts(groups)),
        inputs=io_tables.inputs(groups, trend.axes),
        file_systems=io_tables.where_data_lay(runs),
        points=tables.points(cases, trend.axes),
        suspects=suspects_table.table(cases, trend.axes),
        resources=tables.resources(cases, trend.axes),
        failures=tuple(failure for case in cases for failure in _failures(case, trend.where(case))),
        ceilings=ceilings.ceilings(runs, cases),
        method=tuple(method(runs, cases)),
        glossary=tuple(glossary(cases)),
        configurations=tuple((run.label, run.first.config_text) for run in runs),
        commands=tuple(_commands(runs)),
        version=saih.__version__,
    )


def _shown(finding: Finding) -> Shown:
    numbers = dict.fromkeys(case.number for case in finding.cases)
    return Shown(finding.kind, finding.headline, finding.evidence, tuple(sorted(numbers)))


def _failures(case: Case, name: str) -> list[Failure]:
    """The records of a case that have a log to show."""
    found = []
    for record in case.records:
        log_end = str((record.error or {}).get("log_end") or "")
        if record.status != "ok" and log_end:
            found.append(Failure(case.number, name, record.status, reason(record), log_end))
    return found


def _commands(runs: Sequence[Run]) -> list[str]:
    """What to type to measure the same again."""
    told = []
    for run in runs:
        git = run.first.system.get("git") or {}
        if git.get("commit"):
            changed = "  # this run had changes on top, not committed" if git.get("dirty") else ""
            told.append(f"git checkout {shlex.quote(str(git['commit']))}{changed}")
        file, new = shlex.quote(f"{run.label}.yaml"), shlex.quote(f"{run.label}-again")
        told += [
            f"saih plan {file}  # the configuration below, saved; shows points, memory and time to expect",
            f"saih sweep {file} --out {new}",
            f"saih report {new}",
        ]
    return list(dict.fromkeys(told))
