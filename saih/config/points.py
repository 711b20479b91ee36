"""Configuration -> points: which combinations are measured, which are left out. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saih.app import App, Execution, Point
from saih.config.schema import Config, Sweep
from saih.errors import InputError

MOST_POINTS = 100_000


@dataclass(frozen=True)
class Points:
    """The points that a configuration asks for, and those that it excludes by name."""

    wanted: tuple[Point, ...]
    excluded: tuple[Point, ...]


def expand(config: Config, app: App) -> Points:
    """All points of a configuration, each validated by the application.

    Raises InputError for a dial the application does not have, a value it cannot take, or a rule that names no key of
    a point.
    """
    axes = {**_size_axes(config.size, app), **config.run.axes()}
    only, exclude = config.sweep.only, config.sweep.exclude
    _check_rules("only", only, axes)
    _check_rules("exclude", exclude, axes)
    data = app.resolve_data(config.data)
    _check_count(axes, config.sweep)
    wanted: list[Point] = []
    excluded: list[Point] = []
    for values in _combinations(axes, config.sweep.kind):
        if only and not any(_matches(rule, values) for rule in only):
            continue
        size = {name: values[name] for name in app.dials}
        run = Execution(**{name: values[name] for name in config.run.axes()})
        out = any(_matches(rule, values) for rule in exclude)
        for repeat in range(config.sweep.repeats):
            point = Point(config.app, size, run, data, repeat)
            if not out:
                app.validate(point)
            (excluded if out else wanted).append(point)
    _check_everywhere(config)
    if config.sweep.kind == "grow" or config.sweep.grow:
        _check_growth(config, app, len({tuple(point.size.values()) for point in wanted}))
    if not wanted:
        raise InputError(f"sweep.{'exclude' if excluded or not only else 'only'}: leaves no point to measure")
    return Points(tuple(wanted), tuple(excluded))


def _check_count(axes: Mapping[str, list[Any]], sweep: Sweep) -> None:
    """A list more can multiply points beyond what any memory holds and any life lasts."""
    lengths = [len(values) for values in axes.values()]
    combinations = max(lengths) if sweep.kind == "zip" else math.prod(lengths)
    if combinations * sweep.repeats > MOST_POINTS:
        raise InputError(
            f"size, run and sweep.repeats: give {combinations * sweep.repeats:.6g} points, before only and exclude; "
            f"must be at most {MOST_POINTS}"
        )


def _check_everywhere(config: Config) -> None:
    everywhere, ranks = config.sweep.everywhere, config.run.ranks
    if everywhere and config.sweep.kind == "grow":
        raise InputError(f"sweep.everywhere = {everywhere}: needs sweep.kind = matrix or zip, not grow")
    if everywhere == "device" and ranks != [1]:
        raise InputError(f"run.ranks = {max(ranks)}: must be 1 with sweep.everywhere = device, where each is alone")


def _check_growth(config: Config, app: App, sizes: int) -> None:
    """Growing begins at one size; its points are the starts of lanes."""
    sweep = config.sweep
    if sweep.kind != "grow":
        raise InputError(f"sweep.grow: needs sweep.kind = grow, not {sweep.kind}")
    if sweep.grow is None:
        raise InputError("sweep.grow: is required with sweep.kind = grow, such as grow: {along: {width: 2}}")
    for name in sweep.grow.along:
        if name not in app.dials:
            raise InputError(f"sweep.grow.along.{name}: unknown dial of {app.name}; allowed: {', '.join(app.dials)}")
    if sizes > 1:
        raise InputError("size: growing begins at one size; give every dial one value")
    if sweep.repeats > 1:
        raise InputError(f"sweep.repeats = {sweep.repeats}: must be 1, as growing repeats the frontier by itself")


def _size_axes(size: Mapping[str, list[Any]], app: App) -> dict[str, list[Any]]:
    unknown = sorted(set(size) - set(app.dials))
    if unknown:
        raise InputError(f"size.{unknown[0]}: unknown dial of {app.name}; allowed: {', '.join(app.dials)}")
    axes = {}
    for name, dial in app.dials.items():
        if name not in size and dial.default is None:
            raise InputError(f"size.{name}: is required ({dial.help})")
        axes[name] = [dial.parse(value, f"size.{name}") for value in size.get(name, [dial.default])]
    return axes


def _combinations(axes: Mapping[str, list[Any]], kind: str) -> Iterator[dict[str, Any]]:
    if kind != "zip":
        for values in itertools.product(*axes.values()):
            yield dict(zip(axes, values, strict=True))
        return
    lengths = {name: len(values) for name, values in axes.items() if len(values) > 1}
    if len(set(lengths.values())) > 1:
        raise InputError(f"sweep.kind = zip: lists must be of one length, but there are {lengths}")
    for i in range(max(lengths.values(), default=1)):
        yield {name: values[i if len(values) > 1 else 0] for name, values in axes.items()}


def _matches(rule: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Return True if a point has every value that the rule names; a list allows any of its values."""
    return all(values[key] in (asked if isinstance(asked, list) else [asked]) for key, asked in rule.items())


def _check_rules(name: str, rules: list[dict[str, Any]], axes: Mapping[str, Any]) -> None:
    for i, rule in enumerate(rules):
        for key in rule:
            if key not in axes:
                raise InputError(f"sweep.{name}[{i}].{key}: unknown key; allowed: {', '.join(axes)}")
