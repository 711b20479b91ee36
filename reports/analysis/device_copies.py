"""Device copies: the throughput of each device or node that measured the same points at once. Pure.

The harness has already named the outliers at each point, replicate by replicate (a record's diagnosis, "everywhere").
Here a device keeps its name over the points. A device is an outlier at a point if any replicate says so, and its
throughput there is the median over the replicates, in percent of the median of all copies.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reports.analysis.cases import Case
from reports.analysis.runs import Run

NOUNS = {"device": ("device", "devices"), "node": ("node", "nodes")}


@dataclass(frozen=True)
class At:
    """A copy at one point: its throughput in % of the median of all, and the replicates in which it is an outlier."""

    case: Case
    percent: float
    odd: int
    replicates: int


@dataclass(frozen=True)
class Copy:
    """A device or a node, with its throughput at each point that it measured."""

    host: str
    device: str
    points: tuple[At, ...]

    @property
    def name(self) -> str:
        """The copy's name, as "node01 cuda:3", or a node's host alone."""
        return f"{self.host} {self.device}".strip()

    @property
    def odd(self) -> tuple[At, ...]:
        """The points at which the copy is an outlier."""
        return tuple(at for at in self.points if at.odd)

    @cached_property
    def percent(self) -> float:
        """The median throughput over the points, in % of the median of all copies."""
        return statistics.median(at.percent for at in self.points)

    @cached_property
    def farthest(self) -> At:
        """The point at which the copy is farthest from the median of all copies."""
        return max(self.points, key=lambda at: abs(at.percent - 100))


@dataclass(frozen=True)
class Everywhere:
    """The copies and points of one run: outliers first (the farthest first), then the rest by rising throughput."""

    run: str
    noun: tuple[str, str]
    copies: tuple[Copy, ...]
    cases: tuple[Case, ...]

    @property
    def odd(self) -> tuple[Copy, ...]:
        """The copies that are outliers at some point."""
        return tuple(copy for copy in self.copies if copy.odd)

    @property
    def rest(self) -> tuple[Copy, ...]:
        """The copies that are outliers at no point."""
        return tuple(copy for copy in self.copies if not copy.odd)

    @property
    def most(self) -> int:
        """The largest number of copies that worked at once."""
        return max(sum(any(at.case is case for at in copy.points) for copy in self.copies) for case in self.cases)


def find_everywhere(runs: Sequence[Run], cases: Sequence[Case]) -> list[Everywhere]:
    """Return the copies of each run that measured points on every device or node at once."""
    by_run = [_of_run(run, [case for case in cases if case.run == run.label]) for run in runs]
    return [copies for copies in by_run if copies is not None]


def _of_run(run: Run, cases: Sequence[Case]) -> Everywhere | None:
    asked = str((run.first.config.get("sweep") or {}).get("everywhere"))
    points: dict[tuple[str, str], list[At]] = {}
    measured = []
    for case in cases:
        by_place = _replicates(case, asked == "node")
        for place, copies in by_place.items():
            odd = sum(bool(copy.get("odd")) for copy in copies)
            percent = statistics.median(float(copy["percent_of_median"]) for copy in copies)
            points.setdefault(place, []).append(At(case, percent, odd, len(copies)))
        measured += [case] if by_place else []
    if not points:
        return None
    made = [Copy(host, device, tuple(at_points)) for (host, device), at_points in points.items()]
    return Everywhere(run.label, NOUNS.get(asked, ("copy", "copies")), tuple(sorted(made, key=_order)), tuple(measured))


def _replicates(case: Case, by_node: bool) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """Return the entries of all replicates by place: host and device."""
    by_place: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for record in case.ok:
        for copy in ((record.diagnosis or {}).get("everywhere") or {}).get("copies") or []:
            place = str(copy["host"]), "" if by_node else str(copy["device"])
            by_place.setdefault(place, []).append(copy)
    return by_place


def _order(copy: Copy) -> tuple[bool, float, str]:
    worst = max((abs(at.percent - 100) for at in copy.odd), default=0.0)
    return not copy.odd, -worst if copy.odd else copy.percent, copy.name
