"""A step's work in groups, each compared with the machine's ceilings: bound by arithmetic, memory or neither? Pure.

A group is a layer's forward or backward part, or all operations of one class (saih/profile/) that belong to no layer.
It took t seconds. With the measured ceilings F (operations a second) and B (bytes a second) its operations take at
least c = flop / F, and the bytes that it must move at least m = bytes / B: the roofline (Williams, Waterman and
Patterson, Comm. ACM 52(4), 2009). A group's *limit* is the larger of both; max(c, m) / t is the share of that limit
that it reached.

    memory    the limit is memory, and it came within NEAR of it
    cache     the limit is memory, and it is beyond it: m > BEYOND t. Its data came from caches, whose rates are not
              measured; this machine's memory is no bottleneck of it, and its distance from a limit is unknown
    compute   the limit is arithmetic, and it came within NEAR of it
    kernels   it came near neither limit: other kernels could do it faster on this machine
    None      not known: a count or a ceiling is missing

Bytes are the least that could be moved (inputs and outputs once), so that real traffic is higher and m a lower bound,
unless a cache keeps some. A memory bound group may therefore be classified as "kernels", never the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

NEAR = 0.4
"""Share of a ceiling. Above it better kernels gain at most 2.5-fold; groups below it have more to gain from them."""
BEYOND = 1.1
"""Multiple of the fastest memory bandwidth measured, beyond which data came from caches.

A group that needs up to a tenth more is at that ceiling, for clocks differ between the two moments; one that needs
still more did not move all of it to and from memory.
"""
ARITHMETIC = ("convolution", "matrix product", "attention")
"""Classes of arithmetic: outside layers, they share the step's FLOPs that no layer accounts for."""
UNCOUNTED = ("fused", "other")
"""Classes that may contain uncounted arithmetic: they can be found memory-bound, but never "kernels"."""
NO_WORK = ("communication",)
"""Classes without computation: their cost follows from the differences of blocks."""


@dataclass(frozen=True)
class Group:
    """Work that is judged together.

    `seconds` a step as profiled, `own_s` the same less the cost of calling it (CPUs). `part`: "forward" or "backward"
    of the layer `name`, or "outside" for a class. None: not known. `had`: the share of its cores that other processes
    left to it (profiler_cost.py); only that part of its time is judged.
    """

    name: str
    part: str
    seconds: float
    own_s: float
    calls: float
    flop: float | None
    bytes: float | None
    compute_s: float | None
    memory_s: float | None
    alone_s: float | None
    had: float = 1.0
    faster: float = 1.0
    """The highest known memory bandwidth as a multiple of the ceiling, if the ceiling's spread is known."""

    @property
    def limit(self) -> str | None:
        """The resource that takes longer at the machine's ceilings: "compute" or "memory"."""
        if self.compute_s is None or self.memory_s is None:
            return None
        return "memory" if self.memory_s >= self.compute_s else "compute"

    @property
    def limit_s(self) -> float | None:
        """The least time at the machine's ceilings."""
        return None if self.compute_s is None or self.memory_s is None else max(self.compute_s, self.memory_s)

    @property
    def cause(self) -> str | None:
        """memory | cache | compute | kernels: the cause of its time; None if unknown."""
        if self.near is None:
            return None
        if self.near >= NEAR:
            return "cache" if self.from_caches else self.limit
        return None if self.part == "outside" and self.name in UNCOUNTED else "kernels"

    @property
    def from_caches(self) -> bool:
        """True if its bytes are too many for the memory, even if it had its cores all the time."""
        return self.limit == "memory" and (self.memory_s or 0.0) > BEYOND * self.faster * self.own_s

    @property
    def near(self) -> float | None:
        """The share of the nearer ceiling that it reaches in the time for which it had its cores."""
        if self.limit_s is None or self.own_s <= 0:
            return None
        return self.limit_s / (self.had * self.own_s)

    @property
    def label(self) -> str:
        """The name for people."""
        return f"{self.name} outside layers" if self.part == "outside" else f"{self.name} {self.part}"


def groups(profile: Mapping[str, Any], ceilings: Mapping[str, Any], flop: float | None) -> list[Group]:
    """Return the groups of a profiled step (samples["profile"]), in the profile's order; empty without a profile.

    `flop`: the step's operations on one rank, by closed form. Those outside layers are shared out among the arithmetic
    classes in proportion to time.
    """
    layers = profile.get("layers") or []
    outside = profile.get("outside" if profile.get("layers") else "classes")
    outside = [entry for entry in outside or [] if entry["class"] not in NO_WORK]
    parts = [*_layer_parts(layers)]
    calls = _calls_of_layers(profile, outside, parts)
    in_layers = [replace(group, calls=group.calls or calls) for group in parts]
    return [_against(group, ceilings) for group in [*in_layers, *_outside(outside, layers, flop)]]


def scaled(found: Sequence[Group], factor: float) -> list[Group]:
    """Return the groups with their own time multiplied by `factor`."""
    return [replace(group, own_s=factor * group.own_s) for group in found]


def _layer_parts(layers: Sequence[Mapping[str, Any]]) -> Iterator[Group]:
    for layer in layers:
        for part in ("forward", "backward"):
            seconds = layer.get(f"{part}_s")
            if not seconds:
                continue
            flop, bytes_ = (_of_part(layer, part, what) for what in ("flop", "bytes"))
            calls = layer.get(f"{part}_count") or 0.0
            alone = layer.get(f"alone_{part}_s")
            yield Group(layer["name"], part, seconds, seconds, calls, flop, bytes_, None, None, alone)


def _of_part(layer: Mapping[str, Any], part: str, what: str) -> float | None:
    """Return a count of a layer's part: forward as given, backward as the rest of the step."""
    forward, whole = layer.get(f"forward_{what}"), layer.get(what)
    if part == "forward" or forward is None or whole is None:
        return forward if part == "forward" else None
    return float(whole - forward)


def _calls_of_layers(profile: Mapping[str, Any], outside: Sequence[Mapping[str, Any]], parts: Sequence[Group]) -> float:
    """Return the operations of a layer's part if the profile counts them for the whole step only: an equal share."""
    left = (profile.get("operations") or 0) - sum(entry["count"] or 0 for entry in outside)
    return max(0.0, left / len(parts)) if parts else 0.0


def _outside(
    entries: Sequence[Mapping[str, Any]], layers: Sequence[Mapping[str, Any]], flop: float | None
) -> Iterator[Group]:
    in_layers = sum(layer.get("flop") or 0 for layer in layers)
    left = None if flop is None else max(0.0, flop - in_layers)
    arithmetic_s = sum(entry["busy_s"] for entry in entries if entry["class"] in ARITHMETIC)
    for entry in entries:
        name, seconds = entry["class"], entry["busy_s"]
        if seconds <= 0:
            continue
        counted: float | None = 0.0
        if name in ARITHMETIC:
            counted = None if left is None else left * seconds / arithmetic_s
        calls, bytes_ = entry["count"] or 0.0, entry.get("bytes")
        yield Group(name, "outside", seconds, seconds, calls, counted, bytes_, None, None, None)


def _against(group: Group, ceilings: Mapping[str, Any]) -> Group:
    compute = _least_s(group.flop, ceilings.get("flop_per_s"))
    memory = _least_s(group.bytes, ceilings.get("memory_bytes_per_s"))
    return replace(group, compute_s=compute, memory_s=memory, faster=spread(ceilings, "memory_bytes_per_s")[1])


def spread(ceilings: Mapping[str, Any], name: str) -> tuple[float, float]:
    """Return the ends of a ceiling's interval as multiples of it; (1, 1) if it has none."""
    rate, low, high = (ceilings.get(key) for key in (name, f"{name}_low", f"{name}_high"))
    return (low / rate, high / rate) if rate and low and high else (1.0, 1.0)


def _least_s(amount: float | None, rate: float | None) -> float | None:
    """Return the least time for an amount at a rate; an amount of 0 takes 0 s even if the rate is unknown."""
    if amount == 0:
        return 0.0
    return None if amount is None or not rate else amount / rate
