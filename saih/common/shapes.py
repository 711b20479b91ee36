"""Types of values that were read: checks that name the place of what does not fit. Pure.

A shape is called with a value and its place, and raises Wrong where the value is not of that kind. Shapes are put
together from smaller ones; a mapping may hold more keys than its shape names, since a later version adds some.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

LARGEST = 1e30
"""No figure of a measurement is larger: 10^30 FLOP take an exaflop machine 30,000 years. Squares stay finite."""
MOST_CHARACTERS = 60

Shape = Callable[[Any, str], None]


class Wrong(Exception):
    """A value of the wrong kind; the message has the value, its place, and the allowed kind."""


def anything(value: Any, where: str) -> None:
    """Whatever JSON holds."""


def plain(value: Any, where: str) -> None:
    """Whatever JSON holds, but no number that is not finite or larger than any figure is."""
    if isinstance(value, dict):
        by_name(plain)(value, where)
    elif isinstance(value, list):
        many(plain)(value, where)
    else:
        scalar(value, where)


def text(value: Any, where: str) -> None:
    """Words."""
    if not isinstance(value, str):
        raise _wrong(value, where, "text")


def flag(value: Any, where: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise _wrong(value, where, "true or false")


def scalar(value: Any, where: str) -> None:
    """One value: words, a finite number, true, false or null."""
    if isinstance(value, int | float):
        number(float(value) if isinstance(value, bool) else value, where)
    elif value is not None and not isinstance(value, str):
        raise _wrong(value, where, "a single value")


def number(value: Any, where: str) -> None:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(value, where, "a number")
    if not abs(value) <= LARGEST:  # holds for NaN, too
        raise _wrong(value, where, f"finite, and no larger than {LARGEST:g}")


def not_negative(value: Any, where: str) -> None:
    """A number from 0 on."""
    number(value, where)
    if value < 0:
        raise _wrong(value, where, "0 or more")


def positive(value: Any, where: str) -> None:
    """A number above 0."""
    number(value, where)
    if value <= 0:
        raise _wrong(value, where, "more than 0")


def whole(least: int) -> Shape:
    """An integer from `least` on."""

    def check(value: Any, where: str) -> None:
        number(value, where)
        if not isinstance(value, int) or value < least:
            raise _wrong(value, where, f"an integer, {least} or more")

    return check


def optional(shape: Shape) -> Shape:
    """Null, or a value of `shape`."""

    def check(value: Any, where: str) -> None:
        if value is not None:
            shape(value, where)

    return check


def one_of(shape: Shape, other: Shape) -> Shape:
    """A value of either shape; the second one complains."""

    def check(value: Any, where: str) -> None:
        try:
            shape(value, where)
        except Wrong:
            other(value, where)

    return check


def word(*allowed: str) -> Shape:
    """One of these words."""

    def check(value: Any, where: str) -> None:
        if value not in allowed:
            raise _wrong(value, where, f"one of {', '.join(allowed)}")

    return check


def many(shape: Shape) -> Shape:
    """A list of such values."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, list):
            raise _wrong(value, where, "a list")
        for i, each in enumerate(value):
            shape(each, f"{where}[{i}]")

    return check


def filled(shape: Shape) -> Shape:
    """A list of such values that is not empty."""

    def check(value: Any, where: str) -> None:
        many(shape)(value, where)
        if not value:
            raise Wrong(f"{where}: is empty")

    return check


def by_name(shape: Shape) -> Shape:
    """An object whose values are all such."""

    def check(value: Any, where: str) -> None:
        for key, each in _object(value, where).items():
            shape(each, _at(where, key))

    return check


def fields(needed: Mapping[str, Shape], more: Mapping[str, Shape] | None = None) -> Shape:
    """An object that holds the keys of `needed` and may hold those of `more`, each of its shape."""

    def check(value: Any, where: str) -> None:
        held = _object(value, where)
        for key in needed:
            if key not in held:
                raise Wrong(f"{_at(where, key)}: is missing")
        for key, shape in {**needed, **(more or {})}.items():
            if key in held:
                shape(held[key], _at(where, key))

    return check


def fault(shape: Shape, value: Any, where: str = "") -> str | None:
    """Return why `value` is not of `shape`, in one line, or None."""
    try:
        shape(value, where)
    except Wrong as wrong:
        return str(wrong)
    return None


def too_deep(value: Any, most: int) -> bool:
    """Return True if lists and objects are nested deeper than `most`."""
    level = [value]
    for _ in range(most):
        level = [each for held in level for each in _held(held)]
        if not level:
            return False
    return True


def _held(value: Any) -> list[Any]:
    """Return the lists and objects directly in a value."""
    found = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for each in found if isinstance(each, dict | list)]


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(value, where, "an object")
    return value


def _at(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _wrong(value: Any, where: str, allowed: str) -> Wrong:
    return Wrong(f"{where} = {shown(value)}: must be {allowed}")


def shown(value: Any) -> str:
    """A value in one short line without control characters."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST:
        return "a number of more than 30 digits"
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    told = json.dumps(value)
    told = told[1:-1] if isinstance(value, str) else told
    return told if len(told) <= MOST_CHARACTERS else f"{told[:MOST_CHARACTERS]}..."
