"""Findings about steadiness: no steady state, change during the soak, drift. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.analysis.cases import Case, numbers
from reports.analysis.steadiness import CHANCE, LEAST_PERCENT, of_case
from reports.analysis.suspects import SLOWER, by_cause
from reports.findings.form import Finding
from reports.words.text import count, percent, quantity, signed_percent
from saih.statistics.correlated import drift


def steady_findings(cases: Sequence[Case]) -> list[Finding]:
    """Return findings on points without a steady state, and on changes of the step time afterwards."""
    return [*_cold(cases), *_soaked(cases), *_drifting(cases)]


def _cold(cases: Sequence[Case]) -> list[Finding]:
    """Return a finding on points whose warm-up ended by its time limit.

    Older records do not hold the reason why the warm-up ended.
    """
    cold = [case for case in cases if any(record.samples.get("warmup_ended") == "limit" for record in case.ok)]
    if not cold:
        return []
    headline = f"No steady state was found at {count(len(cold), 'point')} before the measurement began"
    evidence = (
        f"At {numbers(cold)} steps still got faster, or were too few to tell, when the time for the warm-up ended."
    )
    return [Finding("caution", headline, evidence, tuple(cold))]


def _soaked(cases: Sequence[Case]) -> list[Finding]:
    """Return a finding on points whose step changed during the soak.

    A shorter measurement would have taken that change for a property of the machine.
    """
    soaks = [(case, soak) for case in cases for record in case.ok if (soak := record.samples.get("soak"))]
    moved = [(case, soak) for case, soak in soaks if _moved(soak)]
    if not moved:
        return []
    numbered = {case.number: case for case, _ in moved}
    points = tuple(numbered.values())
    case, most = max(moved, key=lambda one: abs(_change(one[1])))
    soaked = len({case.number for case, _ in soaks})
    headline = f"Steps changed during the soak at {len(points)} of {count(soaked, 'point')}"
    evidence = (
        f"At {numbers(points)}; most at #{case.number}: {signed_percent(_change(most))} from the first tenth of "
        f"{quantity(most['seconds'], 's')} to the last. What is measured came after it."
    )
    return [Finding("result", headline, evidence, points)]


def _change(soak: Mapping[str, Any]) -> float:
    return float(soak["last_step_s"] / soak["first_step_s"] - 1)


def _moved(soak: Mapping[str, Any]) -> bool:
    return drift(soak["step_s"])[1] < CHANCE and 100 * abs(_change(soak)) >= LEAST_PERCENT


def _drifting(cases: Sequence[Case]) -> list[Finding]:
    measured = [(case, replicates) for case in cases if (replicates := of_case(case))]
    moved = [(case, replicate) for case, replicates in measured for replicate in replicates if replicate.drifts]
    if not moved:
        return []
    drifting = list(dict.fromkeys(case.number for case, _ in moved))
    points = tuple(case for case, _ in measured if case.number in drifting)
    case, most = max(moved, key=lambda one: abs(one[1].drift_percent))
    headline = (
        f"Steps got faster or slower while they were measured at {len(points)} of {count(len(measured), 'point')}"
    )
    moves = signed_percent(most.drift_percent / 100)
    evidence = (
        f"At {numbers(points)}; most at #{case.number}: {moves} from the first block to the last. Blocks that only "
        f"scatter would move as clearly at fewer than {percent(CHANCE)} of points. The medians there mix "
        f"states. {_reasons(points)}"
    )
    return [Finding("caution", headline, evidence, points)]


def _reasons(cases: Sequence[Case]) -> str:
    """Return a sentence on the reasons in the records, which telemetry may have seen."""
    seen = [case for case in cases if set(by_cause(case)) - {SLOWER}]
    if seen:
        return f"Reasons were seen at {numbers(seen)}: see the suspect points."
    return "Others on the machine, clocks and temperature are the usual reasons; the records do not tell."
