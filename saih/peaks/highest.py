"""The ceilings that one point is held against, taken from all that a sweep has measured. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PARTS = {
    "memory_bytes_per_s": "memory",
    "h2d_bytes_per_s": "copies",
    "launch_s": "launches",
    "round_trip_s": "launches",
    "graph_launch_s": "launches",
    "allreduce_bytes_per_s": "allreduce",
}
"""Figure -> the ceiling (saih/peaks/) that holds it."""
_NAMES = {"allreduce_bytes_per_s": "bus_bytes_per_s"}


def highest(system: Mapping[str, Any], ranks: int, precision: str) -> dict[str, Any]:
    """{"flop_per_s" in ``precision``, and the figures of `_PARTS`, each of a device while ``ranks`` ranks run, "why"}.

    ``system`` is system.json; "why" gives the reason of every null.
    """
    peaks = [peak for peak in system["peaks"] if (peak["ranks"], peak["precision"]) == (ranks, precision)]
    others: Mapping[str, Any] = next((each for each in system["ceilings"] if each["ranks"] == ranks), {})
    found: dict[str, Any] = {"flop_per_s": peaks[0]["flop_per_s"] if peaks else None}
    why = {} if peaks else {"flop_per_s": "the ceiling was not measured"}
    for name, part in _PARTS.items():
        measured = others.get(part, {})
        found[name] = measured.get(_NAMES.get(name, name))
        if found[name] is None:
            why[name] = measured.get("why", "the ceiling was not measured")
    return {**found, "why": why}
