"""YAML text -> plain values: what JSON can hold, within limits, so that nothing given can hang, crash or mislead later.

YAML can say much more than a configuration needs: dates, binary, sets, keys that are lists, and aliases by which a few
lines stand for more values than any memory holds. What is no plain value is refused here, with its place.

Scalars are read as YAML 1.2 has them (core schema, yaml.org/spec/1.2.2, chapter 10.3): `1:20` and `yes` are text, `1e3`
is a number. YAML 1.1, which PyYAML speaks, would make 80, true and text of them. `010` is 10 in the one and 8 in the
other, so that it is refused.
"""

from __future__ import annotations

import errno
import math
import os
import re
import unicodedata
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from saih.common import files
from saih.errors import InputError

MOST_BYTES = 2**20
MOST_VALUES = 100_000
MOST_DEPTH = 32
MOST_CHARACTERS = 4096
MOST_INTEGER = 2**63 - 1

_NOT_YAML = (yaml.YAMLError, ValueError, RecursionError)  # such as a month 13, or lists nested without end
_NOT_OF_TAG = (ArithmeticError, LookupError, AttributeError, TypeError)  # such as `!!int ""` or `!!timestamp now`
_NO_TEXT = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, halves of characters, and what ends lines and paragraphs."""


def read(path: Path) -> str:
    """The text of a file. Raises InputError, without the file's name, where it cannot be read or is too long."""
    try:
        return files.read_bounded(path, MOST_BYTES).decode("utf-8")
    except OSError as error:
        too_long = f"is larger than {MOST_BYTES // 2**20} MiB" if error.errno == errno.EFBIG else ""
        folder = os.strerror(errno.EISDIR) if path.is_dir() else ""
        raise InputError(f"cannot be read ({too_long or folder or error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError("cannot be read (is not UTF-8 text)") from error


def load(path: Path) -> Any:
    """The value that a file holds. Raises InputError naming the file, the place and what is allowed there."""
    try:
        return parse(read(path))
    except InputError as error:
        raise error.at(str(path)) from error


def dump(value: Any) -> str:
    """Plain values as text that `parse` reads back, and YAML 1.1 no differently."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)


def parse(text: str) -> Any:
    """The value that `text` holds. Raises InputError naming the place and what is allowed there."""
    try:
        value = yaml.load(text, Loader=_UniqueKeyLoader)
    except _NOT_YAML as error:
        raise InputError(f"is not YAML: {short(error, 300)}") from error
    except _NOT_OF_TAG as error:
        raise InputError(f"is not YAML: a value does not suit its tag ({short(error)})") from error
    _Check().value(value, "", 0)
    return value


_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_SCALARS = (
    ("null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("int", _INTEGER, list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
    ("merge", re.compile("<<"), ["<"]),
    ("timestamp", re.compile(r"\d{4}-\d\d-\d\d([Tt ].*)?"), list("0123456789")),
)
"""Scalars that are no text without quotes: tag, form and first characters. An integer is tried before a float.

Dates are YAML 1.1's; they are refused, as they were always, so that nobody's text becomes another value."""


class _UniqueKeyLoader(yaml.SafeLoader):
    """Safe loading that refuses a key given twice, where PyYAML silently keeps the last."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  as the base class has it

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: the merge key << is not supported")
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: a key must be text")
            if key in seen:
                raise yaml.YAMLError(f"line {node.start_mark.line + 1}: key {short(key)} is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep)

    def integer(self, node: yaml.ScalarNode) -> int:
        """Decimal, 0o octal or 0x hexadecimal; YAML 1.1 would take `010` for octal and `1:20` for sixties."""
        text = str(self.construct_scalar(node))
        digits = text.lstrip("+-")
        if not _INTEGER.fullmatch(text) or (len(digits) > 1 and digits[0] == "0" and digits.isdigit()):
            raise InputError(
                f"line {node.start_mark.line + 1}: {short(text)} may be read in two ways; write a number without a 0 "
                "before it, or put text in quotes"
            )
        return int(text, 0)

    def real(self, node: yaml.ScalarNode) -> float:
        """Decimal, infinite or no number; of what is not finite `_Check` tells the place."""
        text = str(self.construct_scalar(node))
        if not _FLOAT.fullmatch(text):
            raise InputError(f"line {node.start_mark.line + 1}: {short(text)} must be a number")
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


class _Dumper(yaml.SafeDumper):
    """Puts in quotes what either version of YAML would take for something else than text."""


for _tag, _form, _first in _SCALARS:
    _UniqueKeyLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_form.pattern})$"), _first)
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_form.pattern})$"), _first)
_UniqueKeyLoader.add_constructor("tag:yaml.org,2002:int", _UniqueKeyLoader.integer)
_UniqueKeyLoader.add_constructor("tag:yaml.org,2002:float", _UniqueKeyLoader.real)


class _Check:
    """Walks a value as it would be printed, each alias as often as it stands there; ends at the first fault."""

    def __init__(self) -> None:
        self._values = 0

    def value(self, value: object, where: str, depth: int) -> None:
        self._values += 1
        if self._values > MOST_VALUES:
            raise InputError(f"holds more than {MOST_VALUES} values, with each alias as often as it is used")
        if depth > MOST_DEPTH:
            raise InputError(f"{where[:60]}...: is nested more than {MOST_DEPTH} deep")
        if isinstance(value, dict):
            for key, item in value.items():
                _check_key(key, where)
                self.value(item, f"{where}.{key}".lstrip("."), depth + 1)
        elif isinstance(value, list):
            for i, item in enumerate(value):
                self.value(item, f"{where}[{i}]", depth + 1)
        else:
            _check_scalar(value, where)


def _check_key(key: object, where: str) -> None:
    inside = f"{where}: " if where else ""
    if not isinstance(key, str):
        raise InputError(f"{inside}key {_shown(key)}: must be text; put it in quotes")
    if fault := _fault_of_text(key, 100):
        raise InputError(f"{inside}key {_shown(key)}: {fault}")


def _check_scalar(value: object, where: str) -> None:
    given = f"{where} = {_shown(value)}" if where else _shown(value)
    if isinstance(value, str):
        if fault := _fault_of_text(value, MOST_CHARACTERS):
            raise InputError(f"{given}: {fault}")
    elif isinstance(value, int):
        if abs(value) > MOST_INTEGER:
            raise InputError(f"{given}: must be an integer from -2^63 to 2^63")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{given}: must be a finite number")
    elif value is not None:
        raise InputError(f"{given}: must be text, a number, true, false or null; put it in quotes for text")


def _fault_of_text(text: str, most: int) -> str | None:
    if len(text) > most:
        return f"must have at most {most} characters, not {len(text)}"
    if any(unicodedata.category(character) in _NO_TEXT for character in text):
        return "must be a single line of characters that can be printed"
    return None


def _shown(value: object) -> str:
    """A value in few characters; of an integer with more digits than Python writes, how many bits it has."""
    if isinstance(value, int) and value.bit_length() > 1000:
        return f"an integer of {value.bit_length()} bits"
    return short(ascii(value) if isinstance(value, str) else value)


def short(value: object, most: int = 60) -> str:
    """A value as one line of at most `most` characters."""
    text = " ".join(str(value).split())
    return text if len(text) <= most else f"{text[: most - 3]}..."
