"""Timing protocol: warm up, perhaps soak, then blocks of steps, variants in turn, until the rate is known.

A block is n steps between two points where the device has finished: one synchronisation a block, not a step. Every rank
starts a block together (barrier) and times it alone; the slowest rank's time is the block's. Blocks of the full work
alternate with blocks of the same work without input, without waiting for input, and without communication. Drift of the
machine thus affects all alike, and their differences show the cost of each. Rank 0 decides, so that all ranks do the
same.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from saih.app import Ran, Work
from saih.measure.soak import Soaked
from saih.measure.stopping import End
from saih.statistics.intervals import MIN_STEPS, steady_from

METHOD_VERSION = 8
"""Raised with every change after which figures may differ from those measured before."""

MIN_BLOCK_S = 0.2
"""The minimum length of a block, so that its start and its synchronisation are under 1 % of it."""
WARMUP_MIN_S = 0.5
"""Minimum warm-up, so that a slow start is visible even when steps are short."""
WARMUP_MAX_S, WARMUP_LEAST_S = 60.0, 2.0
"""The longest warm-up, and the least limit of a warm-up; in between the limit is twice the time limit."""
WARMUP_OF_OTHERS = 2
"""Warm-up steps of each variant besides the full work."""
WARMUP_GROWTH = 1.25
"""The warm-up is checked again after growing by this factor: every check is a chance to end it by luck."""
PARTS = ("input", "input_wait", "communication")


class Ranks(Protocol):
    """The interface of a worker for measuring: ranks in agreement, and a device to synchronise."""

    rank: int
    device: str

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's value on all ranks."""

    def gather(self, value: Any) -> list[Any]:
        """Return all ranks' values on all ranks."""

    def barrier(self) -> None:
        """Wait for all ranks."""

    def synchronise(self) -> None:
        """Wait for the device."""

    def progress(self, what: str, done: float, total: float, block_s: float | None = None) -> None:
        """Report progress; `block_s`: once steps run, the time until the next report."""


def measure(
    work: Work,
    ranks: Ranks,
    target_percent: float,
    max_s: float,
    begin: Callable[[], None],
    around: Callable[[str], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
    soak_s: float = 0.0,
) -> dict[str, Any]:
    """Measure `work`; return raw samples as in the record (saih/records/record.py), equal on all ranks.

    `begin` is called once, on every rank, right before the first block that counts; `around(variant)` is entered on
    every rank around each block of that variant, and `around("soak")` around the `soak_s` seconds of full steps, if
    any, that come between the warm-up and `begin`.

    Stops when the interval of the rate has a half-width of `target_percent` ("precise") or after `max_s` seconds
    ("limit"), whichever is first; if rounds are long, the few that are needed take longer (stopping.py).
    """
    variants = {"full": work}
    for part in PARTS:
        lacking = work.without(part)
        if lacking is not None:
            variants[f"without_{part}"] = lacking
    warmup, step_s = _warm_up(variants, ranks, min(WARMUP_MAX_S, max(WARMUP_LEAST_S, 2 * max_s)))
    n = _steps_of_a_block(ranks, step_s)
    soaked = None
    if soak_s:
        with around("soak"):
            soaked, step_s = _soak(work, ranks, n, n * step_s, soak_s)
        n = _steps_of_a_block(ranks, step_s)
    samples, end = _Samples(n, list(variants)), End(target_percent, max_s)
    begin()
    started = time.perf_counter()
    stopped, rounds_s = None, [step_s * n * len(variants)]
    while stopped is None:
        ranks.progress("measuring", min(sum(rounds_s[1:]), max_s), max_s, max(rounds_s))
        round_began = time.perf_counter()
        for name in _turn(list(variants), len(samples.block_s["full"])):
            with around(name):
                ended = _block(variants[name], n, ranks)
            samples.add(name, ended)
        rounds_s.append(time.perf_counter() - round_began)
        stopped = ranks.broadcast(end.reached(samples.slowest_s(), time.perf_counter() - started))
    return samples.to_dict() | warmup | {"soak": soaked, "stopped": stopped}


@dataclass(frozen=True)
class _Ended:
    """A timed block, as lists over ranks: its seconds, the seconds until `run` returned, and the result of `run`."""

    seconds: list[float]
    handed_out_s: list[float]
    ran: list[Ran]


class _Samples:
    """The results of the blocks, rank by rank."""

    def __init__(self, block_steps: int, variants: list[str]) -> None:
        self.block_steps = block_steps
        self.block_s: dict[str, list[list[float]]] = {name: [] for name in variants}
        self.handed_out_s: list[list[float]] = []
        self.phases_s: dict[str, list[list[float]]] = {}
        self.read_bytes: list[list[int]] = []
        self.storage_bytes: list[list[int | None]] = []
        self.values: dict[str, float | None] = {}

    def add(self, variant: str, ended: _Ended) -> None:
        self.block_s[variant].append(ended.seconds)
        if variant != "full":
            return
        ran = ended.ran
        self.handed_out_s.append(ended.handed_out_s)
        for phase in ran[0].phases:
            if any(phase not in each.phases for each in ran):
                continue  # reported by the work's check
            self.phases_s.setdefault(phase, []).append([each.phases[phase] for each in ran])
        self.read_bytes.append([each.read_bytes for each in ran])
        self.storage_bytes.append([each.storage_bytes for each in ran])
        self.values = {name: x if math.isfinite(x) else None for name, x in ran[0].values.items()}

    def slowest_s(self) -> list[float]:
        return [max(times) for times in self.block_s["full"]]

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def _steps_of_a_block(ranks: Ranks, step_s: float) -> int:
    steps: int = ranks.broadcast(max(1, math.ceil(MIN_BLOCK_S / step_s)))
    return steps


def _block(work: Work, n: int, ranks: Ranks) -> _Ended:
    ranks.synchronise()
    ranks.barrier()
    start = time.perf_counter()
    ran = work.run(n)
    handed_out_s = time.perf_counter() - start
    ranks.synchronise()
    seconds = time.perf_counter() - start
    gathered = ranks.gather((seconds, handed_out_s, ran.finished()))
    return _Ended(
        [of_rank[0] for of_rank in gathered], [of_rank[1] for of_rank in gathered], [of_rank[2] for of_rank in gathered]
    )


def _soak(work: Work, ranks: Ranks, n: int, block_s: float, soak_s: float) -> tuple[dict[str, Any], float]:
    """Run blocks of the full work for `soak_s` seconds; return (the soak's record, seconds of a step at its end)."""
    soaked, longest_s = Soaked(soak_s, n), block_s
    start, left_s = time.perf_counter(), soak_s
    while left_s > 0:
        ranks.progress(f"soaking, {left_s:.0f} s left", soak_s - left_s, soak_s, longest_s)
        block_s = max(_block(work, n, ranks).seconds)
        soaked.add(time.perf_counter() - start, block_s)
        longest_s = max(longest_s, block_s)
        left_s = ranks.broadcast(soak_s - (time.perf_counter() - start))
    kept = ranks.broadcast(soaked.to_dict())
    return kept, kept["last_step_s"]


def _warm_up(variants: Mapping[str, Work], ranks: Ranks, limit_s: float) -> tuple[dict[str, Any], float]:
    """Run single steps of every variant until the full one is steady or the time is up.

    Returns (steps, seconds and which of the two ended it, as the record's samples hold them; seconds of a step). The
    first step, which may compile, counts for neither.
    """
    times: list[float] = []
    look_at = MIN_STEPS
    start = steps_start = time.perf_counter()
    while True:
        for name, work in variants.items():
            if name == "full":
                times.append(max(_block(work, 1, ranks).seconds))
            elif len(times) <= WARMUP_OF_OTHERS:  # the full work has warmed up all that they share
                _block(work, 1, ranks)
        if len(times) == 1:
            steps_start = time.perf_counter()
        elapsed_s = time.perf_counter() - steps_start
        again_s = times[-1] * len(variants) if len(times) > 1 else None
        ranks.progress("warming up", len(times), max(len(times), look_at), again_s)
        ended = "limit" if elapsed_s > limit_s else None
        if len(times) >= look_at and elapsed_s >= WARMUP_MIN_S:
            ended = "steady" if steady_from(times) is not None else ended
            look_at = math.ceil(WARMUP_GROWTH * len(times))
        if (ended := ranks.broadcast(ended)) is not None:
            took_s = time.perf_counter() - start
            return {"warmup_steps": len(times), "warmup_s": took_s, "warmup_ended": ended}, min(times[-2:])


def _turn(names: list[str], round_number: int) -> list[str]:
    """Return the variants in the order of this round; each comes first equally often."""
    first = round_number % len(names)
    return names[first:] + names[:first]
