"""What a case's records say of their step: the diagnosis and the profiled pass of its replicates. Pure.

Records of older versions have neither causes nor a profile, and a profile may be missing for a reason of its own: every
part here may be empty, and then the report says only what the differences told.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from reports.cases import Case
from saih.records import Record

PARTS = ("input", "copy", "communication", "straggler", "host", "compute", "memory", "cache", "kernels")
"""Shares of the step that a diagnosis tells, besides the rest."""
WORK = ("compute", "memory", "cache", "kernels")
"""Those that only a profiled pass can tell."""
UNDETERMINED = "undetermined"


def middle(case: Case) -> Record | None:
    """The replicate that speaks for the case: of those with a profile, the one of median step time (lower of two).

    One whose data contradict one another speaks only where all others do so, too.
    """
    sound = [record for record in case.ok if not against(record)] or list(case.ok)
    told = [record for record in sound if _profile(record)] or sound
    times = [(record.value("step_s") or 0.0, place) for place, record in enumerate(told)]
    return told[statistics.median_low(times)[1]] if told else None


def diagnosis(case: Case) -> Mapping[str, Any]:
    """The diagnosis of the middle replicate; of a point without a result, the first that there is."""
    record = middle(case) or next((record for record in case.records if record.diagnosis), None)
    return told_by(record) if record else {}


def told_by(record: Record) -> Mapping[str, Any]:
    """A record's diagnosis, that of method version 7 or before in today's words: its "launch" is the host's part."""
    found = dict(record.diagnosis or {})
    shares = found.get("shares") or {}
    if "launch" in shares:
        known = any(shares.get(part) is not None for part in WORK)
        found["shares"] = {_today(name): share for name, share in shares.items()} | {"cache": 0.0 if known else None}
    if found.get("causes"):
        words = ("cause", "verdict")
        found["causes"] = [
            cause | {key: _today(cause[key]) for key in words if key in cause} for cause in found["causes"]
        ]
    return found | ({"verdict": _today(found["verdict"])} if "verdict" in found else {})


def _today(words: str) -> str:
    return words.replace("launch-bound", "host-bound") if "-bound" in words else {"launch": "host"}.get(words, words)


def causes(case: Case) -> list[Mapping[str, Any]]:
    """What is named as bounding the case, the largest share first."""
    return list(diagnosis(case).get("causes") or [])


def roofline(case: Case) -> Mapping[str, Any]:
    """The middle replicate's roofline; empty where it has none."""
    return diagnosis(case).get("roofline") or {}


def profile(case: Case) -> Mapping[str, Any]:
    """The middle replicate's profiled pass; empty where there was none, or where it cannot be believed."""
    record = middle(case)
    return _profile(record) if record and not against(record) else {}


def against(record: Record) -> list[str]:
    """What in a record's data contradicts something else in it, in sentences."""
    return [str(sentence) for sentence in (record.diagnosis or {}).get("contradictions") or []]


def contradictory(case: Case) -> bool:
    """Whether all replicates of a measured case have data that contradict one another."""
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
    found = [told_by(record).get("shares") or {} for record in case.ok]
    found = [each for each in found if any(each.get(part) is not None for part in WORK)]
    if not found:
        return {}
    return {part: _mean([each.get(part) for each in found]) for part in (*PARTS, "rest")}


def interval(case: Case, part: str) -> tuple[float, float] | None:
    """A part's interval as shares of the step; None where a replicate has none.

    Of replicates its ends' means: they hold the mean of what each replicate's own interval holds.
    """
    found = [(told_by(record).get("intervals") or {}).get(part) for record in case.ok]
    if not found or not all(found):
        return None
    low, high = (statistics.fmean(each[end] for each in found if each) for end in (0, 1))
    return low, high


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if len(known) == len(values) else None


def _profile(record: Record) -> Mapping[str, Any]:
    found = record.samples.get("profile") or {}
    return found if found.get("classes") else {}
