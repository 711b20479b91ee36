"""Datasheets of devices: dense peaks by precision and memory bandwidth, each with its source.

A sparse figure is twice the dense one, and no dense work reaches it. Names are matched in full: devices of one family
differ in clock, power and memory, and a part of a device (MIG) has a name of its own. A device that is not listed has
no datasheet peak; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saih.peaks import amd, intel, nvidia
from saih.peaks.row import Row

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")

ROWS = (*nvidia.ROWS, *amd.ROWS, *intel.ROWS)

DATASHEETS: dict[str, tuple[Row, ...]] = {
    name: tuple(row for row in ROWS if name in row.names) for each in ROWS for name in each.names
}
"""The driver's name of a device, in full -> its rows; several if devices of one name differ in memory."""

_SHARE_REPORTED = (0.85, 1.02)
"""A driver reports less memory than printed: ECC and its own use take some."""


def datasheet(device_name: str, precision: str, memory_bytes: int | None = None) -> dict[str, Any]:
    """Return {"flop_per_s", "source"} of a device's dense peak on the datapath of `precision`, or {"why"}.

    `memory_bytes` as reported by the driver, if known: a part of a device must not get the whole's figures.
    """
    row = _row(device_name, memory_bytes)
    if isinstance(row, str):
        return {"why": row}
    if precision not in row.flop_per_s:
        return {"why": row.missing.get(precision, f"{device_name} has no datapath for {precision}")}
    return {"flop_per_s": row.flop_per_s[precision], "source": row.source}


def bandwidth(device_name: str, memory_bytes: int | None = None) -> dict[str, Any]:
    """Return {"memory_bytes_per_s", "source"} of a device's own memory, or {"why"} if it is not known."""
    row = _row(device_name, memory_bytes)
    if isinstance(row, str):
        return {"why": row}
    return {"memory_bytes_per_s": row.memory_bytes_per_s, "source": row.source}


def quoted(machine: Mapping[str, Any], precisions: Sequence[str]) -> dict[str, Any]:
    """Return `datasheet` of each precision and, under "memory", `bandwidth`; `machine` as in system.json."""
    name, memory_bytes = machine["device"], machine["device_memory_bytes"]
    peaks = {precision: datasheet(name, precision, memory_bytes) for precision in precisions}
    return {**peaks, "memory": bandwidth(name, memory_bytes)}


def _row(device_name: str, memory_bytes: int | None) -> Row | str:
    """Return the device's row, or the reason why there is none."""
    rows = DATASHEETS.get(device_name, ())
    if not rows:
        return f"no datasheet peak is listed for {device_name}"
    if memory_bytes is None:
        return rows[0] if len(rows) == 1 else f"{device_name} is the name of several devices; its memory is not known"
    low, high = _SHARE_REPORTED
    fitting = [row for row in rows if low <= memory_bytes / (row.memory_gib * 2**30) <= high]
    if fitting:
        return fitting[0]
    printed = " or ".join(f"{row.memory_gib:g}" for row in rows)
    has = f"{memory_bytes / 2**30:.3g} GiB"
    return f"{device_name} has {has} of memory here, but {printed} in its datasheet: a part of one, or another device"
