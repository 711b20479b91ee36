"""How steady a point's blocks were: their spread, outliers and drift, from the raw times. Pure.

A point is said to drift where order in time would be as clear by chance in fewer than 1 of 100 points that only
scatter, and the change is a percent or more. Nothing is left out because of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.analysis.cases import Case, numbers
from reports.findings.form import Finding
from reports.findings.suspects import SLOWER, by_cause
from reports.tables.form import Cell, Notes
from reports.words.text import count, number, percent, quantity, signed_percent
from saih.records.record import Record
from saih.statistics.correlated import drift
from saih.statistics.intervals import outliers, spread_percent

CHANCE = 0.01
LEAST_PERCENT = 1.0
"""A drift smaller than this matters to nobody, however clear it is."""


@dataclass(frozen=True)
class Steadiness:
    """Of one replicate's blocks: quartile distance in % of the median, outliers, worst / median, change and its p."""

    blocks: int
    spread_percent: float
    outliers: int
    worst_ratio: float | None
    drift_percent: float
    chance: float

    @property
    def drifts(self) -> bool:
        """Whether the blocks got faster or slower, clearly and by enough to matter."""
        return self.chance < CHANCE and abs(self.drift_percent) >= LEAST_PERCENT


def steadiness(record: Record) -> Steadiness | None:
    """From the slowest rank's times of the full blocks; None where they are not recorded."""
    blocks = (record.samples.get("block_s") or {}).get("full") or []
    times = [max(ranks) for ranks in blocks if ranks]
    if len(times) < 2 or min(times) <= 0:
        return None
    far, (change, chance) = outliers(times), drift(times)
    middle = sorted(times)[len(times) // 2]
    worst = far.worst / middle if far.worst else None
    return Steadiness(len(times), spread_percent(times), far.count, worst, change, chance)


def of_case(case: Case) -> list[Steadiness]:
    """Of each measured replicate."""
    return [found for record in case.ok if (found := steadiness(record)) is not None]


def cells(case: Case, notes: Notes) -> tuple[Cell, Cell]:
    """Spread with outliers, and drift; of several replicates, the one where it is largest."""
    found = of_case(case)
    if not found:
        missing = notes.missing("no blocks to compare are recorded")
        return missing, missing
    wide = max(found, key=lambda each: each.spread_percent)
    moved = min(found, key=lambda each: each.chance)
    far, blocks = sum(each.outliers for each in found), sum(each.blocks for each in found)
    worst = max((each.worst_ratio for each in found if each.worst_ratio), default=None, key=lambda x: abs(x - 1))
    told = f"{count(far, 'outlier')} of {blocks}" + (f", to x {number(worst)}" if worst else "")
    clear = "clear" if moved.drifts else "as by chance" if moved.chance >= CHANCE else "small"
    return (
        Cell(quantity(wide.spread_percent, "%"), told),
        Cell(signed_percent(round(moved.drift_percent, 1) / 100 + 0.0), clear),  # no minus before 0.0
    )


def steady_findings(cases: Sequence[Case]) -> list[Finding]:
    """Was a steady state found, and did times move afterwards?"""
    return [*_cold(cases), *_soaked(cases), *_drifting(cases)]


def _cold(cases: Sequence[Case]) -> list[Finding]:
    """Where the warm-up ended by its limit of time. Older records do not say what ended it."""
    cold = [case for case in cases if any(record.samples.get("warmup_ended") == "limit" for record in case.ok)]
    if not cold:
        return []
    headline = f"No steady state was found at {count(len(cold), 'point')} before the measurement began"
    told = f"At {numbers(cold)} steps still got faster, or were too few to tell, when the time for the warm-up ended."
    return [Finding("caution", headline, told, tuple(cold))]


def _soaked(cases: Sequence[Case]) -> list[Finding]:
    """Where the step changed during the soak: what shorter measurements would have mistaken for the machine."""
    soaks = [(case, soak) for case in cases for record in case.ok if (soak := record.samples.get("soak"))]
    moved = [(case, soak) for case, soak in soaks if _moved(soak)]
    if not moved:
        return []
    numbered = {case.number: case for case, _ in moved}
    points = tuple(numbered.values())
    case, most = max(moved, key=lambda one: abs(_change(one[1])))
    soaked = len({case.number for case, _ in soaks})
    headline = f"Steps changed during the soak at {len(points)} of {count(soaked, 'point')}"
    told = (
        f"At {numbers(points)}; most at #{case.number}: {signed_percent(_change(most))} from the first tenth of "
        f"{quantity(most['seconds'], 's')} to the last. What is measured came after it."
    )
    return [Finding("result", headline, told, points)]


def _change(soak: Mapping[str, Any]) -> float:
    return float(soak["last_step_s"] / soak["first_step_s"] - 1)


def _moved(soak: Mapping[str, Any]) -> bool:
    return drift(soak["step_s"])[1] < CHANCE and 100 * abs(_change(soak)) >= LEAST_PERCENT


def _drifting(cases: Sequence[Case]) -> list[Finding]:
    measured = [(case, found) for case in cases if (found := of_case(case))]
    moved = [(case, each) for case, found in measured for each in found if each.drifts]
    if not moved:
        return []
    drifting = list(dict.fromkeys(case.number for case, _ in moved))
    points = tuple(case for case, _ in measured if case.number in drifting)
    case, most = max(moved, key=lambda one: abs(one[1].drift_percent))
    headline = (
        f"Steps got faster or slower while they were measured at {len(points)} of {count(len(measured), 'point')}"
    )
    moves = signed_percent(most.drift_percent / 100)
    told = (
        f"At {numbers(points)}; most at #{case.number}: {moves} from the first block to the last. Blocks that only "
        f"scatter would move as clearly at fewer than {percent(CHANCE)} of points. The medians there mix "
        f"states. {_reasons(points)}"
    )
    return [Finding("caution", headline, told, points)]


def _reasons(cases: Sequence[Case]) -> str:
    """What the records know of the reason: telemetry may have seen one."""
    seen = [case for case in cases if set(by_cause(case)) - {SLOWER}]
    if seen:
        return f"Reasons were seen at {numbers(seen)}: see the suspect points."
    return "Others on the machine, clocks and temperature are the usual reasons; the records do not tell."
