"""The steadiness of a point's blocks: spread, outliers and drift of the raw times. Pure.

A point drifts if such an order in time would occur by chance in fewer than 1 of 100 points that only scatter, and the
change is a percent or more. No block is left out because of drift.
"""

from __future__ import annotations

from dataclasses import dataclass

from reports.analysis.cases import Case
from saih.records.record import Record
from saih.statistics.correlated import drift
from saih.statistics.intervals import outliers, spread_percent

CHANCE = 0.01


LEAST_PERCENT = 1.0
"""Smaller drifts do not matter, however clear they are."""


@dataclass(frozen=True)
class Steadiness:
    """The steadiness of one replicate's blocks.

    `spread_percent` is the quartile distance in % of the median, `worst_ratio` the worst outlier over the median, and
    `chance` the probability p of such a drift by chance.
    """

    blocks: int
    spread_percent: float
    outliers: int
    worst_ratio: float | None
    drift_percent: float
    chance: float

    @property
    def drifts(self) -> bool:
        """True if the blocks became faster or slower, clearly and by enough to matter."""
        return self.chance < CHANCE and abs(self.drift_percent) >= LEAST_PERCENT


def steadiness(record: Record) -> Steadiness | None:
    """Return the steadiness of the slowest rank's times of the full blocks; None if they are not recorded."""
    blocks = (record.samples.get("block_s") or {}).get("full") or []
    times = [max(ranks) for ranks in blocks if ranks]
    if len(times) < 2 or min(times) <= 0:
        return None
    far, (change, chance) = outliers(times), drift(times)
    middle = sorted(times)[len(times) // 2]
    worst = far.worst / middle if far.worst else None
    return Steadiness(len(times), spread_percent(times), far.count, worst, change, chance)


def of_case(case: Case) -> list[Steadiness]:
    """Return the steadiness of each measured replicate."""
    return [steady for record in case.ok if (steady := steadiness(record)) is not None]
