"""The same point on every device or node at once: what each copy did over all points. Pure.

What is odd at a point the harness has said already, of each replicate (a record's diagnosis, "everywhere"). Here a
device keeps its name over the points: it is odd at a point where any replicate found it odd, and its throughput there
is the median over the replicates, in percent of the median of all copies.
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
    """A copy at one point: its throughput in % of the median of all, and how many of the replicates found it odd."""

    case: Case
    percent: float
    odd: int
    replicates: int


@dataclass(frozen=True)
class Copy:
    """A device or a node: where it is, and what it did at each point that it measured."""

    host: str
    device: str
    points: tuple[At, ...]

    @property
    def name(self) -> str:
        """Format as "node01 cuda:3"; a node by its host alone."""
        return f"{self.host} {self.device}".strip()

    @property
    def odd(self) -> tuple[At, ...]:
        """The points where it was odd."""
        return tuple(at for at in self.points if at.odd)

    @cached_property
    def percent(self) -> float:
        """The median over points."""
        return statistics.median(at.percent for at in self.points)

    @cached_property
    def farthest(self) -> At:
        """The point at which it was farthest from the median of all."""
        return max(self.points, key=lambda at: abs(at.percent - 100))


@dataclass(frozen=True)
class Everywhere:
    """The copies of one run, odd ones first (the farthest first), then by rising throughput; and the points."""

    run: str
    noun: tuple[str, str]
    copies: tuple[Copy, ...]
    cases: tuple[Case, ...]

    @property
    def odd(self) -> tuple[Copy, ...]:
        """Those that were odd anywhere."""
        return tuple(copy for copy in self.copies if copy.odd)

    @property
    def rest(self) -> tuple[Copy, ...]:
        """Those that never were."""
        return tuple(copy for copy in self.copies if not copy.odd)

    @property
    def most(self) -> int:
        """The most copies that were at work at once."""
        return max(sum(any(at.case is case for at in copy.points) for copy in self.copies) for case in self.cases)


def find_everywhere(runs: Sequence[Run], cases: Sequence[Case]) -> list[Everywhere]:
    """One for each run that measured points on every device or node at once."""
    found = [_of_run(run, [case for case in cases if case.run == run.label]) for run in runs]
    return [each for each in found if each is not None]


def _of_run(run: Run, cases: Sequence[Case]) -> Everywhere | None:
    asked = str((run.first.config.get("sweep") or {}).get("everywhere"))
    points: dict[tuple[str, str], list[At]] = {}
    measured = []
    for case in cases:
        told = _replicates(case, asked == "node")
        for place, copies in told.items():
            odd = sum(bool(copy.get("odd")) for copy in copies)
            percent = statistics.median(float(copy["percent_of_median"]) for copy in copies)
            points.setdefault(place, []).append(At(case, percent, odd, len(copies)))
        measured += [case] if told else []
    if not points:
        return None
    made = [Copy(host, device, tuple(found)) for (host, device), found in points.items()]
    return Everywhere(run.label, NOUNS.get(asked, ("copy", "copies")), tuple(sorted(made, key=_order)), tuple(measured))


def _replicates(case: Case, by_node: bool) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """What every replicate says of each place."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for record in case.ok:
        for copy in ((record.diagnosis or {}).get("everywhere") or {}).get("copies") or []:
            place = str(copy["host"]), "" if by_node else str(copy["device"])
            found.setdefault(place, []).append(copy)
    return found


def _order(copy: Copy) -> tuple[bool, float, str]:
    worst = max((abs(at.percent - 100) for at in copy.odd), default=0.0)
    return not copy.odd, -worst if copy.odd else copy.percent, copy.name
