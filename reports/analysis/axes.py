"""What varies between the cases, and how a figure shows it. Pure; knows no dial by name.

An *axis* is one thing that varies. Keys that always change together (a zip sweep's dials, a run and its precision)
are one axis, for nothing can tell their effects apart; what changes only with the run is said by the run's name. The
figures need four roles:

    growth   the axis along which lines run: of the size dials and the batch, the one with most values measured
    style    line style and marker: the ranks, also where they share a batch that stays (strong scaling)
    colour   all that is left: the run, the other size dials, precision and so on
    panels   small figures of their own: the last of those axes, where one figure would hold too many colours
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from reports.analysis.cases import BACKGROUND, Case, Scalar, rank_value
from reports.words.text import scalar

Value = tuple[Scalar, ...]

MOST_COLOURS = 4
"""More lines than this cross too often to be followed, twice over where ranks vary."""


@dataclass(frozen=True)
class Axis:
    """Keys that change together, and the values they take, in order. ``silent`` keys change with them unnamed."""

    keys: tuple[str, ...]
    values: tuple[Value, ...]
    silent: tuple[str, ...] = ()

    def of(self, case: Case) -> Value:
        """The case's value on this axis."""
        return tuple(case.keys.get(key) for key in self.keys)

    @property
    def name(self) -> str:
        """Format as "edge", or "edge with width"."""
        return self.keys[0] + (f" with {', '.join(self.keys[1:])}" if len(self.keys) > 1 else "")

    def show(self, value: Value) -> str:
        """A value without its key, as "64" or "64, 0.5"."""
        return ", ".join(scalar(part) for part in value)

    def label(self, value: Value) -> str:
        """A value with its key, as "edge=64"; a run by its name alone."""
        if self.keys == ("run",):
            return scalar(value[0])
        return ", ".join(f"{key}={scalar(part)}" for key, part in zip(self.keys, value, strict=True))


@dataclass(frozen=True)
class Roles:
    """Which axis is shown how; None where nothing varies that way."""

    growth: Axis | None
    style: Axis | None
    colour: tuple[Axis, ...]
    panels: tuple[Axis, ...]

    @cached_property
    def series_axes(self) -> tuple[Axis, ...]:
        """All axes that tell one line from another."""
        named = (*self.colour, *self.panels, self.style)
        return tuple(dict.fromkeys(axis for axis in named if axis is not None))

    def colour_of(self, case: Case) -> tuple[int, ...]:
        """What the case's colour stands for: its place on each of the colour axes."""
        return tuple(axis.values.index(axis.of(case)) for axis in self.colour)


def find_axes(cases: Sequence[Case]) -> list[Axis]:
    """What varies, tied keys joined; keys in the order the records have them, dials first."""
    names = list(dict.fromkeys(key for case in cases for key in case.keys))
    columns = {name: [case.keys.get(name) for case in cases] for name in names}
    varying = [name for name in _dials_first(names, cases) if len(set(columns[name])) > 1]
    groups: list[list[str]] = []
    for name in varying:
        tied = next((group for group in groups if _tied(columns[group[0]], columns[name])), None)
        if tied is None:
            groups.append([name])
        else:
            tied.append(name)
    return [_axis(group, cases) for group in groups]


def _dials_first(names: Sequence[str], cases: Sequence[Case]) -> list[str]:
    dials = list(dict.fromkeys(key for case in cases for key in case.size))
    order = [*dials, "batch", "ranks", "run", "precision", "execution", "input", BACKGROUND, "app"]
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))


def _tied(a: Sequence[Scalar], b: Sequence[Scalar]) -> bool:
    """True if each value of one comes with a single value of the other, both ways."""
    return len(set(zip(a, b, strict=True))) == len(set(a)) == len(set(b))


def _axis(names: Sequence[str], cases: Sequence[Case]) -> Axis:
    keys = ("run",) if "run" in names else tuple(n for n in names if n is names[0] or not n.startswith("data."))
    silent = tuple(name for name in names if name not in keys)
    found = {tuple(case.keys.get(key) for key in keys): None for case in cases}
    in_order = sorted(found, key=lambda value: [rank_value(part) for part in value])
    return Axis(keys, tuple(found) if keys == ("run",) else tuple(in_order), silent)


def namer(axes: Sequence[Axis], cases: Sequence[Case]) -> Callable[[Case], str]:
    """Names a case by those of ``axes`` that vary within its run, and by the run where there are several."""
    varying = {run: [axis for axis in axes if _varies(axis, cases, run)] for run in {case.run for case in cases}}

    def where(case: Case) -> str:
        return ", ".join(axis.label(axis.of(case)) for axis in varying[case.run])

    return where


def _varies(axis: Axis, cases: Sequence[Case], run: str) -> bool:
    return axis.keys == ("run",) or len({axis.of(case) for case in cases if case.run == run}) > 1


def is_ranks(axis: Axis) -> bool:
    """True if only ranks vary, or with them a batch such that ranks x batch stays: they share the same step."""
    if axis.keys == ("ranks",):
        return True
    if set(axis.keys) != {"ranks", "batch"}:
        return False
    parts = [[part for part in value if isinstance(part, int | float)] for value in axis.values]
    return all(len(each) == 2 for each in parts) and len({each[0] * each[1] for each in parts}) == 1


def grows(axis: Axis, cases: Sequence[Case]) -> bool:
    """True if the axis sets the problem's size: it holds a size dial or the batch, and its values are numbers."""
    dials = {key for case in cases for key in case.size} | {"batch"}
    return (
        not is_ranks(axis) and axis.keys[0] in dials and all(isinstance(value[0], int | float) for value in axis.values)
    )


def assign(axes: Sequence[Axis], cases: Sequence[Case]) -> Roles:
    """The role of each axis."""
    candidates = [axis for axis in axes if grows(axis, cases)]
    growth = max(candidates, key=lambda axis: (_measured(axis, cases), _reach(axis, cases)), default=None)
    left = [axis for axis in axes if axis is not growth]
    style = next((axis for axis in left if is_ranks(axis)), None)
    left = [axis for axis in left if axis is not style]
    left.sort(key=lambda axis: (axis.keys != ("run",), not grows(axis, cases)))
    kept = len(left)
    while kept > 1 and _most_colours(left[:kept], left[kept:], cases) > MOST_COLOURS:
        kept -= 1
    colour = tuple(left[:kept]) or ((style,) if style else ())
    return Roles(growth, style, colour, tuple(left[kept:]))


def _most_colours(colour: Sequence[Axis], panels: Sequence[Axis], cases: Sequence[Case]) -> int:
    """How many colours the fullest panel would hold."""
    groups: dict[tuple[Value, ...], set[tuple[Value, ...]]] = {}
    for case in cases:
        panel = tuple(axis.of(case) for axis in panels)
        groups.setdefault(panel, set()).add(tuple(axis.of(case) for axis in colour))
    return max((len(group) for group in groups.values()), default=0)


def _measured(axis: Axis, cases: Sequence[Case]) -> int:
    """How many of the axis's values were measured."""
    return len({axis.of(case) for case in cases if case.ok})


def _reach(axis: Axis, cases: Sequence[Case]) -> float:
    """How many powers of ten the work grows along an axis, between cases that are equal but for it."""
    widest = 0.0
    for group in alike(cases, axis):
        sizes = [case.flop_per_step for case in group if case.flop_per_step]
        if len(sizes) > 1:
            widest = max(widest, math.log10(max(sizes) / min(sizes)))
    return widest


def alike(cases: Sequence[Case], axis: Axis | None) -> list[list[Case]]:
    """Groups of cases that are equal in everything but ``axis``, each in the axis's order."""
    own = axis.keys + axis.silent if axis else ()
    groups: dict[tuple[tuple[str, Scalar], ...], list[Case]] = {}
    for case in cases:
        rest = tuple((key, value) for key, value in sorted(case.keys.items()) if key not in own)
        groups.setdefault(rest, []).append(case)
    if axis is None:
        return list(groups.values())
    return [sorted(group, key=lambda case: axis.values.index(axis.of(case))) for group in groups.values()]
