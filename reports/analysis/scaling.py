"""Scaling of throughput over ranks, weak and strong. Pure.

    weak      size and batch of a rank are constant: the problem grows with the ranks
    strong    size and batch of all ranks together (ranks x batch) are constant: ranks share the same step

For both, efficiency is (samples_per_s / ranks) / (samples_per_s / ranks at the fewest ranks), all else equal. It is the
share of its throughput that a rank keeps, and the speed-up over the ideal speed-up. Its interval takes the worst ends
of both. A case may be in a weak and in a strong comparison.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from reports.analysis.axes import find_axes
from reports.analysis.cases import Case, Quantity
from reports.words.text import count, number

WEAK, STRONG = "weak", "strong"
KINDS = (WEAK, STRONG)


@dataclass(frozen=True)
class Scaling:
    """A case compared with its like at the fewest ranks; `doubt` is why the figure is no pure efficiency, or empty."""

    kind: str
    reference: Case
    case: Case
    efficiency: Quantity
    doubt: str

    @property
    def ideal(self) -> float:
        """The case's ranks over the reference's."""
        return self.case.ranks / self.reference.ranks

    @property
    def speed_up(self) -> float:
        """Throughput of all ranks over the reference's."""
        return (self.efficiency.value or 0.0) * self.ideal

    @property
    def batch(self) -> str:
        """The batch that stays constant, as "8 a rank" or "32 of all ranks"; empty if none is recorded."""
        if self.kind == STRONG:
            return f"{number(total_batch(self.case) or 0)} of all ranks"
        batch = self.case.keys.get("batch")
        return f"{number(batch)} a rank" if isinstance(batch, int | float) else ""


def total_batch(case: Case) -> float | None:
    """Return the samples of all ranks in one step; None if ranks or batch are not recorded."""
    batch = case.keys.get("batch")
    return case.ranks * batch if case.ranks and isinstance(batch, int | float) else None


def find_scalings(cases: Sequence[Case]) -> list[Scaling]:
    """Compare every measured case with its like at the fewest ranks, if there is one; weak ones come first."""
    measured = [case for case in cases if case.value("samples_per_s") and case.ranks]
    scalings = []
    for kind in KINDS:
        for group in _groups(measured, kind):
            first = group[0]
            scalings += [Scaling(kind, first, case, efficiency(first, case), _doubt(first, case)) for case in group[1:]]
    return sorted(scalings, key=lambda scaling: (KINDS.index(scaling.kind), scaling.case.number))


def _groups(cases: Sequence[Case], kind: str) -> list[list[Case]]:
    """Return groups of cases to compare with each other, each by rising ranks."""
    kept = cases if kind == WEAK else [case for case in cases if total_batch(case)]
    free = {"ranks", *_silent(cases)} | ({"batch"} if kind == STRONG else set())
    groups: dict[str, list[Case]] = {}
    for case in kept:
        rest = [(key, value) for key, value in sorted(case.keys.items()) if key not in free]
        total = total_batch(case) if kind == STRONG else None
        groups.setdefault(json.dumps([rest, total]), []).append(case)
    return [sorted(group, key=lambda case: case.ranks) for group in groups.values()]


def _silent(cases: Sequence[Case]) -> set[str]:
    """Return the keys that change with ranks and batch alone and mean nothing by themselves: facts about the data."""
    own = {"ranks", "batch"}
    return {key for axis in find_axes(cases) if own.issuperset(axis.keys) for key in axis.silent}


def efficiency(reference: Case, case: Case) -> Quantity:
    """Return samples/s of a rank relative to those at the reference's ranks."""
    many, few = case.quantity("samples_per_s"), reference.quantity("samples_per_s")
    less = reference.ranks / case.ranks
    value = (many.value or 0.0) / (few.value or 1.0) * less
    if many.low is None or many.high is None or not few.low or not few.high:
        return Quantity(value, "1")
    return Quantity(value, "1", many.low / few.high * less, many.high / few.low * less, "worst ends of both intervals")


def _doubt(reference: Case, case: Case) -> str:
    """Return a caution if the ranks of both cases own different numbers of cores.

    Ranks with fewer cores are smaller devices, and their loss is not due to scaling.
    """
    before, after = cores_of(reference), cores_of(case)
    if before is None or after is None or before == after:
        return ""
    return (
        f"a rank has {count(after, 'core')} at {case.ranks} ranks and {before} at {reference.ranks}: the devices differ"
    )


def cores_of(case: Case) -> int | None:
    """Return the cores of a rank that computes on them; None on GPUs, or if unknown or different between ranks."""
    counts: set[int] = set()
    for rank in (rank for record in case.ok for rank in record.system.get("ranks") or []):
        cores = rank.get("cores")
        if str(rank.get("device", "")) != "cpu" or cores is None:
            return None
        counts.add(len(cores) if isinstance(cores, list) else int(cores))
    return counts.pop() if len(counts) == 1 else None
