"""YAML -> typed, frozen configuration. An unknown key, a wrong type or an illegal value is one line that says so.

The section `size` holds the application's dials and `data` what it reads; the application checks both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from saih.app import Execution
from saih.config import yaml_values
from saih.emulate import Settings
from saih.errors import InputError

SCHEMA = 1


class Section(BaseModel):
    """A part of the configuration: frozen, strict about types, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _all_different(values: list[Any]) -> list[Any]:
    """A value given twice would be measured twice under one id."""
    repeated = [value for i, value in enumerate(values) if value in values[:i]]
    if repeated:
        raise ValueError(f"holds {yaml_values.short(repeated[0])} twice")
    return values


def _reference(app: str) -> str:
    """Check the form of an application's reference; whether it exists is checked later."""
    if not re.fullmatch(r"\w+(\.\w+)*(:\w+)?", app):
        raise ValueError("must be a folder of apps/, or my.module:APP")
    return app


_OneOrMore = (Field(min_length=1, max_length=1000), BeforeValidator(_as_list), AfterValidator(_all_different))
Counts = Annotated[list[Annotated[int, Field(ge=1)]], *_OneOrMore]
Words = Annotated[list[str], *_OneOrMore]
Rates = Annotated[list[Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]], *_OneOrMore]
Precisions = Annotated[list[Literal["fp32", "tf32", "bf16", "fp16"]], *_OneOrMore]
Seconds = Annotated[float, Field(gt=0, le=1e7, allow_inf_nan=False)]


class Run(Section):
    """Run options; every key takes a value or a list of values."""

    ranks: Counts = [1]
    batch: Counts = [1]
    precision: Precisions = ["fp32"]
    execution: Words = ["plain"]
    input: Words = ["dataset"]
    background_read_mb_s: Rates = [0.0]

    def axes(self) -> dict[str, list[Any]]:
        """The values by name, in the order of `saih.app.Execution`."""
        return {name: getattr(self, name) for name in Execution.__dataclass_fields__}


class Grow(Section):
    """How sizes grow, and what ends it besides the end of memory; null: that does not.

    `along`: dial -> factor of each step; several dials grow together. `steps`: sizes at most. `flat_percent`:
    ends when two steps running gained less in FLOP/s a device. `budget_s`: time for all points of one way of running.
    `bisections`: how often the frontier of memory is halved. `batch`: run.batch, or the largest power of two that
    fits each size.
    """

    along: Annotated[dict[str, Annotated[float, Field(gt=1, le=64)]], Field(min_length=1)]
    steps: Annotated[int, Field(ge=1, le=1000)] = 16
    flat_percent: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = 3.0
    budget_s: Seconds | None = None
    bisections: Annotated[int, Field(ge=0, le=20)] = 3
    batch: Literal["fixed", "largest"] = "fixed"


class Sweep(Section):
    """Which combinations are measured. `beyond_slots`: what a point with more ranks than devices leads to.

    `only` and `exclude` are rules: a point matches one if it has every value, or one of every list of values, that
    the rule names. What matches none of `only` is no part of the sweep; what matches one of `exclude` is recorded
    as skipped. `everywhere`: every device, or every node, measures each point for itself, all at once.
    """

    kind: Literal["matrix", "zip", "grow"] = "matrix"
    grow: Grow | None = None
    only: list[dict[str, Any]] = []
    exclude: list[dict[str, Any]] = []
    repeats: Annotated[int, Field(ge=1, le=1000)] = 1
    beyond_slots: Literal["refuse", "skip"] = "refuse"
    everywhere: Literal["device", "node"] | None = None


class Measure(Section):
    """End of a measurement: the interval's half-width, or the time limit.

    `soak_s`: so long it runs full steps before any counts. `profile`: whether some steps run under a profiler
    afterwards, which tells where the time goes.
    """

    target_percent: Annotated[float, Field(gt=0, le=100)] = 1.0
    max_s: Seconds = 20.0
    soak_s: Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)] = 0.0
    profile: bool = True

    @property
    def longest_s(self) -> float:
        """Longest time of soak and measurement together."""
        return self.soak_s + self.max_s


class Limits(Section):
    """What ends a point. `memory_gib` a rank: null leaves the machine's own end.

    `silence_s`: a point hangs if, once its steps run, no block ends within this time (or within 20 times what a block
    took, if that is longer), or if before that its ranks compute nothing for this time. Compiling may take longer.
    """

    point_timeout_s: Seconds = 600.0
    silence_s: Seconds = 60.0
    memory_gib: Annotated[float, Field(gt=0, le=1e6)] | None = None


class Launch(Section):
    """How ranks start. `wrapper` is put before each rank's command, its words as they are; `mpiexec` names one that
    is not on PATH.

    `cores_per_rank` null: the host's cores divided by the largest number of ranks of the sweep.
    """

    launcher: Literal["auto", "mpiexec", "srun"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    mpiexec: str | None = None
    cores_per_rank: Annotated[int, Field(ge=1)] | None = None
    wrapper: list[str] = []


class SlowRank(Section):
    """A rank that runs for `share` of the time."""

    rank: Annotated[int, Field(ge=0)]
    share: Annotated[float, Field(ge=0.01, le=0.99)]


class StopRank(Section):
    """A rank that stops for good `after_s` seconds after its start."""

    rank: Annotated[int, Field(ge=0)]
    after_s: Annotated[float, Field(ge=0, le=1e7)]


class Emulate(Section):
    """Disturbances of all points, real and labelled; null: none. docs/emulate.md. Rates are in MB/s (1e6 B/s)."""

    storage_mb_s: Annotated[float, Field(ge=1e-3, le=1e6)] | None = None
    link_mb_s: Annotated[float, Field(ge=1e-3, le=1e6)] | None = None
    slow_rank: SlowRank | None = None
    stop_rank: StopRank | None = None
    memory_gib: Annotated[float, Field(ge=1e-3, le=1e6)] | None = None

    def settings(self) -> Settings:
        """The same as `saih.emulate` takes it."""
        return Settings.of(self.model_dump())


class Config(Section):
    """The whole of a sweep's configuration."""

    config_schema: Annotated[Literal[1], Field(alias="schema")]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    app: Annotated[str, AfterValidator(_reference)]
    data: dict[str, Any] = {}
    size: dict[str, Annotated[list[Any], *_OneOrMore]]
    run: Run = Run()
    sweep: Sweep = Sweep()
    measure: Measure = Measure()
    limits: Limits = Limits()
    launch: Launch = Launch()
    emulate: Emulate = Emulate()

    def resolved(self) -> dict[str, Any]:
        """Every key with the value in force, as YAML and JSON can hold it."""
        return self.model_dump(by_alias=True)

    def to_yaml(self) -> str:
        """The resolved configuration as text that `load` reads back."""
        return yaml_values.dump(self.resolved())


def load(path: Path) -> Config:
    """The configuration in `path`. Raises InputError naming the file, the key and what is allowed."""
    try:
        return parse(yaml_values.read(path))
    except InputError as error:
        raise error.at(str(path)) from error


def parse(text: str) -> Config:
    """The configuration in YAML `text`. Raises InputError naming the key and what is allowed."""
    raw = yaml_values.parse(text)
    if not isinstance(raw, dict):
        raise InputError("must hold keys and values; docs/configuration.md shows them all")
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise InputError(_in_words(error)) from error
    _require_emulation(config)
    _require_time_to_soak(config)
    return config


def _require_emulation(config: Config) -> None:
    """Raise InputError where disturbances do not suit the rest."""
    link, memory = config.emulate.link_mb_s, config.emulate.memory_gib
    if link is not None and config.launch.device != "cpu":
        raise InputError(f"emulate.link_mb_s = {link:g}: needs launch.device: cpu; GPUs would not use these links")
    if memory is not None and config.limits.memory_gib is not None:
        raise InputError(f"emulate.memory_gib = {memory:g}: limits.memory_gib would replace it; give one of them")


def _require_time_to_soak(config: Config) -> None:
    """Raise InputError where every point would be killed before it has been measured."""
    measure, timeout_s = config.measure, config.limits.point_timeout_s
    if measure.soak_s and measure.longest_s >= timeout_s:
        raise InputError(
            f"measure.soak_s = {measure.soak_s:g}: with measure.max_s = {measure.max_s:g} it must be less than "
            f"limits.point_timeout_s = {timeout_s:g}"
        )


def _in_words(error: ValidationError) -> str:
    """The first of pydantic's findings as one line: key, value, what is allowed."""
    found = error.errors(include_url=False)[0]
    location = tuple(part for part in found["loc"] if part != "[key]")
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    if found["type"] == "extra_forbidden":
        return f"{where}: unknown key; allowed: {', '.join(_keys_at(location[:-1]))}"
    if found["type"] == "missing":
        return f"{where}: is required"
    text = found["msg"].replace("Input should be", "must be").removeprefix("Value error, ")
    return f"{where} = {yaml_values.short(found['input'])}: {text[0].lower()}{text[1:]}"


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Config
    for part in location:
        annotation = next(f.annotation for n, f in model.model_fields.items() if part in (n, f.alias))
        options = (annotation, *get_args(annotation))  # a section, or a section or null
        model = next(each for each in options if isinstance(each, type) and issubclass(each, BaseModel))
    return [field.alias or name for name, field in model.model_fields.items()]


def differences(old: Mapping[str, Any], new: Mapping[str, Any], where: str = "") -> dict[str, tuple[Any, Any]]:
    """The keys, dotted, under which two nested mappings hold different values: key -> (old, new)."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in dict.fromkeys([*old, *new]):
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found |= differences(a, b, f"{where}{key}.")
        elif a != b:
            found[f"{where}{key}"] = (a, b)
    return found
