"""Roofline: points and their layers against the machine's limits of arithmetic and memory traffic. Pure.

    intensity      closed-form operations over the least traffic of the operations as they ran, FLOP / B
    roof           min(arithmetic ceiling, intensity x memory bandwidth), both measured, all ranks at work

(S. Williams, A. Waterman and D. Patterson, Roofline: an insightful visual performance model for multicore
architectures, Communications of the ACM 52(4), 2009.) Points share a roof if their ceilings are the same: within a
run, a precision and a number of ranks.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.analysis import diagnosis
from reports.analysis.axes import namer
from reports.analysis.cases import Case
from reports.analysis.trend import Trend

ROOF = ("run", "precision", "ranks")
"""Keys that distinguish one roof from another."""


@dataclass(frozen=True)
class Dot:
    """A point: FLOP and least bytes of a step on one device, their ratio, and the rate reached in FLOP/s.

    `layer_bytes` are those bytes that belong to layers; None if the record does not hold them.
    """

    case: Case
    flop: float
    bytes: float
    intensity: float
    flop_per_s: float
    layer_bytes: float | None = None


@dataclass(frozen=True)
class Roof:
    """Points below one roof; `datasheet` is the vendor's peak in FLOP/s, or None if it is unknown."""

    label: str
    flop_per_s: float
    bytes_per_s: float
    datasheet: float | None
    dots: tuple[Dot, ...]

    @property
    def ridge(self) -> float:
        """The intensity from which on arithmetic is the limit."""
        return self.flop_per_s / self.bytes_per_s

    def at(self, intensity: float) -> float:
        """Return the roof's height at this intensity."""
        return min(self.flop_per_s, intensity * self.bytes_per_s)


def find_roofs(cases: Sequence[Case], trend: Trend) -> list[Roof]:
    """Return the roofs in the order of the points, with the points below each."""
    groups: dict[tuple[object, ...], list[tuple[Dot, Mapping[str, Any]]]] = {}
    for case in cases:
        roofline = diagnosis.roofline(case)
        dot = _dot(case, roofline.get("point") or {})
        if dot and roofline.get("flop_per_s") and roofline.get("bytes_per_s"):
            groups.setdefault(tuple(case.keys.get(key) for key in ROOF), []).append((dot, roofline))
    axes = [axis for axis in trend.axes if set(axis.keys) & set(ROOF)]
    name = namer(axes, cases)
    return [_roof(name(group[0][0].case), group) for group in groups.values()]


def _dot(case: Case, point: Mapping[str, Any]) -> Dot | None:
    known = [point.get(key) for key in ("flop", "bytes", "intensity", "flop_per_s")]
    numbers = [float(value) for value in known if value]
    if len(numbers) < len(known):
        return None
    flop, moved, intensity, rate = numbers
    return Dot(case, flop, moved, intensity, rate, point.get("layer_bytes") or None)


def _roof(label: str, group: Sequence[tuple[Dot, Mapping[str, Any]]]) -> Roof:
    dots = tuple(dot for dot, _ in group)
    flop_per_s, bytes_per_s = (
        statistics.median(float(found[key]) for _, found in group) for key in ("flop_per_s", "bytes_per_s")
    )
    quoted = [found for dot in dots if (found := _datasheet(dot.case)) is not None]
    return Roof(label, flop_per_s, bytes_per_s, statistics.median(quoted) if quoted else None, dots)


def _datasheet(case: Case) -> float | None:
    """Return the datasheet peak with which a point was compared."""
    rate, percent = case.value("flop_per_s_per_device"), case.value("percent_of_peak")
    return 100 * rate / percent if rate and percent else None


INTENSITY = "FLOP/B"
