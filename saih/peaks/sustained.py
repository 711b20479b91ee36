"""Sustained rates: the reference for arithmetic and memory bandwidth, with their uncertainty.

A device that was idle is faster for a moment, until its power limit, its clocks and its heat catch up. A training step
never runs in that moment. So short repeats of every operation of a set only select the candidates; the best of them run
until their rate has settled, and the measurement starts from there:

    sustained rate = amount of all repeats / time of all repeats, the slowest rank's

On an H200 bf16 products and convolutions ran 10 to 15 % faster for the first 0.06 s than from the first second on;
after that their rate went up and down by 1.5 % with a period of a second, for as long as observed. Hence the minimum
times below, at half a second an operation. Telemetry watches the repeats that count, as for a point's blocks.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from saih.diagnosis.suspect import disturbances
from saih.measure.blocks import Ranks
from saih.peaks.timing import FEWEST_REPEATS, REPEATS, WARM_UPS, spread_percent, together
from saih.peaks.timing import repeats as short_repeats
from saih.statistics.correlated import mean_interval
from saih.telemetry.watch import Telemetry

FINALISTS = 2
"""The operations of a set whose sustained rate is measured: bursts mislead about the order of nearly equal ones."""
SETTLE, SETTLE_MOST = 4, 8
"""The shortest and the longest settling, as multiples of the seconds for an operation."""
MEASURE = 4
"""The total time of the repeats that count, as a multiple of the same."""
WINDOW = 2
"""The length of a window, as a multiple of the same: the rate is steady if the last two windows of settling agree."""
STEADY = 0.03
"""The tolerance of that. A smaller one is within the variation of a device at its power limit, if windows are short."""
ENOUGH_REPEATS = 10
"""This many repeats are made even if they take twice as long; an interval of fewer says little."""
MOVED, FEWEST_TO_MOVE = 0.02, 9
"""Repeats that count still moved if all of the last third are on one side of all of the first third, by this much."""
UNSETTLED = "unsettled"
"""A cause for suspicion besides those of points."""


class WatchedRanks(Ranks, Protocol):
    """Ranks with telemetry of their device."""

    def telemetry(self) -> Telemetry:
        """Return the telemetry of this rank's device; a collective call."""


@dataclass(frozen=True)
class Operation:
    """One operation of a set: its name, its amount (FLOPs, or bytes moved), and a function that runs it once."""

    name: str
    amount: int
    run: Callable[[], Any]


@dataclass(frozen=True)
class Settling:
    """Seconds of one run in each repeat of settling, and the reason for its end: steady | limit."""

    times_s: list[float]
    runs: int
    ended: str

    @property
    def seconds(self) -> float:
        """The time of all repeats together."""
        return self.runs * sum(self.times_s)


def best_of(
    unit: str, makers: Sequence[Callable[[], Operation]], ranks: WatchedRanks, seconds: float, longest_s: float
) -> dict[str, Any]:
    """Return the operation of the highest sustained rate, with all measurements behind it; equal on all ranks.

    {"name", `unit`: sustained, "<unit>_low", "<unit>_high", "interval", "fastest_<unit>" of all its repeats, bursts
    among them, "median_<unit>", "spread_percent" from the fastest repeat that counts down to the sustained rate,
    "repeats": the rates that count, in order, "settling": {"seconds", "repeats": number, "ended", "fastest_<unit>"},
    "short_repeats": the rates before it, "suspect": [{"cause", "words"}], "telemetry": by rank, "best": its name,
    "entries": the same of every operation without telemetry, "left_out": names of those whose single run would take
    longer than `longest_s` by the best rate so far}. Operations that were no finalists have only "fastest_<unit>",
    "median_<unit>", "spread_percent" and "short_repeats".
    """
    entries, left_out = _short(unit, makers, ranks, seconds, longest_s)
    order = sorted(entries, key=lambda number: -_later(entries[number]["short_repeats"]))[:FINALISTS]
    watched: dict[str, list[dict[str, Any]]] = {}
    for done, number in enumerate(order):
        ranks.progress("measuring a sustained rate", done, len(order))
        operation = makers[number]()
        entries[number] |= _sustained(unit, operation, ranks, seconds, entries[number]["short_repeats"])
        watched[operation.name] = entries[number].pop("telemetry")
    best = max((entries[number] for number in order), key=lambda entry: entry[unit])
    summary = {"best": best["name"], "entries": list(entries.values()), "left_out": left_out}
    return {**best, **summary, "telemetry": watched[best["name"]]}


def _short(
    unit: str, makers: Sequence[Callable[[], Operation]], ranks: Ranks, seconds: float, longest_s: float
) -> tuple[dict[int, dict[str, Any]], list[str]]:
    """Return the short repeats of every operation, by its number, and the names of those left out."""
    entries: dict[int, dict[str, Any]] = {}
    left_out: list[str] = []
    for number, make in enumerate(makers):
        ranks.progress("comparing operations", number, len(makers))
        operation = make()
        known = [entry[f"fastest_{unit}"] for entry in entries.values()]
        if known and operation.amount > longest_s * max(known):
            left_out.append(operation.name)
            continue
        rates = [operation.amount / run_s for run_s in short_repeats(operation.run, ranks, seconds)]
        median = statistics.median(rates)
        entries[number] = {
            "name": operation.name,
            f"fastest_{unit}": max(rates),
            f"median_{unit}": median,
            "spread_percent": spread_percent(max(rates), median),
            "short_repeats": rates,
        }
    return entries, left_out


def _later(rates: Sequence[float]) -> float:
    """Return the median of the later half, since bursts come first."""
    return statistics.median(rates[len(rates) // 2 :])


def _sustained(
    unit: str, operation: Operation, ranks: WatchedRanks, seconds: float, short: Sequence[float]
) -> dict[str, Any]:
    """Measure the sustained rate of one operation after settling."""
    with ranks.telemetry() as telemetry:
        settling = settle(operation.run, ranks, seconds)
        runs, count = settling.runs, _count(settling.times_s[-1] * settling.runs, seconds)
        with telemetry.whole():
            times_s = [together(operation.run, runs, ranks) / runs for _ in range(count)]
    read = ranks.gather(telemetry.read)
    rates = [operation.amount / run_s for run_s in times_s]
    early = [operation.amount / run_s for run_s in settling.times_s]
    rate, low, high, kind = rate_interval(operation.amount, times_s)
    return {
        unit: rate,
        f"{unit}_low": low,
        f"{unit}_high": high,
        "interval": kind,
        f"fastest_{unit}": max(*rates, *early, *short),
        f"median_{unit}": statistics.median(rates),
        "spread_percent": spread_percent(max(rates), rate),
        "repeats": rates,
        "settling": {
            "seconds": settling.seconds,
            "repeats": len(early),
            "ended": settling.ended,
            f"fastest_{unit}": max(early),
        },
        "suspect": [*disturbances(read), *_moving(settling, times_s)],
        "telemetry": read,
    }


def settle(run: Callable[[], Any], ranks: Ranks, seconds: float) -> Settling:
    """Repeat until the rate is steady, `SETTLE` x `seconds` to `SETTLE_MOST` x; the result is equal on all ranks."""
    once_s = [together(run, 1, ranks) for _ in range(WARM_UPS)][-1]
    runs = max(1, round(seconds / REPEATS / once_s))
    times_s: list[float] = []
    took_s = 0.0
    while True:
        times_s.append(together(run, runs, ranks) / runs)
        took_s += runs * times_s[-1]
        if took_s >= SETTLE * seconds and _steady(times_s, runs, WINDOW * seconds):
            return Settling(times_s, runs, "steady")
        if took_s >= SETTLE_MOST * seconds:
            return Settling(times_s, runs, "limit")


def _steady(times_s: Sequence[float], runs: int, window_s: float) -> bool:
    """True if the last two windows agree; a window is at least one repeat."""
    n = max(1, round(window_s / (runs * times_s[-1])))
    if len(times_s) < 2 * n:
        n = len(times_s) // 2
    if not n:
        return False
    before, last = statistics.fmean(times_s[-2 * n : -n]), statistics.fmean(times_s[-n:])
    return abs(last / before - 1) <= STEADY


def _count(repeat_s: float, seconds: float) -> int:
    """Return the number of repeats that count."""
    wanted = round(MEASURE * seconds / repeat_s)
    affordable = round(2 * MEASURE * seconds / repeat_s)
    return max(FEWEST_REPEATS, wanted, min(ENOUGH_REPEATS, affordable))


def rate_interval(amount: float, times_s: Sequence[float]) -> tuple[float, float, float, str]:
    """Return the rate (amount of all / time of all), its interval's ends and name, from successive repeats."""
    interval = mean_interval(times_s, positive=True)
    kind = f"within-run, the mean of {len(times_s)} repeats, {100 * interval.confidence:.0f} %"
    return amount / interval.middle, amount / interval.high, amount / interval.low, kind


def _moving(settling: Settling, times_s: Sequence[float]) -> list[dict[str, str]]:
    """Return the reasons why the rate was still changing: a device that throttles slowly has no sustained rate yet."""
    reasons = []
    if settling.ended == "limit":
        words = f"its rate had not settled within {settling.seconds:.2g} s"
        reasons.append({"cause": UNSETTLED, "words": words})
    third = len(times_s) // 3
    if len(times_s) < FEWEST_TO_MOVE:
        return reasons
    first, last = times_s[:third], times_s[-third:]
    change = statistics.median(first) / statistics.median(last) - 1
    if abs(change) > MOVED and (min(last) > max(first) or max(last) < min(first)):
        words = (
            f"its rate {'rose' if change > 0 else 'fell'} by {100 * abs(change):.0f} % within the repeats that count"
        )
        reasons.append({"cause": UNSETTLED, "words": words})
    return reasons
