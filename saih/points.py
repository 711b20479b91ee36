"""Configuration -> points. A point is one problem size under one execution; this module is pure.

A point's id is a readable part and a hash of all that it is, so that it is stable between runs, differs
whenever the work differs, and serves as a file name.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from saih.errors import InputError

if TYPE_CHECKING:
    from saih.app import App
    from saih.config import Config

Number = int | float


@dataclass(frozen=True)
class Execution:
    """How a problem is run.

    ``ranks`` MPI ranks (one device each), ``batch`` samples a rank and step, ``precision`` fp32 | tf32 | bf16 |
    fp16, ``execution`` and ``input`` as the application offers them.
    """

    ranks: int
    batch: int
    precision: str
    execution: str
    input: str


@dataclass(frozen=True)
class Point:
    """One measurement to make: an application at a size, run in one way on one data set."""

    app: str
    size: Mapping[str, Number]
    run: Execution
    data: Mapping[str, Any] = field(default_factory=dict)
    repeat: int = 0

    @property
    def id(self) -> str:
        """Stable name of the point, safe as a file name."""
        digest = hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()
        dials = "-".join(f"{name}{value:g}" for name, value in self.size.items())
        repeat = f"-repeat{self.repeat}" if self.repeat else ""
        return f"{dials}-ranks{self.run.ranks}{repeat}-{digest[:8]}"

    @property
    def label(self) -> str:
        """The point in words, for people."""
        dials = " ".join(f"{name}={value:g}" for name, value in self.size.items())
        repeat = f" repeat={self.repeat}" if self.repeat else ""
        return f"{dials} ranks={self.run.ranks} batch={self.run.batch} {self.run.precision}{repeat}"

    def to_dict(self) -> dict[str, Any]:
        """The form a record holds and a worker receives."""
        return asdict(self) | {"size": dict(self.size), "data": dict(self.data)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Point:
        """Inverse of `to_dict`."""
        return cls(raw["app"], raw["size"], Execution(**raw["run"]), raw["data"], raw["repeat"])


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
