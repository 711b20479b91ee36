"""The input of all sections of the report: the runs, their cases, and the results of comparing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.analysis.cases import Case, make_cases
from reports.analysis.input_sources import Group, find_groups
from reports.analysis.roofs import Roof, find_roofs
from reports.analysis.runs import Run
from reports.analysis.step_parts import Step, find_steps
from reports.analysis.trend import Trend, find_trend


@dataclass(frozen=True)
class Overview:
    """The analysis of some runs; `input_groups` hold cases that differ only in their input."""

    runs: tuple[Run, ...]
    cases: tuple[Case, ...]
    trend: Trend
    steps: tuple[Step, ...]
    roofs: tuple[Roof, ...]
    input_groups: tuple[Group, ...]


def analyse(runs: Sequence[Run]) -> Overview:
    """Analyse runs once, for all sections."""
    cases = make_cases(runs)
    trend = find_trend(cases)
    steps, roofs = find_steps(cases), find_roofs(cases, trend)
    return Overview(tuple(runs), tuple(cases), trend, tuple(steps), tuple(roofs), tuple(find_groups(cases, trend.axes)))
