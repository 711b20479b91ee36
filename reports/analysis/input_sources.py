"""Input sources and background load: the effect of storage on throughput. Pure.

group     cases equal in all but the input source and the background load
sources   a group's cases without background load, one an input source
curve     a group's cases of one input source, by the rate at which the background load reads (as achieved, not as
          requested); the first case is without background load
slowdown  the background rate at which throughput falls to 95 % of that without background load: between the last case
          of the curve that is at or above 95 % and the next, on the straight line that joins them. The slowdown is real
          if the interval of a case beyond it does not overlap that of the case without background load. Input causes
          it if exposed input is above zero there: another reason would slow the step without input as much.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reports.analysis.axes import Axis, alike, namer
from reports.analysis.cases import BACKGROUND, Case, Scalar, rank_value
from reports.analysis.trend import apart
from reports.words.text import number, with_unit

INPUT = "input"
IO_KEYS = (INPUT, BACKGROUND)
SLOWED = 0.05
"""Relative loss of throughput that counts as a slowdown."""
MB = 1e6


@dataclass(frozen=True)
class Slowdown:
    """The point at which a curve falls below 95 %, and the cases around it.

    `mb_s` is the background rate in MB/s, `samples_per_s` the throughput at that rate. `real`: a case beyond differs
    from the one without background load. `by_input`: input is exposed at a case beyond. Both are None if an interval is
    missing.
    """

    mb_s: float
    samples_per_s: float
    around: tuple[Case, Case]
    real: bool | None
    by_input: bool | None


@dataclass(frozen=True)
class Curve:
    """Throughput of one input source against the background rate; the first case is without background load."""

    input: str
    cases: tuple[Case, ...]

    @property
    def rates(self) -> list[float]:
        """Samples per second of each case."""
        return [case.value("samples_per_s") or 0.0 for case in self.cases]

    def change(self, case: Case) -> float:
        """Return the relative change of throughput from the case without background load to this one."""
        return (case.value("samples_per_s") or 0.0) / self.rates[0] - 1

    @property
    def drifted(self) -> tuple[Case, ...]:
        """Cases that are faster with background load than without: the machine changed between them.

        Cases whose intervals overlap are left out.
        """
        undisturbed = self.cases[0].quantity("samples_per_s")
        return tuple(
            case
            for case in self.cases[1:]
            if self.change(case) > SLOWED and apart(undisturbed, case.quantity("samples_per_s")) is not False
        )

    @property
    def slowdown(self) -> Slowdown | None:
        """The point at which throughput falls below 95 % for good; None if there is none within the measured range."""
        floor = (1 - SLOWED) * self.rates[0]
        last = max(i for i, rate in enumerate(self.rates) if rate >= floor)
        if last == len(self.cases) - 1:
            return None
        around, beyond = (self.cases[last], self.cases[last + 1]), self.cases[last + 1 :]
        (x0, x1), (y0, y1) = map(others_mb_s, around), self.rates[last : last + 2]
        undisturbed = self.cases[0].quantity("samples_per_s")
        real = _any(apart(undisturbed, case.quantity("samples_per_s")) for case in beyond)
        by_input = _any(is_exposed(case) for case in beyond)
        return Slowdown(x0 + (y0 - floor) / (y0 - y1) * (x1 - x0), floor, around, real, by_input)


@dataclass(frozen=True)
class Group:
    """One problem under one execution: sources without background load, curves, and all measured cases."""

    label: str
    sources: tuple[Case, ...]
    curves: tuple[Curve, ...]
    cases: tuple[Case, ...]


def _any(found: Iterable[bool | None]) -> bool | None:
    """True if any value is true; None if none is true and one is unknown."""
    known = list(found)
    return True if True in known else None if None in known else False


def is_exposed(case: Case) -> bool | None:
    """True if input clearly makes the case's step longer; None if that was not measured."""
    sign = case.quantity("exposed_input_s").sign
    return None if sign is None else sign == 1


def others_mb_s(case: Case) -> float:
    """Return the rate that the background load achieved, in MB/s."""
    return (case.value("background_read_bytes_per_s") or 0.0) / MB


def megabytes(mb_s: float) -> str:
    """Return a rate as "410 MB/s"."""
    return with_unit(number(mb_s), "MB/s")


def input_of(case: Case) -> str:
    """Return the case's input source."""
    return str(case.keys.get(INPUT))


def find_groups(cases: Sequence[Case], axes: Sequence[Axis]) -> tuple[Group, ...]:
    """Return the groups with several input sources or background rates to compare."""
    measured = [case for case in cases if case.value("samples_per_s")]
    both = _axis(measured)
    name = namer([axis for axis in axes if not set(IO_KEYS) & set(axis.keys)], measured)
    groups = (_group(members, name(members[0])) for members in alike(measured, both))
    return tuple(group for group in groups if len(group.sources) > 1 or group.curves)


def _axis(cases: Sequence[Case]) -> Axis:
    """Return input and background as one axis, so that `alike` leaves both out of the comparison."""
    values: set[tuple[Scalar, ...]] = {tuple(case.keys.get(key) for key in IO_KEYS) for case in cases}
    return Axis(IO_KEYS, tuple(sorted(values, key=lambda value: [rank_value(part) for part in value])))


def _group(cases: Sequence[Case], label: str) -> Group:
    sources = tuple(case for case in cases if not case.disturbed)
    curves = [_curve(source, cases) for source in sources]
    return Group(label, sources, tuple(curve for curve in curves if len(curve.cases) > 1), tuple(cases))


def _curve(source: Case, cases: Sequence[Case]) -> Curve:
    own = [case for case in cases if case.disturbed and case.keys.get(INPUT) == source.keys.get(INPUT)]
    own = [case for case in own if case.value("background_read_bytes_per_s") is not None]
    return Curve(input_of(source), (source, *sorted(own, key=others_mb_s)))
