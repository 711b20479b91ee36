"""A profiled step by layer: time, rate, and the ceiling that limits the layer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.analysis import diagnosis
from reports.analysis.cases import Case

FORWARD, BACKWARD = "forward", "backward"


LIMITS = {"compute": "arithmetic", "memory": "memory"}
"""The diagnosis's word for a layer's ceiling -> the reader's word."""


@dataclass(frozen=True)
class Half:
    """A layer's forward or backward part in one step; unknown values are None.

    `limit_s` is the time of the part at its ceiling. `cached`: the part moves more than the memory could.
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
        """The rate of the part's arithmetic."""
        return self.flop / self.seconds if self.flop and self.seconds else None

    @property
    def intensity(self) -> float | None:
        """Operations over the least bytes that they must move."""
        return self.flop / self.bytes if self.flop and self.bytes else None


def halves(case: Case) -> list[Half]:
    """Return both parts of every layer in the network's order, without those that took no time.

    They come from the diagnosis's roofline or, if that has no layers, from the profile's times alone.
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
    """Return both parts of a profile's layer."""
    return [
        {
            "name": layer["name"],
            "part": part,
            "seconds": layer.get(f"{part}_s"),
            "alone_s": layer.get(f"alone_{part}_s"),
        }
        for part in (FORWARD, BACKWARD)
    ]
