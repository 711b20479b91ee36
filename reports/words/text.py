"""Numbers and words for people: significant digits, prefixes, intervals, lists. Pure.

A value keeps three significant digits unless it is a whole number of a thousand or more; percents keep one decimal,
below 1 % two significant digits. Bytes take binary prefixes (KiB = 1024 B), all else decimal ones; seconds never grow
beyond "s".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

DASH = "\u2013"
"""Stands for a value that is not there; a footnote says why."""

_DECIMAL = ("p", "n", "µ", "m", "", "k", "M", "G", "T", "P", "E", "Z")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi")
LEAST, LEAST_PERCENT = 1e-15, 1e-9
"""A thousandth of the smallest prefix: what is less comes from rounding, and is shown as 0."""
FAR_LESS = 1e-4
"""An end of an interval that is less than this of the other one is 0 beside it."""
_PREFIXED = {"FLOP", "FLOP/s", "s", "J", "W", "Hz"}


def decimals(value: float, digits: int = 3) -> int:
    """How many decimals show ``value`` with that many significant digits."""
    if value == 0:
        return 0
    rounded = float(f"{value:.{digits - 1}e}")
    return max(0, digits - 1 - math.floor(math.log10(abs(rounded))))


def number(value: float, digits: int = 3) -> str:
    """``value`` with that many significant digits; exponents only where a plain number would not be read."""
    if not math.isfinite(value):
        return str(value)
    if value != 0 and not 1e-4 <= abs(value) < 1e15:
        return f"{value:.{digits - 1}e}"
    if value == int(value) and abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:,.{decimals(value, digits)}f}"


def scale(value: float, unit: str) -> tuple[float, str]:
    """The divisor that brings ``value`` between 1 and 1000 (1024), and the unit with its prefix."""
    size = abs(value)
    if unit in ("B", "B/s"):
        power = min(int(math.log2(size) // 10), len(_BINARY) - 1) if size >= 1024 else 0
        return float(1024**power), _BINARY[power] + unit
    if unit not in _PREFIXED or size == 0 or not math.isfinite(size):
        return 1.0, unit
    thousands = math.floor(math.log10(float(f"{size:.2e}")) / 3)
    thousands = max(-4, min(0 if unit == "s" else 7, thousands))
    return 10.0 ** (3 * thousands), _DECIMAL[thousands + 4] + unit


def quantity(value: float | None, unit: str) -> str:
    """A value with its unit, as "41.3 GFLOP/s"; a dash where there is none."""
    if value is None:
        return DASH
    if unit in _PREFIXED and abs(value) < LEAST:
        return with_unit("0", unit)
    divisor, prefixed = scale(value, unit)
    return with_unit(percentage(value) if unit == "%" else number(value / divisor), prefixed)


def percentage(value: float) -> str:
    """The digits of a percentage: "112", "41.3", "0.096"."""
    if abs(value) < LEAST_PERCENT:
        return "0.0"
    return number(value, 2) if abs(value) < 0.95 else f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:.1f}"


def with_unit(shown: str, unit: str) -> str:
    """A number and its unit with a space that does not break; the unit "1" is not written."""
    return shown if unit in ("1", "") else f"{shown}\u00a0{unit}"


def interval(value: float | None, low: float | None, high: float | None, unit: str) -> str:
    """The interval in the prefix of its value, as "1.22 to 1.26", on one line; empty where it is none or a point."""
    if value is None or low is None or high is None or low == high:
        return ""
    divisor, prefixed = scale(value or max(abs(low), abs(high)), unit)
    digits = percentage if unit == "%" else number
    low, high = (0.0 if abs(end) < FAR_LESS * max(abs(low), abs(high)) else end for end in (low, high))
    shown = f"{digits(low / divisor)}\u00a0to\u00a0{digits(high / divisor)}"
    return shown if value else with_unit(shown, prefixed)  # a plain 0 has no prefix to share


def fold(ratio: float) -> str:
    """How often a quantity has grown, as "240-fold"."""
    return f"{number(ratio, 2 if ratio < 10 else 3)}-fold"


def percent(share: float) -> str:
    """A share of 1 as percent, as "12.4 %"."""
    return quantity(100 * share, "%")


def signed_percent(change: float) -> str:
    """A relative change, as "+12 %"."""
    value = 100 * change
    return f"{value:+.0f}\u00a0%" if abs(value) >= 9.95 else f"{value:+.1f}\u00a0%"


def scalar(value: object) -> str:
    """The value of a dial or of a configuration's key."""
    if value is None:
        return "not recorded"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:g}" if isinstance(value, float) or abs(value) < 10**6 else f"{value:,}"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Format as "1 point" or "3 points"."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(words: Iterable[str], most: int = 6) -> str:
    """Format as "a, b and c"; beyond ``most`` the rest is counted."""
    shown = list(words)
    if len(shown) > most:
        return f"{', '.join(shown[:most])} and {len(shown) - most} more"
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else "".join(shown)


def clauses(words: Iterable[str], most: int) -> str:
    """Format as "a; b; c", for words that hold commas; beyond ``most`` the rest is counted."""
    shown = list(words)
    more = [f"and {len(shown) - most} more"] if len(shown) > most else []
    return "; ".join(shown[:most] + more)


def span(values: Sequence[float], unit: str = "1") -> str:
    """Smallest to largest, as "3 to 40 s"; one number where all agree."""
    low, high = min(values), max(values)
    if low == high:
        return quantity(low, unit)
    divisor, prefixed = scale(high, unit)
    if scale(low, unit)[0] != divisor:
        return f"{quantity(low, unit)} to {quantity(high, unit)}"
    return f"{number(low / divisor)} to {with_unit(number(high / divisor), prefixed)}"


def chunks(items: Sequence[T], most: int) -> Iterator[tuple[T, ...]]:
    """``items`` in order, in as few parts of about equal length as hold at most ``most`` each."""
    parts = math.ceil(len(items) / most)
    for i in range(parts):
        yield tuple(items[len(items) * i // parts : len(items) * (i + 1) // parts])
