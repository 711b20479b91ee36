"""What all sources of telemetry share: readings that cannot be had, series of readings, and energy by part."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

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


class Readings:
    """Values by name. One that cannot be had is null, and its reason stands under "why"."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._why: dict[str, str] = {}

    def take(self, name: str, read: Callable[[], Any]) -> None:
        """Keep what ``read`` returns, or why it could not."""
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
    """Energy by part of the measurement, and over all of it ("window"), from a counter that only grows."""

    def __init__(self, joules: Callable[[], float]) -> None:
        self._joules = joules
        self._why: str | None = None
        self._by_part: dict[str, float] = {}

    def now(self) -> float:
        """The counter in joules; 0 from the first failure on, which `energy_j` then tells."""
        if self._why is None:
            try:
                return self._joules()
            except Unreadable as error:
                self._why = str(error)
        return 0.0

    def add(self, part: str, joules: float) -> None:
        """Count ``joules`` to ``part``."""
        self._by_part[part] = self._by_part.get(part, 0.0) + joules

    def energy_j(self) -> dict[str, float]:
        """Joules by part. Raises Unreadable."""
        if self._why is not None:
            raise Unreadable(self._why)
        return dict(self._by_part)


class Parts:
    """Time and, by every meter, energy of what runs within `of`."""

    def __init__(self, meters: list[Meter]) -> None:
        self._meters = meters
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Count what runs within to ``part``, on top of what it has."""
        before, start = [meter.now() for meter in self._meters], time.perf_counter()
        yield
        self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - start
        for meter, joules in zip(self._meters, before, strict=True):
            meter.add(part, meter.now() - joules)
