"""Timing protocol: warm up, then blocks of steps, the variants taking turns, until the median is steady.

A block is n steps between two points where the device has finished: one synchronisation a block, not a step. Every
rank starts a block together (barrier) and times it alone; the slowest rank's time is the block's. Blocks of the full
work alternate with blocks of the same work without input and without communication, so that drift of the machine hits
all alike and their difference tells what each costs. Rank 0 decides, so that all ranks do the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from saih.app import Ran, Work
from saih.stats import median_interval

METHOD_VERSION = 2
"""Raised whenever figures measured before could differ from figures measured after."""

MIN_BLOCK_S = 0.2
"""A block lasts at least this long, so that its start and its synchronisation are under 1 % of it."""
MIN_ROUNDS = 3
MIN_ROUNDS_PRECISE = 6
"""Fewer blocks have no 95 % interval by order statistics."""
WARMUP_MIN_STEPS = 4
WARMUP_MAX_S = 60.0
PARTS = ("input", "communication")


class Ranks(Protocol):
    """What measuring needs of the worker: ranks that agree, and a device that can be waited for."""

    rank: int
    device: str

    def broadcast(self, value: Any) -> Any:
        """Rank 0's value on all ranks."""

    def gather(self, value: Any) -> list[Any]:
        """All ranks' values on all ranks."""

    def barrier(self) -> None:
        """Wait for all ranks."""

    def synchronise(self) -> None:
        """Wait for the device."""

    def progress(self, what: str, done: float, total: float, block_s: float | None = None) -> None:
        """Tell whoever watches; ``block_s``: how long the next sign of life takes, where steps run already."""


def measure(work: Work, ranks: Ranks, target_percent: float, max_s: float, begin: Callable[[], None]) -> dict[str, Any]:
    """Raw samples of ``work`` as the record holds them (saih/records.py), equal on all ranks.

    ``begin`` is called once, on every rank, between the warm-up and the first block.

    Stops when the interval of the median step has a half-width of ``target_percent`` ("precise") or ``max_s`` seconds
    have passed ("limit"), whichever is first, but not before three rounds.
    """
    variants = {"full": work}
    for part in PARTS:
        lacking = work.without(part)
        if lacking is not None:
            variants[f"without_{part}"] = lacking
    warmup_steps, warmup_s, step_s = _warm_up(variants, ranks)
    n = ranks.broadcast(max(1, math.ceil(MIN_BLOCK_S / step_s)))
    found = _Samples(n, list(variants))
    begin()
    started = time.perf_counter()
    stopped, rounds_s = None, [step_s * n * len(variants)]
    while stopped is None:
        ranks.progress("measuring", min(sum(rounds_s[1:]), max_s), max_s, max(rounds_s))
        round_began = time.perf_counter()
        for name in _turn(list(variants), len(found.block_s["full"])):
            found.add(name, *_block(variants[name], n, ranks))
        rounds_s.append(time.perf_counter() - round_began)
        stopped = ranks.broadcast(_stop(found, time.perf_counter() - started, target_percent, max_s))
    return found.to_dict() | {"warmup_steps": warmup_steps, "warmup_s": warmup_s, "stopped": stopped}


class _Samples:
    """What the blocks gave, rank by rank."""

    def __init__(self, block_steps: int, variants: list[str]) -> None:
        self.block_steps = block_steps
        self.block_s: dict[str, list[list[float]]] = {name: [] for name in variants}
        self.phases_s: dict[str, list[list[float]]] = {}
        self.read_bytes: list[list[int]] = []
        self.values: dict[str, float | None] = {}

    def add(self, variant: str, times_s: list[float], ran: list[Ran]) -> None:
        self.block_s[variant].append(times_s)
        if variant != "full":
            return
        for phase in ran[0].phases:
            self.phases_s.setdefault(phase, []).append([each.phases[phase] for each in ran])
        self.read_bytes.append([each.read_bytes for each in ran])
        self.values = {name: x if math.isfinite(x) else None for name, x in ran[0].values.items()}

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def _block(work: Work, n: int, ranks: Ranks) -> tuple[list[float], list[Ran]]:
    ranks.synchronise()
    ranks.barrier()
    start = time.perf_counter()
    ran = work.run(n)
    ranks.synchronise()
    seconds = time.perf_counter() - start
    both = ranks.gather((seconds, ran))
    return [each[0] for each in both], [each[1] for each in both]


def _warm_up(variants: Mapping[str, Work], ranks: Ranks) -> tuple[int, float, float]:
    """Single steps of every variant until the full one gets no faster; (steps, seconds, seconds of a step)."""
    times: list[float] = []
    start = time.perf_counter()
    while True:
        for name, work in variants.items():
            seconds = max(_block(work, 1, ranks)[0])
            if name == "full":
                times.append(seconds)
        elapsed = time.perf_counter() - start
        again_s = times[-1] * len(variants) if len(times) > 1 else None  # the first may compile, for minutes
        ranks.progress("warming up", len(times), max(len(times), WARMUP_MIN_STEPS), again_s)
        if ranks.broadcast(_steady(times) or elapsed > WARMUP_MAX_S):
            return len(times), elapsed, min(times[-2:])


def _steady(times: list[float]) -> bool:
    """The faster of the last two steps is no more than 5 % faster than any step before them."""
    return len(times) >= WARMUP_MIN_STEPS and min(times[-2:]) >= 0.95 * min(times[:-2])


def _turn(names: list[str], round_number: int) -> list[str]:
    """The variants in the order of this round: each comes first as often as the others."""
    first = round_number % len(names)
    return names[first:] + names[:first]


def _stop(found: _Samples, elapsed_s: float, target_percent: float, max_s: float) -> str | None:
    steps = [max(times) for times in found.block_s["full"]]
    precise = median_interval(steps).half_width_percent <= target_percent
    if len(steps) >= MIN_ROUNDS_PRECISE and precise:
        return "precise"
    return "limit" if len(steps) >= MIN_ROUNDS and elapsed_s >= max_s else None
