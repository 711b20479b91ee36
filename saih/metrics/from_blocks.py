"""Figures from the timed blocks alone: the step without any waiting, and the latest rank. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saih.statistics import paired as pairs


@dataclass(frozen=True)
class Late:
    """The rank that takes longest, and its delay a step: the time saved if it were as fast as the mean of the others.

    `low`, `high`: interval over blocks. `shown`: True if the delay is more than noise, for some rank is always the
    latest by chance. `blocks`: the number of blocks, among `of`, in which it was the slowest.
    """

    rank: int
    seconds: float
    low: float
    high: float
    shown: bool
    blocks: int
    of: int


def step_s(samples: Mapping[str, Any], variant: str) -> float:
    """Return the seconds of a variant's median step on the slowest rank; variants are "full", "without_input", ..."""
    return statistics.median(_slowest(samples["block_s"][variant])) / float(samples["block_steps"])


def excess(samples: Mapping[str, Any], variant: str, of: str = "full") -> list[float]:
    """Return the seconds by which a step of variant `of` exceeds one of `variant`, by round, on the slowest ranks."""
    pairs = zip(_slowest(samples["block_s"][of]), _slowest(samples["block_s"][variant]), strict=False)
    return [(longer - without) / samples["block_steps"] for longer, without in pairs]


def shown(samples: Mapping[str, Any], variant: str, of: str = "full") -> bool | None:
    """True if the rounds show an excess that is more than noise (paired.py); None if a variant is missing."""
    if not {variant, of} <= set(samples["block_s"]):
        return None
    return pairs.shown(excess(samples, variant, of))


def waiting_for_nothing(samples: Mapping[str, Any]) -> list[float]:
    """Return the seconds of a step without waiting for input or communication, by round, on the slowest rank.

    Each round's blocks are neighbours in time: the step without input (the full one if there is no such variant), less
    the time that communication adds to the full step. Empty if several ranks have no variant without communication.
    """
    blocks = samples["block_s"]
    full = _slowest(blocks["full"])
    alone = _slowest(blocks.get("without_communication", []))
    calm = _slowest(blocks.get("without_input", blocks["full"]))
    if not alone and len(blocks["full"][0]) == 1:
        alone = full
    rounds = zip(calm, full, alone, strict=False)
    return [(without - (a - b)) / samples["block_steps"] for without, a, b in rounds]


def gaps(samples: Mapping[str, Any], busy_s: float) -> list[float]:
    """Return the seconds of a step, by round, in which a GPU is idle without waiting for input or communication."""
    return [seconds - busy_s for seconds in waiting_for_nothing(samples)]


def gaps_shown(samples: Mapping[str, Any], busy_s: float | None) -> bool | None:
    """True if such gaps are more than the noise of the blocks; None if they are not known.

    The test uses the signs and sizes of all rounds, as for differences. Noise that outlasts the rounds could have the
    same effect, but a gap must also appear in the profiled steps (parts.py).
    """
    idle_s = [] if busy_s is None else gaps(samples, busy_s)
    return pairs.shown(idle_s) if idle_s else None


def late(samples: Mapping[str, Any]) -> Late | None:
    """Return the latest rank of the blocks without communication (else of the full ones), or None with one rank.

    It is the same rank in all blocks: the one with the longest total time. Taking the slowest of every block instead
    would mistake noise for a straggler, for some rank is always the slowest. Time that a rank waited for its input, by
    the timer of the full block beside it, is subtracted: a rank that is late because of that is bound by input.
    """
    alone = samples["block_s"].get("without_communication") or samples["block_s"]["full"]
    ranks = len(alone[0])
    if ranks == 1:
        return None
    waits = samples.get("phases_s", {}).get("input_wait_s") or [[0.0] * ranks] * len(alone)
    blocks = [
        [seconds - waited for seconds, waited in zip(*neighbours, strict=True)]
        for neighbours in zip(alone, waits, strict=False)
    ]
    latest = max(range(ranks), key=lambda rank: sum(block[rank] for block in blocks))
    behind = [(block[latest] - _others(block, latest)) / samples["block_steps"] for block in blocks]
    interval, shown_ = pairs.difference_interval(behind), pairs.shown(behind, looks=ranks)
    slowest = sum(block[latest] == max(block) for block in blocks)
    return Late(latest, interval.middle, interval.low, interval.high, shown_, slowest, len(blocks))


def flop_of_a_step(metrics: Mapping[str, Mapping[str, Any]], samples: Mapping[str, Any]) -> float | None:
    """Return the algorithm's operations in one step of one rank."""
    of_a_sample, rate = (metrics.get(name, {}).get("value") for name in ("flop_per_sample", "samples_per_s"))
    if of_a_sample is None or rate is None:
        return None
    full = samples["block_s"]["full"]
    steps = len(full) * samples["block_steps"] * len(full[0])
    return float(of_a_sample * rate * sum(_slowest(full)) / steps)


def _slowest(blocks: Sequence[Sequence[float]]) -> list[float]:
    return [max(ranks) for ranks in blocks]


def _others(block: Sequence[float], rank: int) -> float:
    return statistics.fmean([seconds for i, seconds in enumerate(block) if i != rank])
