"""What a case's records say of their step: the diagnosis and the profiled pass of its replicates. Pure.

Records of older versions have neither causes nor a profile, and a profile may be missing for a reason of its own: every
part here may be empty, and then the report says only what the differences told.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from reports.analysis import joined_diagnosis
from reports.analysis.cases import Case
from saih.records.record import Record

PARTS = ("input", "copy", "communication", "straggler", "host", "compute", "memory", "cache", "kernels")
"""Shares of the step that a diagnosis tells, besides the rest."""
WORK = ("compute", "memory", "cache", "kernels")
"""Those that only a profiled pass can tell."""


def middle(case: Case) -> Record | None:
    """The replicate that speaks for the case: of those with a profile, the one of median step time (lower of two).

    One whose data contradict one another speaks only where all others do so, too.
    """
    sound = [record for record in case.ok if not against(record)] or list(case.ok)
    told = [record for record in sound if _profile(record)] or sound
    times = [(record.value("step_s") or 0.0, place) for place, record in enumerate(told)]
    return told[statistics.median_low(times)[1]] if told else None


def diagnosis(case: Case) -> Mapping[str, Any]:
    """What bounds the case: findings, charts and tables take it from here.

    Of one record, its own diagnosis; of several replicates, theirs joined. Of a point without a result, the first that
    there is.
    """
    told = [record for record in case.ok if record.diagnosis]
    if len(told) > 1:
        return joined_diagnosis.join(told, case.value("step_s") or 0.0)
    record = next(iter(told), None) or next((record for record in case.records if record.diagnosis), None)
    return (record.diagnosis or {}) if record else {}


def differ(case: Case) -> str:
    """The verdicts of replicates that do not agree, with how many have each; empty where they do."""
    return joined_diagnosis.disagreement([record for record in case.ok if record.diagnosis])


def causes(case: Case) -> list[Mapping[str, Any]]:
    """What is named as bounding the case, the largest share first."""
    return list(diagnosis(case).get("causes") or [])


def roofline(case: Case) -> Mapping[str, Any]:
    """The middle replicate's roofline, the point at the rate of all of them; empty where it has none."""
    record = middle(case)
    found = ((record.diagnosis or {}) if record else {}).get("roofline") or {}
    point, step_s = found.get("point") or {}, case.value("step_s")
    if len(case.ok) < 2 or not point.get("flop") or not step_s:
        return found
    return {**found, "point": {**point, "flop_per_s": point["flop"] / step_s}}


def profile(case: Case) -> Mapping[str, Any]:
    """The middle replicate's profiled pass; empty where there was none, or where it cannot be believed."""
    record = middle(case)
    return _profile(record) if record and not against(record) else {}


def against(record: Record) -> list[str]:
    """What in a record's data contradicts something else in it, in sentences."""
    return [str(sentence) for sentence in (record.diagnosis or {}).get("contradictions") or []]


def contradictory(case: Case) -> bool:
    """True if all replicates of a measured case have data that contradict one another."""
    record = middle(case)
    return record is not None and bool(against(record))


def checks(case: Case) -> list[Mapping[str, Any]]:
    """What other instruments said of the middle replicate's step."""
    record = middle(case)
    return list((record.diagnosis or {}).get("checks") or []) if record else []


def no_profile(case: Case) -> str:
    """Why a measured case has no profile, or empty where it has one."""
    record = middle(case)
    if record is None or _profile(record):
        return ""
    why = (record.samples.get("profile") or {}).get("why") or {}
    return str(why.get("profile") or "not recorded")


def shares(case: Case) -> dict[str, float | None]:
    """Parts of the step as means over the replicates, which add up to 1 with "rest"; None where one does not know.

    Empty where no replicate tells what computing is spent on.
    """
    found = [(record.diagnosis or {}).get("shares") or {} for record in case.ok]
    found = [each for each in found if any(each.get(part) is not None for part in WORK)]
    if not found:
        return {}
    return {part: joined_diagnosis.mean([each.get(part) for each in found]) for part in (*PARTS, "rest")}


def interval(case: Case, part: str) -> tuple[float, float] | None:
    """A part's interval as shares of the step; None where a replicate has none.

    Of replicates its ends' means: they hold the mean of what each replicate's own interval holds.
    """
    found = [((record.diagnosis or {}).get("intervals") or {}).get(part) for record in case.ok]
    if not found or not all(found):
        return None
    low, high = (statistics.fmean(each[end] for each in found if each) for end in (0, 1))
    return low, high


def _profile(record: Record) -> Mapping[str, Any]:
    found = record.samples.get("profile") or {}
    return found if found.get("classes") else {}


def verdict(case: Case) -> str:
    """What bounds a case, over its replicates."""
    return str(diagnosis(case).get("verdict") or "no diagnosis")
