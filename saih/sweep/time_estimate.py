"""Estimate of the time of points, with a range, from the work of a step and known rates. Pure.

    start       of a worker group at the first point of its repeat and rank count; before that, once a rank count, the
                ceilings, and once a sweep a look at the machine
    warm-up     the first step (a compiler, algorithms that are tried), then steps until they are steady (measure.py)
    soak        as asked for
    blocks      rounds of every variant, until they are precise or the time is up (saih/measure/stopping.py)
    afterwards  the check, the profiled pass, layers alone (saih/profile)

All of it follows from the seconds of a step: its FLOPs over a rate. What is known best gives the rate: points of like
work that this machine has measured (a line through them in logarithms); else its ceilings, of which a step reaches a
part; else what devices of the kind usually reach, which spans a factor of 25 to 100. Whatever else is off, such as a
slow file system, is learned as the ratio of what points took to what is computed for them, by rank count. With every
point learned the range becomes narrower.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saih.app import Execution
from saih.config.schema import Measure
from saih.measure.stopping import MIN_ROUNDS, MIN_ROUNDS_NAMED, MIN_ROUNDS_PRECISE, OVERTIME
from saih.statistics.intervals import MIN_STEPS

BLOCK_S = 0.2
WARMUP_S, WARMUP_LEAST_S, WARMUP_MOST_S = 0.5, 2.0, 60.0
LONG_STEP_S = 2.0
ALONE_S, ALONE_MOST_S = {"cpu": 0.5, "cuda": 4.0}, 5.0
"""These are the limits of saih/measure/blocks.py and saih/profile, which only workers import."""


@dataclass(frozen=True)
class Range:
    """A figure that is most likely between `low` and `high`; `middle` is the one to expect."""

    low: float = 0.0
    middle: float = 0.0
    high: float = 0.0

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.middle + other.middle, self.high + other.high)

    def times(self, factor: float) -> Range:
        """So many times it."""
        return Range(factor * self.low, factor * self.middle, factor * self.high)

    def under(self, amount: float) -> Range:
        """`amount` over it, such as seconds of a work at a rate."""
        return Range(amount / self.high, amount / self.middle, amount / self.low)


def total(seconds: Iterable[Range]) -> Range:
    """One after the other. Half of what may be wrong with one is wrong with all; the other half averages out."""
    each = list(seconds)
    middle = sum(one.middle for one in each)
    less, more = (
        _half_common([one.middle - one.low for one in each]),
        _half_common([one.high - one.middle for one in each]),
    )
    return Range(middle - less, middle, middle + more)


def _half_common(deviations: Sequence[float]) -> float:
    return (sum(deviations) + math.hypot(*deviations)) / 2


LOOK_S, START_S, FIRST_S = Range(2, 5, 12), Range(2, 4, 10), Range(0, 3, 6)
"""Time to describe the machine, to start a worker group, and to load libraries at its first point."""
RATES = {"cuda": Range(1e13, 6e13, 4e14), "cpu": Range(1e10, 4e10, 2e11)}
"""FLOP/s that a step may reach on a GPU, or on one core, where nothing is known of the machine."""
SHARES = Range(0.05, 0.2, 0.6)
"""The part of a measured ceiling that a step reaches."""
FIRST_STEP = {"cuda": (Range(0.1, 0.5, 2), Range(2, 12, 25)), "cpu": (Range(0, 0.1, 0.5), Range(1, 1, 2))}
"""Extra time of the first step: in seconds, and in steps."""
COMPILING_S = {"cuda": Range(3, 6, 20), "cpu": Range(5, 30, 150)}
SAME, ALIKE, OTHER = 1.3, 2.0, 4.0
"""By what factor steps may mislead: those of the same rank count, of others, and in another precision or execution."""
LEAST_WIDTH = 0.3
"""So much of its range (in logarithms) a point keeps however many are learned: they differ for no known reason."""


@dataclass(frozen=True)
class Load:
    """A point as the estimate sees it: `flop` of a rank's step, how it runs, and which repeat it is."""

    flop: float
    run: Execution
    repeat: int = 0


@dataclass(frozen=True)
class Taken:
    """A measured point: its total time, its median step and its number of variants.

    `first`: whether it was the first of its group.
    """

    load: Load
    wall_s: float
    step_s: float
    variants: int
    first: bool = False


class Estimate:
    """The times of a sweep's points on one kind of device ("cuda", or "cpu" with so many `cores` a rank).

    `ceilings`: measured FLOP/s of a device by (ranks, precision); those rank counts are not measured again.
    """

    def __init__(
        self,
        measure: Measure,
        device: str,
        cores: int = 1,
        ceilings: Mapping[tuple[int, str], float] | None = None,
        taken: Sequence[Taken] = (),
    ) -> None:
        self._measure, self._device, self._cores = measure, device, cores
        self._ceilings_of, self._taken = dict(ceilings or {}), list(taken)
        steps: dict[tuple[Any, ...], list[Taken]] = defaultdict(list)
        self._variants_of: dict[tuple[bool, str], int] = {}
        for each in self._taken:
            run = each.load.run
            for key in _kinds(run):
                steps[key].append(each)
            kind = (run.ranks > 1, run.input)
            self._variants_of[kind] = max(each.variants, self._variants_of.get(kind, 0))
        self._steps_of = {key: _Steps(among) for key, among in steps.items()}
        self._ratio_of: dict[tuple[int, str], tuple[float, float]] = {}

    def learning(self, taken: Sequence[Taken]) -> Estimate:
        """The estimate of one who knows of these points, too."""
        known = [*self._taken, *taken]
        return Estimate(self._measure, self._device, self._cores, self._ceilings_of, known)

    @property
    def basis(self) -> str:
        """Describe what the estimate rests on."""
        if self._taken:
            return f"from {len(self._taken)} measured point{'' if len(self._taken) == 1 else 's'}"
        return "from this machine's ceilings" if self._ceilings_of else "without this machine's rates"

    def in_turn(self, loads: Sequence[Load], running: tuple[int, int] | None = None) -> list[Range]:
        """The time of each, one after the other; the first of a group has its start, the first of all the set-up.

        `running`: (repeat, ranks) of the group that serves already; None where the sweep has still to begin.
        """
        found: list[Range] = []
        measured, started = {ranks for ranks, _ in self._ceilings_of}, {running}
        for load in loads:
            seconds = self.of(load)
            if running is None:
                if not found:
                    seconds += LOOK_S
                if load.run.ranks not in measured:
                    seconds += START_S + self._ceilings_s()
                    measured.add(load.run.ranks)
            if (load.repeat, load.run.ranks) not in started:
                seconds += START_S + FIRST_S
                started.add((load.repeat, load.run.ranks))
            found.append(seconds)
        return found

    def of(self, load: Load) -> Range:
        """The time of a point in a group that runs."""
        seconds, (ratio, learned) = self._computed(load), self._ratio(load.run)
        width = LEAST_WIDTH + (1 - LEAST_WIDTH) / math.sqrt(1 + learned)
        low, high = (end / seconds.middle for end in (seconds.low, seconds.high))
        return Range(low**width, 1.0, high**width).times(ratio * seconds.middle)

    def step(self, load: Load) -> Range:
        """Seconds of a step."""
        for key, factor in zip(_kinds(load.run), (SAME, ALIKE, OTHER), strict=True):
            if key in self._steps_of:
                return self._steps_of[key].at(load.flop, factor)
        ceiling = self._ceilings_of.get((load.run.ranks, load.run.precision))
        if ceiling:
            return SHARES.times(ceiling).under(load.flop)
        return RATES[self._device].times(self._cores if self._device == "cpu" else 1).under(load.flop)

    def _computed(self, load: Load) -> Range:
        execution, step = load.run.execution, self.step(load)
        together = load.run.ranks > 1
        known = self._variants_of.get((together, load.run.input))
        variants = Range(known, known, known) if known else Range(1, 2 + together, 3 + together)
        soak = Range(*[self._measure.soak_s] * 3)
        return (
            self._warm_up(variants, step, execution)
            + soak
            + self._blocks(variants, step)
            + self._after(step, execution)
        )

    def _warm_up(self, variants: Range, step: Range, execution: str) -> Range:
        most_s = min(WARMUP_MOST_S, max(WARMUP_LEAST_S, 2 * self._measure.max_s))

        def until_steady(step_s: float, count: float, longer: float) -> float:
            return min(max(WARMUP_S, longer * MIN_STEPS * step_s), most_s + step_s) + 2 * (count - 1) * step_s

        seconds, steps = FIRST_STEP[self._device]
        first = seconds + _each(lambda step_s, n: step_s * n, step, steps)
        if execution == "compiled":
            first += COMPILING_S[self._device]
        return first + _each(until_steady, step, variants, Range(1, 1.3, 2.5))

    def _blocks(self, variants: Range, step: Range) -> Range:
        """Between precise at the first look and not before the time is up; in the middle halfway."""
        most_s = self._measure.max_s

        def ends(step_s: float, count: float) -> tuple[float, float]:
            round_s = count * step_s * max(1, math.ceil(BLOCK_S / step_s))
            late_s = max(most_s, min(MIN_ROUNDS_NAMED * round_s, OVERTIME * most_s), MIN_ROUNDS * round_s) + round_s / 2
            return min(MIN_ROUNDS_PRECISE * round_s, late_s), late_s

        early_s, late_s = ends(step.low, variants.low)[0], ends(step.high, variants.high)[1]
        return Range(early_s, sum(ends(step.middle, variants.middle)) / 2, late_s)

    def _after(self, step: Range, execution: str) -> Range:
        """The check; and where points are profiled the passes, reading their trace, and layers alone."""
        found = Range(0.2, 0.4, 1.5)
        if not self._measure.profile:
            return found

        def passes(step_s: float, steps: float) -> float:
            return step_s * (2 if step_s > LONG_STEP_S else steps)

        def alone(step_s: float, part: float) -> float:
            return part * min(max(ALONE_S[self._device], 6 * step_s), ALONE_MOST_S)

        found += Range(0.2, 0.6, 2) + _each(passes, step, Range(4, 7, 13))
        return found if execution == "compiled" else found + _each(alone, step, Range(0.05, 0.4, 1))

    def _ceilings_s(self) -> Range:
        """A handful of operations, each for a while."""
        each_s = min(0.5, self._measure.max_s / 10)
        return Range(1 + 4 * each_s, 3 + 12 * each_s, 10 + 40 * each_s)

    def _ratio(self, run: Execution) -> tuple[float, float]:
        """By what factor points took longer than computed, and how many say so; those of other ranks count half."""
        key = (run.ranks, run.execution)
        if key not in self._ratio_of:
            alike = [each for each in self._taken if each.load.run.execution == run.execution]
            same = [each for each in alike if each.load.run.ranks == run.ranks]
            among = same or alike or self._taken
            computed_s = sum(self._computed(each.load).middle + each.first * FIRST_S.middle for each in among)
            prior_s = computed_s / len(among) if among else 1.0  # one as computed, so that no odd one decides alone
            ratio = (sum(each.wall_s for each in among) + prior_s) / (computed_s + prior_s)
            self._ratio_of[key] = ratio, len(among) if same else len(among) / 2
        return self._ratio_of[key]


class _Steps:
    """Seconds of a step by its FLOPs, through the points that are known."""

    def __init__(self, taken: Sequence[Taken]) -> None:
        logarithms: dict[float, list[float]] = defaultdict(list)
        for each in taken:
            logarithms[each.load.flop].append(math.log(each.step_s))
        self._flop = sorted(logarithms)
        self._log_s = [sum(logarithms[flop]) / len(logarithms[flop]) for flop in self._flop]

    def at(self, flop: float, factor: float) -> Range:
        """On a line between neighbours, in logarithms.

        Beyond the largest the rate may stay, or rise as the root of the work. Below the smallest the time may stay, or
        fall with the work.
        """
        place = bisect_left(self._flop, flop)
        if 0 < place < len(self._flop):
            (low, high), (low_s, high_s) = self._flop[place - 1 : place + 1], self._log_s[place - 1 : place + 1]
            middle_s = math.exp(low_s + (high_s - low_s) * math.log(flop / low) / math.log(high / low))
            return Range(middle_s / factor, middle_s, factor * middle_s)
        place = min(place, len(self._flop) - 1)
        step_s, more = math.exp(self._log_s[place]), flop / self._flop[place]
        least_s, most_s = sorted((step_s * more, step_s * math.sqrt(more) if more > 1 else step_s))
        return Range(least_s / factor, math.sqrt(least_s * most_s), factor * most_s)


def _kinds(run: Execution) -> tuple[tuple[Any, ...], ...]:
    """Return the kinds of points that predict these, the most similar first."""
    return (run.precision, run.execution, run.ranks), (run.precision, run.execution), ()


def _each(do: Callable[..., float], *ranges: Range) -> Range:
    """A function of the low ends, of the middles and of the high ends."""
    ends = zip(*((each.low, each.middle, each.high) for each in ranges), strict=True)
    return Range(*(do(*end) for end in ends))
