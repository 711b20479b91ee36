"""Input sources and background reading: what of the records tells how storage bears on the work. Pure.

group     cases equal in all but the input source and the background reading
sources   a group's undisturbed cases, one an input source
curve     a group's cases of one input source, by the rate at which others read meanwhile (what was achieved, not
          what was asked for); the first is undisturbed
slowdown  the rate of the others at which throughput falls to 95 % of the undisturbed: between the last case of the
          curve that is at or above 95 % and the next, on the straight line that joins them. It is real where the
          interval of a case beyond it does not overlap the undisturbed one's, and input's where exposed input is
          above zero there: a machine that is slower for another reason slows the step without input as much.
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
"""The loss of throughput that counts as being slowed."""
MB = 1e6


@dataclass(frozen=True)
class Slowdown:
    """Where a curve falls below 95 %: the others' rate in MB/s, the throughput there, the cases around it.

    ``real``: a case beyond is told apart from the undisturbed one; ``by_input``: input is exposed at a case beyond.
    Both are None where an interval is missing.
    """

    mb_s: float
    samples_per_s: float
    around: tuple[Case, Case]
    real: bool | None
    by_input: bool | None


@dataclass(frozen=True)
class Curve:
    """Throughput of one input source against what others read; the first case is undisturbed."""

    input: str
    cases: tuple[Case, ...]

    @property
    def rates(self) -> list[float]:
        """Samples a second."""
        return [case.value("samples_per_s") or 0.0 for case in self.cases]

    def change(self, case: Case) -> float:
        """The relative change of throughput from the undisturbed case to this one."""
        return (case.value("samples_per_s") or 0.0) / self.rates[0] - 1

    @property
    def drifted(self) -> tuple[Case, ...]:
        """Disturbed cases that are faster than the undisturbed one beyond doubt: the machine changed between them."""
        undisturbed = self.cases[0].quantity("samples_per_s")
        return tuple(
            case
            for case in self.cases[1:]
            if self.change(case) > SLOWED and apart(undisturbed, case.quantity("samples_per_s")) is not False
        )

    @property
    def slowdown(self) -> Slowdown | None:
        """Where throughput falls below 95 % to stay there; None if it does not within the measured range."""
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
    """One problem under one execution: its undisturbed sources, its curves, and all of its measured cases."""

    label: str
    sources: tuple[Case, ...]
    curves: tuple[Curve, ...]
    cases: tuple[Case, ...]


def _any(found: Iterable[bool | None]) -> bool | None:
    """True if any is true; None where none is and one is not known."""
    known = list(found)
    return True if True in known else None if None in known else False


def is_exposed(case: Case) -> bool | None:
    """True if input makes the case's step longer beyond doubt; None where that was not measured."""
    sign = case.quantity("exposed_input_s").sign
    return None if sign is None else sign == 1


def others_mb_s(case: Case) -> float:
    """What others read meanwhile, achieved, in MB/s."""
    return (case.value("background_read_bytes_per_s") or 0.0) / MB


def megabytes(mb_s: float) -> str:
    """A rate as "410 MB/s"."""
    return with_unit(number(mb_s), "MB/s")


def input_of(case: Case) -> str:
    """The case's input source."""
    return str(case.keys.get(INPUT))


def find_groups(cases: Sequence[Case], axes: Sequence[Axis]) -> tuple[Group, ...]:
    """The groups in which input sources or background rates can be compared; none where a run has one of each."""
    measured = [case for case in cases if case.value("samples_per_s")]
    both = _axis(measured)
    name = namer([axis for axis in axes if not set(IO_KEYS) & set(axis.keys)], measured)
    groups = (_group(found, name(found[0])) for found in alike(measured, both))
    return tuple(group for group in groups if len(group.sources) > 1 or group.curves)


def _axis(cases: Sequence[Case]) -> Axis:
    """Input and background as one axis, so that `alike` leaves both out of the comparison."""
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
