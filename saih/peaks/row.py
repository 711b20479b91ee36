"""A row of the table of datasheets: what a maker publishes of one device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

T = 1e12
G = 1e9


@dataclass(frozen=True)
class Row:
    """One device, by its ``names`` as the driver reports them, in full.

    ``flop_per_s``: precision -> dense peak of the fastest datapath that computes it. ``missing``: precision -> why a
    figure is not given, where the reason is not that the device lacks the datapath. ``memory_gib``: what the maker
    prints as GB and drivers report in GiB. ``source``: the document the figures are from.
    """

    names: tuple[str, ...]
    flop_per_s: Mapping[str, float]
    memory_bytes_per_s: float
    memory_gib: float
    source: str
    missing: Mapping[str, str] = field(default_factory=dict)
