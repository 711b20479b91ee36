"""Load an application and check its declarations and answers; each fault is one line.

`load` gives an application behind `Checked`, which looks at every answer when it is given. So what an application
gets wrong is told by its own name and call, before anything is measured, and is never a fault of what uses it.
"""

from __future__ import annotations

import importlib
import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar, cast

from saih.app import App, Context, Cost, Dial, Execution, Layer, MetricSpec, Number, Point, Work
from saih.common import given
from saih.common.shapes import Wrong
from saih.errors import AppFault, InputError, lacking
from saih.metrics.catalogue import UNITS

PARTS = ("name", "version", "dials", "metrics", "resolve_data", "validate", "cost", "prepare", "build")
BETTER = ("higher", "lower", "none")
COLUMNS = ("id", "point", "app", "size", "run", "data", "repeat", "status", "error", "label")
"""What a record and the tables of a report call their own parts."""
RUN = tuple(Execution.__dataclass_fields__)
MOST_DATA_BYTES, MOST_FACTS_BYTES = 2**16, 2**22
"""Of `resolve_data`, which every point holds, and of `prepare`, which every record holds."""


_Answer = TypeVar("_Answer")


def load(reference: str) -> Checked:
    """The application called `cosmoflow` (the folder apps/cosmoflow) or `my.module:APP`. Raises InputError."""
    module_name, _, attribute = reference.partition(":")
    if not attribute:
        module_name, attribute = f"apps.{reference}", "APP"
    where = f"app = {reference}"
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise InputError(f"{where}: {module_name} needs the module {error.name}") from error
        raise InputError(
            f"{where}: there is no module {module_name}; allowed: a folder of apps/, or my.module:APP with "
            "my.module installed or on PYTHONPATH"
        ) from error
    except (Exception, SystemExit) as error:
        if isinstance(error, ImportError) and lacking(error):
            raise
        raise AppFault(f"{where}: importing {module_name} {raised(error)}") from error
    app = getattr(module, attribute, None)
    missing = [part for part in PARTS if not hasattr(app, part)]
    if missing:
        raise AppFault(f"{where}: {module_name}.{attribute} has no {missing[0]}; see docs/adding-an-app.md")
    return Checked(cast(App, app), reference)


class Checked:
    """An application whose declarations and answers are checked; itself one (`saih.app.App`).

    Its calls raise AppFault, which names the call, where the application raises anything but InputError or answers
    what it must not. Calls that only some applications have are there if the application has them.
    """

    def __init__(self, app: App, reference: str) -> None:
        """Raises AppFault where a declaration is wrong."""
        self._app, self._where = app, f"app = {reference}"
        try:
            self.name, self.version = given.words(app.name, "name"), given.words(app.version, "version")
            self.dials: Mapping[str, Dial] = _dials(app.dials)
            self.metrics: Sequence[MetricSpec] = _metrics(app.metrics, self.dials)
        except Wrong as wrong:
            raise AppFault(f"{self._where}: {wrong}") from wrong

    def resolve_data(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration's `data` with its defaults."""
        answer = self._call("resolve_data", data)
        return self._checked(given.jsonable, answer, "resolve_data", MOST_DATA_BYTES)

    def validate(self, point: Point) -> None:
        """Raises InputError, unless the point can be built."""
        self._call("validate", point)

    def cost(self, point: Point) -> Cost:
        """Return the cost of one sample of `point`."""
        return self._cost("cost", point)

    def prepare(self, context: Context, points: Sequence[Point]) -> dict[str, Any]:
        """Makes or checks the input of `points`. What it raises keeps its place for the worker's log."""
        answer = self._app.prepare(context, points)
        return self._checked(given.jsonable, answer, "prepare", MOST_FACTS_BYTES)

    def build(self, context: Context, point: Point) -> Work:
        """The work of `point` on this rank."""
        return self._app.build(context, point)

    def __getattr__(self, part: str) -> Any:
        """The calls that an application may have besides: cost_on, layers, network, module."""
        found = getattr(self._app, part)
        if part == "cost_on":
            return lambda point, device, cores: self._cost(part, point, device, cores)
        if part == "layers":
            return lambda point: self._checked(_layers, self._call(part, point), part)
        return found

    def _cost(self, part: str, point: Point, *more: Any) -> Cost:
        try:
            answer = self._checked(_cost, self._call(part, point, *more), part)
            math.isfinite(answer.flop_per_sample * point.run.batch / 1.0)
        except OverflowError as error:
            sizes = ", ".join(f"{name} = {value:g}" for name, value in point.size.items())
            raise InputError(f"size: {sizes}: costs more operations than a number can hold") from error
        return answer

    def _call(self, part: str, *words: Any) -> Any:
        try:
            return getattr(self._app, part)(*words)
        except (InputError, OverflowError) as error:
            if isinstance(error, OverflowError) and not part.startswith("cost"):
                raise AppFault(f"{self._where}: {part} {raised(error)}") from error
            raise
        except Exception as error:
            if isinstance(error, ImportError) and lacking(error):
                raise
            raise AppFault(f"{self._where}: {part} {raised(error)}") from error

    def _checked(self, check: Callable[..., _Answer], *answer: Any) -> _Answer:
        try:
            return check(*answer)
        except Wrong as wrong:
            raise AppFault(f"{self._where}: {wrong}") from wrong


def raised(error: BaseException) -> str:
    """Describe an exception and its place in one line: "raised ValueError: too large (my_app.py, line 12)"."""
    text = " ".join(str(error).split())[:300]
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith("<")]
    last = frames[-1] if frames else None
    there = last and last.filename != __file__ and not isinstance(error, SyntaxError)
    place = f" ({last.filename.rpartition('/')[2]}, line {last.lineno})" if there and last else ""
    return f"raised {type(error).__name__}{f': {text}' if text else ''}{place}"


def _metrics(specs: Any, dials: Any) -> tuple[MetricSpec, ...]:
    """The metrics declared: none that takes the place of the harness's figures, of a key of the point, or of another"""
    if not isinstance(specs, list | tuple):
        raise Wrong(f"metrics = {given.short(specs)}: must be a sequence of saih.app.MetricSpec")
    found: dict[str, MetricSpec] = {}
    for spec in specs:
        if not isinstance(spec, MetricSpec):
            raise Wrong(f"metrics: holds {given.short(spec)}: must be a saih.app.MetricSpec")
        name = given.name(spec.name, "metric")
        for taken, whose in ((UNITS, "a metric"), (RUN, "a key of run"), (COLUMNS, "a part of its records")):
            if name in taken:
                raise Wrong(f"metric {name}: the harness has {whose} of that name; call it something else")
        if name in dials or name in found:
            raise Wrong(f"metric {name}: is declared twice{', also as a dial' if name in dials else ''}")
        for part in ("unit", "label", "method"):
            given.words(getattr(spec, part), f"metric {name}: {part}")
        if spec.better not in BETTER:
            raise Wrong(f"metric {name}: better = {given.short(spec.better)}: must be one of {', '.join(BETTER)}")
        if not isinstance(spec.axis, bool):
            raise Wrong(f"metric {name}: axis = {given.short(spec.axis)}: must be True or False")
        found[name] = spec
    return tuple(found.values())


def _dials(dials: Any) -> dict[str, Dial]:
    if not isinstance(dials, Mapping):
        raise Wrong(f"dials = {given.short(dials)}: must be a dictionary of saih.app.Dial")
    for key, dial in dials.items():
        name = given.name(key, "dial")
        for taken, whose in ((RUN, "a key of run"), (COLUMNS, "a part of its records"), (UNITS, "a metric")):
            if name in taken:
                raise Wrong(f"dial {name}: the harness has {whose} of that name; call it something else")
        if not isinstance(dial, Dial):
            raise Wrong(f"dial {name} = {given.short(dial)}: must be a saih.app.Dial")
        if dial.kind not in (int, float):
            raise Wrong(f"dial {name}: kind = {given.short(dial.kind)}: must be int or float")
        given.words(dial.help, f"dial {name}: help")
        given.figure(dial.minimum, f"dial {name}: minimum")
        _number_or_none(dial.default, f"dial {name}: default")
        if (step := _number_or_none(dial.step, f"dial {name}: step")) is not None and step <= 0:
            raise Wrong(f"dial {name}: step = {step}: must be more than 0")
    return dict(dials)


def _number_or_none(value: Any, where: str) -> Number | None:
    return None if value is None else given.figure(value, where)


def _cost(cost: Any, part: str) -> Cost:
    if not isinstance(cost, Cost):
        raise Wrong(f"{part} returned {given.short(cost)}: must be a saih.app.Cost")
    return replace(cost, **{key: given.whole(getattr(cost, key), f"{part}: {key}") for key in _names(Cost)})


def _layers(layers: Any, part: str) -> tuple[Layer, ...]:
    if not isinstance(layers, list | tuple):
        raise Wrong(f"{part} returned {given.short(layers)}: must be a sequence of saih.app.Layer")
    found: dict[str, Layer] = {}
    for layer in layers:
        if not isinstance(layer, Layer):
            raise Wrong(f"{part}: holds {given.short(layer)}: must be a saih.app.Layer")
        name = given.words(layer.name, f"{part}: name")
        if name in found:
            raise Wrong(f"{part}: {name} is there twice")
        counts: dict[str, Any] = {
            key: given.counted(getattr(layer, key), f"{part}: {name}: {key}") for key in _names(Layer) if key != "name"
        }
        found[name] = replace(layer, **counts)
    return tuple(found.values())


def _names(kind: type[Cost] | type[Layer]) -> list[str]:
    return [each.name for each in fields(kind)]
