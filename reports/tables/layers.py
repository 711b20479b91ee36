"""A profiled step by layer: time, rate, share of the ceiling that limits the layer, and its own shape alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.analysis import diagnosis
from reports.analysis.cases import Case
from reports.tables.form import Cell, Head, Notes, Table, words
from reports.words.text import number, percent, quantity

FORWARD, BACKWARD = "forward", "backward"
LIMITS = {"compute": "arithmetic", "memory": "memory"}
"""The diagnosis's words for a layer's ceiling -> the reader's."""


@dataclass(frozen=True)
class Half:
    """A layer's forward or backward part in one step; what is not known is None.

    ``limit_s``: at its ceiling; ``cached``: it moves more than the memory could.
    """

    layer: str
    part: str
    seconds: float
    flop: float | None
    bytes: float | None
    limit: str
    limit_s: float | None
    alone_s: float | None
    cached: bool = False

    @property
    def flop_per_s(self) -> float | None:
        """The rate of its arithmetic."""
        return self.flop / self.seconds if self.flop and self.seconds else None

    @property
    def intensity(self) -> float | None:
        """Operations over the least bytes that must be moved for them."""
        return self.flop / self.bytes if self.flop and self.bytes else None


def halves(case: Case) -> list[Half]:
    """Both parts of every layer in the network's order, those without time left out.

    From the roofline of the diagnosis; where it has none, the profile's times alone.
    """
    entries = diagnosis.roofline(case).get("layers") or []
    if not entries:
        entries = [entry for layer in diagnosis.profile(case).get("layers") or [] for entry in _times(layer)]
    return [_half(entry) for entry in entries if entry.get("seconds")]


def _half(entry: Mapping[str, Any]) -> Half:
    def known(key: str) -> float | None:
        return None if entry.get(key) is None else float(entry[key])

    limit = str(entry.get("limit") or "")
    return Half(
        str(entry["name"]),
        str(entry["part"]),
        float(entry["seconds"]),
        known("flop"),
        known("bytes"),
        LIMITS.get(limit, limit),
        known("limit_s"),
        known("alone_s"),
        entry.get("cause") == "cache",
    )


def _times(layer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Both parts of a profile's layer."""
    return [
        {
            "name": layer["name"],
            "part": part,
            "seconds": layer.get(f"{part}_s"),
            "alone_s": layer.get(f"alone_{part}_s"),
        }
        for part in (FORWARD, BACKWARD)
    ]


def layers(case: Case, profile: Mapping[str, Any]) -> Table | None:
    """A row a layer, its parts beside each other; last, what belongs to no layer."""
    found = halves(case)
    if not found:
        return None
    notes = Notes()
    ceiling = Head("of its ceiling", "which")
    alone = Head("its shape alone", "of its time")
    part = (Head(FORWARD, "arithmetic"), ceiling, alone, Head(BACKWARD, "arithmetic"), ceiling, alone)
    head = (Head("layer", number=False), Head("of the step"), *part)
    names = dict.fromkeys(each.layer for each in found)
    rows = [_row(name, [each for each in found if each.layer == name], case, notes) for name in names]
    rest = sum(float(each.get("busy_s") or 0.0) for each in profile.get("outside") or [])
    if rest:
        share = Cell(percent(rest / (case.value("step_s") or rest)))
        rows.append((words("no layer", "optimiser, loss and the like"), share, *[Cell("")] * 6))
    return Table(f"layers-{case.number}", "By layer", head, tuple(rows), notes.listed())


def _row(name: str, parts: Sequence[Half], case: Case, notes: Notes) -> tuple[Cell, ...]:
    whole = sum(part.seconds for part in parts) / (case.value("step_s") or 1.0)
    cells = [cell for part in (FORWARD, BACKWARD) for cell in _part(parts, part, notes)]
    return (words(name), Cell(percent(whole)), *cells)


def _part(parts: Sequence[Half], name: str, notes: Notes) -> tuple[Cell, ...]:
    half = next((part for part in parts if part.part == name), None)
    if half is None:
        return (notes.missing("it takes no time of its own"), Cell(""), Cell(""))
    rate = "" if half.flop_per_s is None else quantity(half.flop_per_s, "FLOP/s")
    return (
        Cell(quantity(half.seconds, "s"), rate),
        _near(half, notes),
        _alone(half, notes),
    )


def _near(half: Half, notes: Notes) -> Cell:
    """How much of its ceiling it reaches; at most all of it, for what seems more has another reason."""
    if half.limit_s is None:
        return notes.missing("the layer's costs or the ceilings are not known")
    if half.cached:
        return Cell("caches", note=notes.mark("it moves more than the memory could; no ceiling of caches is measured"))
    near = half.limit_s / half.seconds
    if near <= 1:
        return Cell(percent(near), half.limit)
    return Cell("all", half.limit, notes.mark("at its ceiling: a sustained rate, which short work can exceed"))


def _alone(half: Half, notes: Notes) -> Cell:
    """How long the layer takes alone on data of the same shape."""
    if half.alone_s is None:
        return notes.missing("not measured alone")
    return Cell(quantity(half.alone_s, "s"), f"x {number(half.alone_s / half.seconds)}")
