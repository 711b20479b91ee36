"""A row of the table of datasheets: a maker's published figures of one device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

T = 1e12
G = 1e9


@dataclass(frozen=True)
class Row:
    """One device, by its `names` as reported by the driver, in full.

    `flop_per_s`: precision -> dense peak of the fastest datapath that computes it. `missing`: precision -> the reason
    for a missing figure, unless the device lacks the datapath. `memory_gib`: the figure that the maker prints as GB and
    drivers report in GiB. `source`: the document with the figures.
    """

    names: tuple[str, ...]
    flop_per_s: Mapping[str, float]
    memory_bytes_per_s: float
    memory_gib: float
    source: str
    missing: Mapping[str, str] = field(default_factory=dict)
