"""Diagnoses of replicates -> one diagnosis of their case. Pure.

Shares are means over the replicates, so that they still add up to 1. A cause is named if at least half of the
replicates name it and its mean share is large enough; the mean includes the replicates that do not name the cause. The
time saved is a mean over the replicates that predict it. The kind of a cause is that of most replicates; evidence holds
the figures of the replicate nearest to the mean, and says so. `disagreement` shows if replicates differ.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from saih.diagnosis import NAMED_SHARE, UNDETERMINED
from saih.records.record import Record

ONE_OF = "One of {} processes:"
HELD_BY = {"input": ("input", "copy")}
"""Cause -> the parts that make up its share, unless it is the part of the same name."""

Diagnosis = Mapping[str, Any]
Named = tuple[Record, Mapping[str, Any]]
"""A replicate, and a cause that it names."""


def join(records: Sequence[Record], step_s: float) -> Diagnosis:
    """Return the joint diagnosis of diagnosed replicates; `step_s` is the step time of their case."""
    diagnoses = [record.diagnosis or {} for record in records]
    causes = _causes(records, step_s)
    shares = [entry.get("shares") or {} for entry in diagnoses]
    names = dict.fromkeys(name for entry in shares for name in entry)
    joined = {**diagnoses[0], "shares": {name: mean([entry.get(name) for entry in shares]) for name in names}}
    against = dict.fromkeys(sentence for entry in diagnoses for sentence in entry.get("contradictions") or [])
    if against:
        joined["contradictions"] = list(against)
    if not any("causes" in entry for entry in diagnoses):  # as records of method version 1
        return {**joined, "verdict": " / ".join(dict.fromkeys(str(entry.get("verdict")) for entry in diagnoses))}
    evidence = " ".join(str(cause["evidence"]) for cause in causes) or _nothing_named(diagnoses)
    return {**joined, "verdict": _verdict(causes), "evidence": evidence, "causes": causes}


def disagreement(records: Sequence[Record]) -> str:
    """Return the verdicts as "launch-bound (2), kernel-bound (1)"; empty if all name the same, in any order."""
    verdicts = [_names(record.diagnosis or {}) for record in records]
    counts = Counter(verdicts)
    if len(counts) < 2:
        return ""
    return ", ".join(f"{' and '.join(names) or UNDETERMINED} ({n})" for names, n in counts.most_common())


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean, or None if a value is unknown."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


def _names(diagnosis: Diagnosis) -> tuple[str, ...]:
    if "causes" not in diagnosis:
        return (str(diagnosis.get("verdict") or UNDETERMINED),)
    return tuple(sorted(str(cause["verdict"]) for cause in diagnosis["causes"] or []))


def _verdict(causes: Sequence[Mapping[str, Any]]) -> str:
    return " and ".join(str(cause["verdict"]) for cause in causes) or UNDETERMINED


def _causes(records: Sequence[Record], step_s: float) -> list[dict[str, Any]]:
    """Return the causes named over all replicates, the largest share first and those without a share last."""
    naming: dict[str, list[Named]] = {}
    for record in records:
        for cause in (record.diagnosis or {}).get("causes") or []:
            naming.setdefault(str(cause["cause"]), []).append((record, cause))
    causes = [_cause(name, group, records, step_s) for name, group in naming.items() if 2 * len(group) >= len(records)]
    named = [cause for cause in causes if cause.get("share") is None or cause["share"] >= NAMED_SHARE]
    return sorted(named, key=lambda cause: -(cause.get("share") or 0.0))


def _cause(name: str, group: Sequence[Named], records: Sequence[Record], step_s: float) -> dict[str, Any]:
    """Return a cause that some replicates name, in the words of the replicate nearest to their mean."""
    own = {record.id: cause.get("share") for record, cause in group}
    shares = [own.get(record.id, _part(record, name)) for record in records]
    known = [share for share in shares if share is not None]
    if not known:
        return dict(group[0][1])
    middle = statistics.fmean(known)
    verdict, times = Counter(str(cause["verdict"]) for _, cause in group).most_common(1)[0]
    agreed = 2 * times > len(group)
    alike = [cause for _, cause in group if cause["verdict"] == verdict or not agreed]
    nearest = min(alike, key=lambda cause: abs(float(cause.get("share") or 0.0) - middle))
    joined = {**nearest, **_range(group), "share": middle, **_saved(group, step_s)}
    if nearest.get("evidence"):
        joined["evidence"] = f"{ONE_OF.format(len(records))} {nearest['evidence']}"
    if not agreed:  # on the kind: neither a kind nor advice against it is given
        joined |= {"kind": None, "verdict": verdict.partition(" (")[0], "help": ""}
    return joined


def _part(record: Record, name: str) -> float | None:
    """Return a cause's share of the step in a replicate that does not name it."""
    shares = (record.diagnosis or {}).get("shares") or {}
    known = [shares[part] for part in HELD_BY.get(name, (name,)) if shares.get(part) is not None]
    return float(sum(known)) if known else None


def _range(group: Sequence[Named]) -> dict[str, Any]:
    """Return the ends of intervals: the lowest and the highest over all replicates that name the cause."""
    ends = {}
    for key in group[0][1]:
        values = [cause[key] for _, cause in group if isinstance(cause.get(key), int | float)]
        if values and "low" in key.split("_"):
            ends[key] = min(values)
        elif values and "high" in key.split("_"):
            ends[key] = max(values)
    return ends


def _saved(group: Sequence[Named], step_s: float) -> dict[str, float | None]:
    """Return the time of the case's step that removing the cause saves, and the gain."""
    shares = [
        float(cause["saved_s"]) / step
        for record, cause in group
        if cause.get("saved_s") is not None and (step := record.value("step_s"))
    ]
    if not shares:
        return {"saved_s": None, "gain": None}
    share = statistics.fmean(shares)
    return {"saved_s": share * step_s, "gain": 1 / (1 - share) if share < 1 else None}


def _nothing_named(told: Sequence[Diagnosis]) -> str:
    evidence = next((str(each["evidence"]) for each in told if not each.get("causes") and each.get("evidence")), "")
    return f"{ONE_OF.format(len(told))} {evidence}" if evidence else ""
