"""Copies of a point on every device or node at once, and the outliers among them. Pure.

This is for acceptance tests. A sweep over ranks shows the machine as a whole, and a slow device only as a slightly
longer step. Here every copy runs on its own, all at the same time, so that they share power and cooling as in
production. Copies therefore differ only by their devices.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from saih.app import Execution
from saih.metrics.compute import samples_per_s
from saih.statistics import paired
from saih.statistics.intervals import robust_deviation

ODD_PERCENT = 3.0
"""Copies closer to the median than this count as equal, however little the others vary."""
ODD_SPREADS = 3.0
"""Outlier threshold in robust standard deviations (1.4826 x MAD)."""
FEWEST = 3
"""The fewest copies among which an outlier can be identified: two that differ do not show which one is at fault."""


def part(samples: Mapping[str, Any], copy: int, ranks: int) -> dict[str, Any]:
    """Return the samples of one copy of `ranks` ranks, in the form of a record's samples."""

    def own(blocks: Sequence[Sequence[Any]]) -> list[Any]:
        return [block[copy * ranks : (copy + 1) * ranks] for block in blocks]

    of_each = {key: {name: own(blocks) for name, blocks in samples[key].items()} for key in ("block_s", "phases_s")}
    mine = slice(copy * ranks, (copy + 1) * ranks)
    of_blocks = {key: own(samples[key]) for key in ("read_bytes", "storage_bytes", "handed_out_s") if key in samples}
    return {**samples, **of_each, **of_blocks, "telemetry": samples["telemetry"][mine]}


def middle(samples: Mapping[str, Any], run: Execution, copies: int) -> int:
    """Return the index of the copy with median throughput (the lower one of two), which represents the point."""
    rates = [samples_per_s(part(samples, copy, run.ranks), run) for copy in range(copies)]
    return rates.index(statistics.median_low(rates))


def compare(samples: Mapping[str, Any], run: Execution, places: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return each copy's throughput relative to the median, and the outliers in words.

    `places`: {"host", "device", "cores"} of every rank, copy after copy. A copy is an outlier ("odd") if it is far from
    the median, and by more than the noise of its blocks (paired.py). Returns {"copies": [{"host", "device",
    "samples_per_s", "percent_of_median", "odd"}], "spread_percent": of the largest over the smallest, "words"}.
    """
    count = len(places) // run.ranks
    rates = [samples_per_s(part(samples, copy, run.ranks), run) for copy in range(count)]
    median = statistics.median(rates)
    beside = [100 * rate / median for rate in rates]
    allowed = max(ODD_PERCENT, ODD_SPREADS * robust_deviation(beside))
    differs = _beyond_noise([part(samples, copy, run.ranks) for copy in range(count)])
    copies = [
        {
            "host": places[copy * run.ranks]["host"],
            "device": _device(places[copy * run.ranks : (copy + 1) * run.ranks]),
            "samples_per_s": rates[copy],
            "percent_of_median": beside[copy],
            "odd": count >= FEWEST and abs(beside[copy] - 100) > allowed and differs[copy],
        }
        for copy in range(count)
    ]
    spread = 100 * (max(rates) / min(rates) - 1)
    return {"copies": copies, "spread_percent": spread, "words": _words(copies, spread, allowed)}


def _beyond_noise(copies: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Return for each copy True if it differs from the median of all copies by more than noise, block by block."""
    times = [[max(ranks) for ranks in copy["block_s"]["full"]] for copy in copies]
    differs = []
    for own in times:
        middle = [statistics.median(block) for block in zip(*times, strict=True)]
        behind = [mine / median - 1 for mine, median in zip(own, middle, strict=True)]
        both_ways = (behind, [-differences for differences in behind])
        differs.append(any(paired.shown(differences, looks=2 * len(copies)) for differences in both_ways))
    return differs


def _device(ranks: Sequence[Mapping[str, Any]]) -> str:
    if len(ranks) > 1:
        return "all of its ranks"
    device, cores = ranks[0]["device"], ranks[0]["cores"]
    return str(device) if device != "cpu" else f"cores {cores[0]} to {cores[-1]}" if cores[1:] else f"core {cores[0]}"


def _words(copies: Sequence[Mapping[str, Any]], spread: float, allowed: float) -> str:
    if len(copies) == 1:
        return "There was one copy only: nothing to compare."
    if len(copies) < FEWEST:
        return f"The faster of two copies is {spread:.1f} % faster; which one is odd, two cannot tell."
    odd = [
        f"{each['host']} {each['device']} ({each['percent_of_median'] - 100:+.1f} %)" for each in copies if each["odd"]
    ]
    if not odd:
        return f"All {len(copies)} copies are within {allowed:.1f} % of the median, at most {spread:.1f} % apart."
    return f"Odd among {len(copies)} copies, more than {allowed:.1f} % from the median: {', '.join(odd)}."
