"""How steady a point's blocks were: their spread, outliers and drift, from the raw times. Pure.

A point is said to drift where order in time would be as clear by chance in fewer than 1 of 100 points that only
scatter, and the change is a percent or more. Nothing is left out because of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from reports.analysis.cases import Case
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
        """True if the blocks got faster or slower, clearly and by enough to matter."""
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
