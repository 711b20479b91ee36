"""Whether a diagnosis found what was planted: its verdicts and predicted gains against measured differences.

The truth about a plant is how much longer the step is with it than without it, measured in the point's own process, in
turn (tests/toys/planted_cost.py): its strength is that cost as a share of the step. Nothing of the diagnosis goes into
the truth. Products are turned back to m, not to none: all of k cost (3 k - 1) / (3 (k - m)) times what k cost more than
m, as that is their share of equally large products (each one forward and two backward, the first one backward).

Operations on one number keep a GPU waiting for its host, and while they run it reaches neither ceiling: there `kernels`
belong to the host's part that was planted, and what both save together is compared.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saih.records.record import Record
from saih.statistics.intervals import independent_median_interval
from tests.planted.plants import PLANTS, cause_of
from tests.toys.planted_cost import LEAST

MATTERS = 0.15
"""A plant that costs more of the step than this, with all of its interval, must be found."""
GAIN_WITHIN = 1 / 3
"""How far the predicted saving may be from the interval of the measured one, as a share of its nearer end."""
CAPACITY = "capacity"

Costs = Mapping[str, Mapping[str, Sequence[float]]]
"""A record's id -> a dial -> the shares of the step that its plant cost, in each pair of blocks (planted_cost.keep)."""


@dataclass(frozen=True)
class Found:
    """One plant at one point: what it costs, and what the diagnosis says of it.

    ``share``: measured cost / step, ``least`` to ``most`` its interval over the pairs of blocks; 1 for a point that
    failed of it; None where it was not measured. ``saved_s`` is that cost, ``predicted_s`` the diagnosis's saving where
    it names the plant.
    """

    plant: str
    named: bool
    share: float | None = None
    least: float | None = None
    most: float | None = None
    saved_s: float | None = None
    predicted_s: float | None = None

    @property
    def matters(self) -> bool:
        """Whether it must be named: it costs enough beyond doubt."""
        return self.least is not None and self.least > MATTERS

    @property
    def gain_error(self) -> float | None:
        """(predicted - measured saving) / measured saving; None where one of them is not known."""
        if self.predicted_s is None or not self.saved_s:
            return None
        return self.predicted_s / self.saved_s - 1

    @property
    def gain_is_off(self) -> bool:
        """Whether the prediction is too far from whatever the measured saving can be."""
        if self.predicted_s is None or not self.saved_s or not self.share or self.least is None or self.most is None:
            return False
        predicted = self.predicted_s / self.saved_s * self.share
        return not (1 - GAIN_WITHIN) * self.least <= predicted <= (1 + GAIN_WITHIN) * self.most


@dataclass(frozen=True)
class Judged:
    """A point: what was planted and what was found. ``accused`` are causes that were named and not planted."""

    dials: Mapping[str, int]
    repeat: int
    status: str
    step_s: float | None
    verdict: str
    plants: tuple[Found, ...]
    named: tuple[str, ...]
    accused: tuple[str, ...]

    @property
    def label(self) -> str:
        """The dials that are turned on."""
        return label_of(self.dials)

    @property
    def told(self) -> str:
        """The point in a line, for people."""
        shares = ", ".join(f"{f.plant} {_told(f)}{'' if f.named else ' not named'}" for f in self.plants)
        step = "no step" if self.step_s is None else f"{1e3 * self.step_s:.1f} ms"
        return f"{self.label}: {step}; planted: {shares}; verdict: {self.verdict}"


def judged(records: Iterable[Record], costs: Costs) -> list[Judged]:
    """Every point of a sweep of the planted toy, in order of its dials."""
    found = [_judge(record, costs.get(record.id, {})) for record in records]
    return sorted(found, key=lambda each: ([each.dials.get(dial, 0) for dial in PLANTS], each.repeat))


def _judge(record: Record, cost: Mapping[str, Sequence[float]]) -> Judged:
    dials = {dial: record.point["size"][dial] for dial in PLANTS if record.point["size"].get(dial)}
    causes = {cause_of(each): each for each in (record.diagnosis or {}).get("causes", [])}
    if "calls" in dials and record.samples.get("profile", {}).get("device") == "cuda":
        causes = _with_tiny_kernels(causes)
    plants = [_plant(dial, record, cost.get(dial), causes) for dial in dials]
    planted = {each.plant for each in plants if each.share != 0}  # what ran in spite of its hoard wants no memory
    return Judged(
        dials,
        record.point["repeat"],
        record.status,
        record.value("step_s"),
        str((record.diagnosis or {}).get("verdict")),
        tuple(plants),
        tuple(causes),
        tuple(name for name in causes if name not in planted),
    )


def _plant(dial: str, record: Record, shares: Sequence[float] | None, causes: Mapping[str, Mapping[str, Any]]) -> Found:
    name = PLANTS[dial]
    named, step_s = name in causes, record.value("step_s")
    if name == CAPACITY:
        failed = 1.0 if record.status == "oom" else 0.0
        return Found(name, named, failed, failed, failed)
    if step_s is None or not shares:
        return Found(name, named)
    all_of_it = 1.0
    if name == "compute":
        products, left = record.point["size"][dial], LEAST[dial]
        all_of_it = (3 * products - 1) / (3 * (products - left))
    cost = independent_median_interval([all_of_it * share for share in shares])
    predicted_s = causes[name]["saved_s"] if named else None
    return Found(name, named, cost.middle, cost.low, cost.high, cost.middle * step_s, predicted_s)


def _with_tiny_kernels(causes: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The host's part and kernels as one, where both are named."""
    if not {"host", "kernels"} <= set(causes):
        return dict(causes)
    host = {**causes["host"], "saved_s": causes["host"]["saved_s"] + causes["kernels"]["saved_s"]}
    return {name: cause for name, cause in causes.items() if name != "kernels"} | {"host": host}


def label_of(dials: Mapping[str, int]) -> str:
    """Dials and how far they are turned on, for people."""
    return " ".join(f"{dial}={value:g}" for dial, value in dials.items())


Complaint = tuple[str, str, str]
"""missed | accused | gain, the point's dials, the plant or cause."""


def complaints(points: Sequence[Judged]) -> dict[Complaint, str]:
    """What is wrong with the diagnoses, and in words.

    missed: a plant that costs enough is not named. accused: a cause is named that was not planted. gain: the predicted
    saving of a plant that costs enough is too far from what removing it saved.
    """
    found: dict[Complaint, str] = {}
    for each in points:
        for name in each.accused:
            found["accused", each.label, name] = f"{each.told}: {name} was not planted"
        for f in (f for f in each.plants if f.matters):
            if not f.named:
                found["missed", each.label, f.plant] = f"{each.told}: {f.plant} is missed"
            elif f.gain_is_off:
                gains = f"predicted {f.predicted_s:.4g} s, measured {f.saved_s:.4g} s"
                found["gain", each.label, f.plant] = f"{each.told}: {f.plant}: {gains}"
    return found


def involved(points: Iterable[Mapping[str, int]], wrong: Iterable[Complaint]) -> list[Mapping[str, int]]:
    """The points of ``points`` (dials that are turned on) that complaints are about."""
    labels = {label for _, label, _ in wrong}
    return [point for point in points if label_of({dial: point[dial] for dial in PLANTS if point.get(dial)}) in labels]


def confusion(points: Iterable[Judged]) -> dict[str, dict[str, int]]:
    """Planted (beside the products that every point has) -> named -> how many points; "points" counts them all.

    Of points with one plant that costs enough, and of controls ("nothing"); compute is in all of them, and left out.
    """
    rows: dict[str, dict[str, int]] = {}
    for each in points:
        plants = [f for f in each.plants if f.plant != "compute"]
        if len(plants) > 1 or (plants and not plants[0].matters):
            continue
        row = rows.setdefault(plants[0].plant if plants else "nothing", {"points": 0})
        row["points"] += 1
        others = [name for name in each.named if name != "compute"] or ["none of these"]
        for name in others:
            row[name] = row.get(name, 0) + 1
    return rows


def limits(points: Iterable[Judged]) -> dict[str, dict[str, Any]]:
    """Plant -> the share from which on it was always named, the largest at which it was not, and errors of its gain."""
    by_plant: dict[str, list[Found]] = {}
    for f in (f for each in points for f in each.plants if f.share is not None):
        by_plant.setdefault(f.plant, []).append(f)
    return {plant: _limit(found) for plant, found in by_plant.items()}


def _limit(found: Sequence[Found]) -> dict[str, Any]:
    shares = [f.share for f in found if f.share is not None]
    not_named = max((f.share for f in found if f.share is not None and not f.named), default=None)
    always = [s for s in shares if not_named is None or s > not_named]
    errors = [f.gain_error for f in found if f.matters and f.gain_error is not None]
    return {
        "points": len(found),
        "named_from_share": min(always, default=None),
        "not_named_up_to_share": not_named,
        "gain_error": {"median": statistics.median(errors), "least": min(errors), "most": max(errors)}
        if errors
        else None,
    }


def _told(found: Found) -> str:
    """What a plant costs."""
    if found.share is None or found.least is None or found.most is None:
        return "?"
    return f"{100 * found.share:.0f} % ({100 * found.least:.0f} to {100 * found.most:.0f})"
