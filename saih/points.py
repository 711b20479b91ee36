"""Configuration -> points: which combinations are measured, which are left out. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saih.app import App, Execution, Point
from saih.config import Config
from saih.errors import InputError


@dataclass(frozen=True)
class Points:
    """What a configuration asks for: the points to measure and those it excludes by name."""

    wanted: tuple[Point, ...]
    excluded: tuple[Point, ...]


def expand(config: Config, app: App) -> Points:
    """All points of a configuration, each validated by the application.

    Raises InputError for a dial the application does not have, a value it cannot take, or an exclusion that
    names no key of a point.
    """
    axes = {**_size_axes(config.size, app), **config.run.axes()}
    _check_exclusions(config.sweep.exclude, axes)
    data = app.resolve_data(config.data)
    wanted: list[Point] = []
    excluded: list[Point] = []
    for values in _combinations(axes, config.sweep.kind):
        size = {name: values[name] for name in app.dials}
        run = Execution(**{name: values[name] for name in config.run.axes()})
        out = any(rule.items() <= values.items() for rule in config.sweep.exclude)
        for repeat in range(config.sweep.repeats):
            point = Point(config.app, size, run, data, repeat)
            if not out:
                app.validate(point)
            (excluded if out else wanted).append(point)
    if not wanted:
        raise InputError("sweep.exclude: leaves no point to measure")
    return Points(tuple(wanted), tuple(excluded))


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
    if kind == "matrix":
        for values in itertools.product(*axes.values()):
            yield dict(zip(axes, values, strict=True))
        return
    lengths = {name: len(values) for name, values in axes.items() if len(values) > 1}
    if len(set(lengths.values())) > 1:
        raise InputError(f"sweep.kind = zip: lists must be of one length, but there are {lengths}")
    for i in range(max(lengths.values(), default=1)):
        yield {name: values[i if len(values) > 1 else 0] for name, values in axes.items()}


def _check_exclusions(rules: list[dict[str, Any]], axes: Mapping[str, Any]) -> None:
    for i, rule in enumerate(rules):
        for key in rule:
            if key not in axes:
                raise InputError(f"sweep.exclude[{i}].{key}: unknown key; allowed: {', '.join(axes)}")
