"""The ceiling of copies between host and device: both directions, from pinned and from pageable memory, by size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saih.measure.blocks import Ranks
from saih.peaks.timing import best, repeats

if TYPE_CHECKING:
    import torch

SIZES = tuple(2**exponent for exponent in (16, 20, 24, 28))
"""Sizes of the copies: 64 KiB to 256 MiB."""
DIRECTIONS = ("h2d", "d2h")
_CPU = "the device is the host's own cores: nothing is copied"


def measure(ranks: Ranks, seconds_each: float) -> dict[str, Any]:
    """Measure copies; return {"h2d_bytes_per_s", "d2h_bytes_per_s", "entries", "method"}.

    The rates are the best of pinned memory, a device, all ranks at once. An entry is {"direction", "pinned", "bytes",
    "bytes_per_s", ...}. On CPUs both are None, and "why" has the reason.
    """
    if not ranks.device.startswith("cuda"):
        return {"h2d_bytes_per_s": None, "d2h_bytes_per_s": None, "why": _CPU, "entries": []}
    import torch

    largest = torch.randint(0, 256, (SIZES[-1],), dtype=torch.uint8)
    hosts = {True: largest.pin_memory(), False: largest}
    cases = [(way, pinned, size) for way in DIRECTIONS for pinned in (True, False) for size in SIZES]
    entries = []
    for done, case in enumerate(cases):
        ranks.progress("measuring copies", done, len(cases))
        entries.append(_entry(ranks, seconds_each, hosts, *case))
    highest = {
        f"{way}_bytes_per_s": max(e["bytes_per_s"] for e in entries if e["direction"] == way and e["pinned"])
        for way in DIRECTIONS
    }
    method = "bytes copied from or to pinned host memory, a device, one direction at a time, all ranks at once"
    return {**highest, "entries": entries, "method": method}


def _entry(
    ranks: Ranks, seconds: float, hosts: Mapping[bool, torch.Tensor], direction: str, pinned: bool, size: int
) -> dict[str, Any]:
    host = hosts[pinned][:size]
    device = host.to(ranks.device)
    to, source = (device, host) if direction == "h2d" else (host, device)
    rate = best("bytes_per_s", size, repeats(lambda: to.copy_(source, non_blocking=pinned), ranks, seconds))
    return {"direction": direction, "pinned": pinned, "bytes": size, **rate}
