"""The measured ceilings behind the shares, which decide if points can be compared by their shares. Pure.

A ceiling is measured for each number of ranks, precision and run. Two shares show which point is faster only if they
are of one ceiling. If the ceilings of points in one precision differ by more than their intervals, points are compared
by FLOP/s a device, and each share stands for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reports.analysis.cases import Case
from saih.records.record import Record

SHARE = "percent_of_measured_peak"
RATE = "flop_per_s_per_device"
SAME = 0.02
"""Relative half-width for ceilings without an interval (method versions up to 7): their repeats differed by it."""


@dataclass(frozen=True)
class Ceiling:
    """A ceiling in FLOP/s of a device, with its interval and the reasons why it is suspect.

    Without a `known` interval the ends are `SAME` either way.
    """

    flop_per_s: float
    low: float
    high: float
    known: bool
    suspect: tuple[str, ...]


def ceilings(cases: Sequence[Case]) -> list[Ceiling]:
    """Return the ceilings behind the shares of the measured replicates of `cases`."""
    return [ceiling for case in cases for record in case.ok if (ceiling := _of_record(record)) is not None]


def _of_record(record: Record) -> Ceiling | None:
    """Return the ceiling from the metric or, in records without it, from rate and share."""
    kept: dict[str, Any] = record.metrics.get(SHARE, {}).get("ceiling") or {}
    share, rate = record.value(SHARE), record.value(RATE)
    value = kept.get("flop_per_s") or (100 * rate / share if share and rate else None)
    if not share or value is None:
        return None
    low, high, suspect = kept.get("low"), kept.get("high"), tuple(kept.get("suspect") or ())
    if low is None or high is None:
        return Ceiling(value, value * (1 - SAME), value * (1 + SAME), False, suspect)
    return Ceiling(value, low, high, True, suspect)


def differ(cases: Sequence[Case]) -> bool:
    """True if ceilings of points in one precision differ by more than their intervals."""
    return any(
        max(ceiling.low for ceiling in group) > min(ceiling.high for ceiling in group)
        for group in _by_precision(cases)
        if group
    )


def _by_precision(cases: Sequence[Case]) -> Iterator[list[Ceiling]]:
    for precision in dict.fromkeys(case.keys.get("precision") for case in cases):
        yield ceilings([case for case in cases if case.keys.get("precision") == precision])


def beyond(case: Case) -> bool:
    """True if a point exceeds its measured ceiling by more than the share's interval."""
    share = case.quantity(SHARE)
    least = share.value if share.low is None else share.low
    return least is not None and least > 100


def suspicions(cases: Sequence[Case]) -> list[str]:
    """Return the reasons why the ceilings of these points are suspect, each once."""
    return list(dict.fromkeys(words for ceiling in ceilings(cases) for words in ceiling.suspect))
