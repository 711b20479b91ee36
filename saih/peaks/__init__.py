"""The machine's ceilings: quoted from datasheets (`datasheet`, `bandwidth`), and measured.

`measure` is arithmetic in one precision; `ceiling` one of the others, by its name in `PARTS`. All of them run on every
rank at once, and return the same on every rank. `doubts` lists contradictions among them, and with physics (limit.py).
timing.py explains which are sustained rates, and which the fastest repeat's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from saih.peaks import allreduce, copies, launches, memory, storage
from saih.peaks.arithmetic import measure
from saih.peaks.datasheets import DATASHEETS, bandwidth, datasheet, quoted
from saih.peaks.plausible import doubts
from saih.peaks.sustained import WatchedRanks

__all__ = ["DATASHEETS", "PARTS", "bandwidth", "ceiling", "datasheet", "doubts", "measure", "quoted"]

PARTS = ("memory", "copies", "launches", "allreduce", "storage")
"""The ceilings besides arithmetic. Storage needs a path to read."""


def ceiling(ranks: WatchedRanks, part: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ceiling of `part`: the result of its module's `measure`.

    `request` holds "seconds_each" of a case; for all-reduce also "largest_bytes" and "smaller_groups"; for storage
    "path" and "bytes_a_rank" instead. Raises InputError if storage cannot be read.
    """
    if part == "storage":
        return storage.measure(ranks, request["path"], request["bytes_a_rank"])
    seconds = request["seconds_each"]
    if part == "allreduce":
        return allreduce.measure(ranks, seconds, request["largest_bytes"], request["smaller_groups"])
    others: dict[str, Callable[[WatchedRanks, float], dict[str, Any]]]
    others = {"memory": memory.measure, "copies": copies.measure, "launches": launches.measure}
    return others[part](ranks, seconds)
