"""Common ground of telemetry: unreadable sources, series of readings, and the parts of a measurement."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

T = TypeVar("T")

FEWEST_FOR_A_TREND = 6
"""Below two values in either third of a series, a difference of the thirds would be one instant against another."""


class Unreadable(Exception):
    """A reading cannot be had. The message says why, as it will stand in the record."""


def read_text(path: Path) -> str:
    """The content of a file of /proc or /sys, stripped. Raises Unreadable."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise Unreadable(f"{path}: {(error.strerror or str(error)).lower()}") from None


def read_number(path: Path) -> int:
    """The whole number in such a file. Raises Unreadable."""
    text = read_text(path)
    try:
        return int(text)
    except ValueError:
        raise Unreadable(f"{path}: holds {text[:40]!r}, not a number") from None


def growth(name: str, before: float, after: float) -> float:
    """How far a counter that only grows has come. Raises Unreadable for one that fell: it wrapped or was reset.

    Every difference of two readings of a counter goes through here: a fall leaves no figure.
    """
    if after < before:
        raise Unreadable(f"{name}: fell from {before:.15g} to {after:.15g}: the counter wrapped or was reset")
    return after - before


class Readings:
    """Values by name. One that cannot be had is null, and its reason stands under "why"."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._why: dict[str, str] = {}

    def take(self, name: str, read: Callable[[], Any]) -> None:
        """Keep what `read` returns, or why it could not."""
        try:
            self._values[name] = read()
        except Unreadable as error:
            self._values[name] = None
            self._why[name] = str(error)

    def to_dict(self) -> dict[str, Any]:
        """{name: value or None, ..., "why": {name: reason}}."""
        return self._values | {"why": self._why}


class Series(Generic[T]):
    """One reading, taken again and again; what fails once is not tried again."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._values: list[T] = []
        self._why: str | None = None

    def sample(self) -> None:
        """Take the reading once more."""
        if self._why is None:
            try:
                self._values.append(self._read())
            except Unreadable as error:
                self._why = str(error)

    def values(self) -> list[T]:
        """All that was read. Raises Unreadable where a reading failed."""
        if self._why is not None or not self._values:
            raise Unreadable(self._why or "no sample was taken")
        return list(self._values)


def summary(series: Series[float]) -> dict[str, float | None]:
    """{"min", "median", "max", "early", "late"}: the last two are medians of the first and the last third.

    They are None below `FEWEST_FOR_A_TREND` values. Raises Unreadable.
    """
    values = series.values()
    third = len(values) // 3
    enough = len(values) >= FEWEST_FOR_A_TREND
    return {
        "min": min(values),
        "median": statistics.median(values),
        "max": max(values),
        "early": statistics.median(values[:third]) if enough else None,
        "late": statistics.median(values[-third:]) if enough else None,
    }


class Meter:
    """A counter of energy that only grows, read now and then beside what runs; between readings it grows evenly.

    Reading at the ends of blocks would be no more exact, for such counters move in steps (NVIDIA's every 0.1 s), and
    would keep the device waiting (2 to 25 ms a reading).
    """

    def __init__(self, joules: Callable[[], float]) -> None:
        self._joules = joules
        self._readings = Series(self._read)

    def sample(self) -> None:
        """Read the counter."""
        self._readings.sample()

    def _read(self) -> tuple[float, float]:
        before = time.perf_counter()
        joules = self._joules()
        return (before + time.perf_counter()) / 2, joules

    def energy_j(self, spans: Mapping[str, Sequence[Span]]) -> dict[str, float]:
        """Joules by part, whose `spans` lie between the first reading and the last. Raises Unreadable."""
        moments, joules = zip(*self._readings.values(), strict=True)
        for before, after in pairwise(joules):
            growth("the energy counter (J)", before, after)
        read = partial(np.interp, xp=moments, fp=joules)
        return {part: float(sum(read(end) - read(begin) for begin, end in each)) for part, each in spans.items()}


Span = tuple[float, float]
"""Begin and end, by time.perf_counter."""


class Parts:
    """Intervals of the parts of a measurement."""

    def __init__(self) -> None:
        self.spans: dict[str, list[Span]] = {}

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Count what runs within to `part`, on top of what it has."""
        start = time.perf_counter()
        yield
        self.spans.setdefault(part, []).append((start, time.perf_counter()))

    def seconds(self) -> dict[str, float]:
        """Total time of each part."""
        return {part: sum(end - begin for begin, end in spans) for part, spans in self.spans.items()}
