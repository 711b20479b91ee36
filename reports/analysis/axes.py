"""The axes along which cases vary, and the role of each axis in the figures. Pure; no dial is known by name.

An *axis* is one thing that varies. Keys that always change together (a zip sweep's dials, a run and its precision)
are one axis, because their effects cannot be separated; the run's name covers keys that change only with the run. The
figures need four roles:

    growth   the axis along which series run: of the size dials and the batch, the one with most values measured
    style    line style and marker: the ranks, also if they share a constant batch (strong scaling)
    colour   every other axis: the run, the other size dials, precision and so on
    panels   small figures of their own: the last of those axes, if one figure would hold too many colours
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
"""More series than this cross too often to be followed, and varying ranks multiply their number."""


@dataclass(frozen=True)
class Axis:
    """Keys that change together and their values, in order; `silent` keys change with them but are not named."""

    keys: tuple[str, ...]
    values: tuple[Value, ...]
    silent: tuple[str, ...] = ()

    def of(self, case: Case) -> Value:
        """Return the case's value on this axis."""
        return tuple(case.keys.get(key) for key in self.keys)

    @property
    def name(self) -> str:
        """The keys in words, as "edge" or "edge with width"."""
        return self.keys[0] + (f" with {', '.join(self.keys[1:])}" if len(self.keys) > 1 else "")

    def show(self, value: Value) -> str:
        """Return a value without its key, as "64" or "64, 0.5"."""
        return ", ".join(scalar(part) for part in value)

    def label(self, value: Value) -> str:
        """Return a value with its key, as "edge=64", or a run's name alone."""
        if self.keys == ("run",):
            return scalar(value[0])
        return ", ".join(f"{key}={scalar(part)}" for key, part in zip(self.keys, value, strict=True))


@dataclass(frozen=True)
class Roles:
    """The axes by role; None if no axis has the role."""

    growth: Axis | None
    style: Axis | None
    colour: tuple[Axis, ...]
    panels: tuple[Axis, ...]

    @cached_property
    def series_axes(self) -> tuple[Axis, ...]:
        """All axes that distinguish one series from another."""
        named = (*self.colour, *self.panels, self.style)
        return tuple(dict.fromkeys(axis for axis in named if axis is not None))

    def colour_of(self, case: Case) -> tuple[int, ...]:
        """Return the case's place on each of the colour axes, which decides its colour."""
        return tuple(axis.values.index(axis.of(case)) for axis in self.colour)


def find_axes(cases: Sequence[Case]) -> list[Axis]:
    """Return the axes along which the cases vary, with tied keys joined.

    Dials come first, then the run options; other keys keep the order of the records.
    """
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
    """True if each value of one column comes with a single value of the other, both ways."""
    return len(set(zip(a, b, strict=True))) == len(set(a)) == len(set(b))


def _axis(names: Sequence[str], cases: Sequence[Case]) -> Axis:
    keys = ("run",) if "run" in names else tuple(n for n in names if n is names[0] or not n.startswith("data."))
    silent = tuple(name for name in names if name not in keys)
    values = {tuple(case.keys.get(key) for key in keys): None for case in cases}
    in_order = sorted(values, key=lambda value: [rank_value(part) for part in value])
    return Axis(keys, tuple(values) if keys == ("run",) else tuple(in_order), silent)


def namer(axes: Sequence[Axis], cases: Sequence[Case]) -> Callable[[Case], str]:
    """Return a function that names a case by the `axes` that vary within its run.

    The run is named, too, if there are several.
    """
    varying = {run: [axis for axis in axes if _varies(axis, cases, run)] for run in {case.run for case in cases}}

    def where(case: Case) -> str:
        return ", ".join(axis.label(axis.of(case)) for axis in varying[case.run])

    return where


def _varies(axis: Axis, cases: Sequence[Case], run: str) -> bool:
    return axis.keys == ("run",) or len({axis.of(case) for case in cases if case.run == run}) > 1


def is_ranks(axis: Axis) -> bool:
    """True if only the ranks vary, or ranks and batch with a constant product: the ranks then share the same step."""
    if axis.keys == ("ranks",):
        return True
    if set(axis.keys) != {"ranks", "batch"}:
        return False
    parts = [[part for part in value if isinstance(part, int | float)] for value in axis.values]
    return all(len(pair) == 2 for pair in parts) and len({pair[0] * pair[1] for pair in parts}) == 1


def grows(axis: Axis, cases: Sequence[Case]) -> bool:
    """True if the axis sets the problem's size: it holds a size dial or the batch, and its values are numbers."""
    dials = {key for case in cases for key in case.size} | {"batch"}
    return (
        not is_ranks(axis) and axis.keys[0] in dials and all(isinstance(value[0], int | float) for value in axis.values)
    )


def assign(axes: Sequence[Axis], cases: Sequence[Case]) -> Roles:
    """Return the axes by role."""
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
    """Return the number of colours in the fullest panel."""
    groups: dict[tuple[Value, ...], set[tuple[Value, ...]]] = {}
    for case in cases:
        panel = tuple(axis.of(case) for axis in panels)
        groups.setdefault(panel, set()).add(tuple(axis.of(case) for axis in colour))
    return max((len(group) for group in groups.values()), default=0)


def _measured(axis: Axis, cases: Sequence[Case]) -> int:
    """Return the number of the axis's values that were measured."""
    return len({axis.of(case) for case in cases if case.ok})


def _reach(axis: Axis, cases: Sequence[Case]) -> float:
    """Return the growth of the work along an axis, in powers of ten, between cases that are equal in all else."""
    widest = 0.0
    for group in alike(cases, axis):
        sizes = [case.flop_per_step for case in group if case.flop_per_step]
        if len(sizes) > 1:
            widest = max(widest, math.log10(max(sizes) / min(sizes)))
    return widest


def alike(cases: Sequence[Case], axis: Axis | None) -> list[list[Case]]:
    """Return groups of cases that are equal in everything but `axis`, each in the axis's order."""
    own = axis.keys + axis.silent if axis else ()
    groups: dict[tuple[tuple[str, Scalar], ...], list[Case]] = {}
    for case in cases:
        rest = tuple((key, value) for key, value in sorted(case.keys.items()) if key not in own)
        groups.setdefault(rest, []).append(case)
    if axis is None:
        return list(groups.values())
    return [sorted(group, key=lambda case: axis.values.index(axis.of(case))) for group in groups.values()]
