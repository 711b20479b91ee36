"""Values that an application gives, taken as plain Python and JSON have them, or refused with their place. Pure.

numpy's integers and floats count as numbers and become Python's. Each check raises `saih.common.shapes.Wrong`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from saih.common.shapes import LARGEST, Wrong

MOST_CHARACTERS = 60
"""Of a value that is shown, and of a name."""
MOST_DEPTH = 32
"""Lists and objects within one another."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def whole(value: Any, where: str) -> int:
    """An integer, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise _wrong(value, where, "an integer")
    if value < 0:
        raise _wrong(value, where, "0 or more")
    return int(value)


def counted(value: Any, where: str) -> int:
    """An integer from 0 on that a record can hold."""
    found = whole(value, where)
    if found > LARGEST:
        raise _wrong(value, where, f"no larger than {LARGEST:g}")
    return found


def figure(value: Any, where: str) -> float:
    """A finite number that a record can hold."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise _wrong(value, where, "a number")
    try:
        found = float(value)
    except OverflowError:
        found = LARGEST * 2
    if not math.isfinite(found):
        raise _wrong(value, where, "finite")
    if abs(found) > LARGEST:
        raise _wrong(value, where, f"no larger than {LARGEST:g}")
    return found


def amount(value: Any, where: str) -> float:
    """A finite number, 0 or more."""
    found = figure(value, where)
    if found < 0:
        raise _wrong(value, where, "0 or more")
    return found


def name(value: Any, where: str) -> str:
    """Small letters, digits and underscores, a letter first: a key of a record."""
    if not isinstance(value, str) or not _NAME.fullmatch(value) or len(value) > MOST_CHARACTERS:
        allowed = f"small letters, digits and _, a letter first, at most {MOST_CHARACTERS} of them"
        raise _wrong(value, where, allowed)
    return value


def words(value: Any, where: str, most: int = 1000) -> str:
    """One line of text that is not empty."""
    if not isinstance(value, str):
        raise _wrong(value, where, "text")
    if not value.strip() or len(value) > most or not value.isprintable():
        raise _wrong(value, where, f"one line of text, 1 to {most} characters")
    return value


def jsonable(value: Any, where: str, most_bytes: int) -> dict[str, Any]:
    """An object as JSON holds it, of at most so many bytes."""
    if not isinstance(value, Mapping):
        raise _wrong(value, where, "a dictionary")
    found: dict[str, Any] = _plain(value, where, 0)
    size = len(json.dumps(found))
    if size > most_bytes:
        raise Wrong(f"{where}: holds {size} bytes as JSON; must be at most {most_bytes}")
    return found


def short(value: Any) -> str:
    """A value in one short line."""
    try:
        told = " ".join(repr(value).split())
    except Exception:  # an integer of thousands of digits, or an object whose __repr__ is broken
        told = "a number of too many digits" if isinstance(value, int) else f"an object of type {type(value).__name__}"
    return told if len(told) <= MOST_CHARACTERS else f"{told[:MOST_CHARACTERS]}..."


def _plain(value: Any, where: str, depth: int) -> Any:
    if depth > MOST_DEPTH:
        raise Wrong(f"{where}: is nested more than {MOST_DEPTH} deep")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise Wrong(f"{where}: its key {short(key)} must be text")
        return {key: _plain(each, f"{where}.{key}", depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, f"{where}[{i}]", depth + 1) for i, each in enumerate(value)]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Real):
        found = figure(value, where)
        return int(value) if isinstance(value, Integral) else found
    raise _wrong(value, where, "text, a number, true, false, null, a list or a dictionary")


def _wrong(value: Any, where: str, allowed: str) -> Wrong:
    return Wrong(f"{where} = {short(value)}: must be {allowed}")
