"""The diagnosis and the profiled pass of a case's replicates. Pure.

Records of older versions have neither causes nor a profile, and a profile may be missing for other reasons. Every part
here may be empty; the report then shows only the results of the differential passes.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from reports.analysis import joined_diagnosis
from reports.analysis.cases import Case
from saih.records.record import Record

PARTS = ("input", "copy", "communication", "straggler", "host", "compute", "memory", "cache", "kernels")
"""Shares of the step that a diagnosis holds, besides the rest."""
WORK = ("compute", "memory", "cache", "kernels")
"""Parts that only a profiled pass can separate."""


def middle(case: Case) -> Record | None:
    """Return the replicate that represents the case.

    Of the replicates with a profile it is the one of median step time (the lower of two). A replicate with
    contradictory data represents the case only if the data of all others are contradictory, too.
    """
    sound = [record for record in case.ok if not against(record)] or list(case.ok)
    candidates = [record for record in sound if _profile(record)] or sound
    times = [(record.value("step_s") or 0.0, place) for place, record in enumerate(candidates)]
    return candidates[statistics.median_low(times)[1]] if candidates else None


def diagnosis(case: Case) -> Mapping[str, Any]:
    """Return the diagnosis of the case, which findings, charts and tables share.

    One record has its own diagnosis; those of several replicates are joined. A point without a result has the first
    diagnosis in its records.
    """
    diagnosed = [record for record in case.ok if record.diagnosis]
    if len(diagnosed) > 1:
        return joined_diagnosis.join(diagnosed, case.value("step_s") or 0.0)
    record = next(iter(diagnosed), None) or next((record for record in case.records if record.diagnosis), None)
    return (record.diagnosis or {}) if record else {}


def differ(case: Case) -> str:
    """Return the verdicts of replicates that disagree, with the count of each; empty if all agree."""
    return joined_diagnosis.disagreement([record for record in case.ok if record.diagnosis])


def causes(case: Case) -> list[Mapping[str, Any]]:
    """Return the causes named for the case, the largest share first."""
    return list(diagnosis(case).get("causes") or [])


def roofline(case: Case) -> Mapping[str, Any]:
    """Return the middle replicate's roofline, with the point at the rate of all replicates; empty if there is none."""
    record = middle(case)
    recorded = ((record.diagnosis or {}) if record else {}).get("roofline") or {}
    point, step_s = recorded.get("point") or {}, case.value("step_s")
    if len(case.ok) < 2 or not point.get("flop") or not step_s:
        return recorded
    return {**recorded, "point": {**point, "flop_per_s": point["flop"] / step_s}}


def profile(case: Case) -> Mapping[str, Any]:
    """Return the middle replicate's profiled pass; empty if it is missing or contradicts other data."""
    record = middle(case)
    return _profile(record) if record and not against(record) else {}


def against(record: Record) -> list[str]:
    """Return the contradictions within a record's data, in sentences."""
    return [str(sentence) for sentence in (record.diagnosis or {}).get("contradictions") or []]


def contradictory(case: Case) -> bool:
    """True if all replicates of a measured case have contradictory data."""
    record = middle(case)
    return record is not None and bool(against(record))


def checks(case: Case) -> list[Mapping[str, Any]]:
    """Return the checks of the middle replicate's step by other instruments."""
    record = middle(case)
    return list((record.diagnosis or {}).get("checks") or []) if record else []


def no_profile(case: Case) -> str:
    """Return the reason why a measured case has no profile; empty if it has one."""
    record = middle(case)
    if record is None or _profile(record):
        return ""
    why = (record.samples.get("profile") or {}).get("why") or {}
    return str(why.get("profile") or "not recorded")


def shares(case: Case) -> dict[str, float | None]:
    """Return the parts of the step as means over the replicates; None for a part that a replicate does not know.

    The shares add up to 1 with "rest". The result is empty if no replicate divides the time of computing.
    """
    known = [(record.diagnosis or {}).get("shares") or {} for record in case.ok]
    known = [entry for entry in known if any(entry.get(part) is not None for part in WORK)]
    if not known:
        return {}
    return {part: joined_diagnosis.mean([entry.get(part) for entry in known]) for part in (*PARTS, "rest")}


def interval(case: Case, part: str) -> tuple[float, float] | None:
    """Return a part's interval as shares of the step; None if a replicate has none.

    The ends are means of the replicates' ends. If each replicate's interval holds its true share, this interval holds
    the mean of the true shares.
    """
    intervals = [((record.diagnosis or {}).get("intervals") or {}).get(part) for record in case.ok]
    if not intervals or not all(intervals):
        return None
    low, high = (statistics.fmean(ends[end] for ends in intervals if ends) for end in (0, 1))
    return low, high


def _profile(record: Record) -> Mapping[str, Any]:
    recorded = record.samples.get("profile") or {}
    return recorded if recorded.get("classes") else {}


def verdict(case: Case) -> str:
    """Return the verdict of a case over its replicates."""
    return str(diagnosis(case).get("verdict") or "no diagnosis")
