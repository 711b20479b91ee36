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
"""Stands for a missing value; a footnote has the reason."""

_DECIMAL = ("p", "n", "µ", "m", "", "k", "M", "G", "T", "P", "E", "Z")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi")
LEAST, LEAST_PERCENT = 1e-15, 1e-9
"""A thousandth of the smallest prefix; smaller values come from rounding and are shown as 0."""
FAR_LESS = 1e-4
"""Ratio below which an end of an interval is shown as 0 beside the other end."""
_PREFIXED = {"FLOP", "FLOP/s", "s", "J", "W", "Hz"}


def decimals(value: float, digits: int = 3) -> int:
    """Return the number of decimals that show `value` with that many significant digits."""
    if value == 0:
        return 0
    rounded = float(f"{value:.{digits - 1}e}")
    return max(0, digits - 1 - math.floor(math.log10(abs(rounded))))


def number(value: float, digits: int = 3) -> str:
    """Return `value` with that many significant digits, in exponent form only if a plain number would be unreadable."""
    if not math.isfinite(value):
        return str(value)
    if value != 0 and not 1e-4 <= abs(value) < 1e15:
        return f"{value:.{digits - 1}e}"
    if value == int(value) and abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:,.{decimals(value, digits)}f}"


def scale(value: float, unit: str) -> tuple[float, str]:
    """Return the divisor that brings `value` between 1 and 1000 (1024), and the unit with its prefix."""
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
    """Return a value with its unit, as "41.3 GFLOP/s"; a dash if there is none."""
    if value is None:
        return DASH
    if unit in _PREFIXED and abs(value) < LEAST:
        return with_unit("0", unit)
    divisor, prefixed = scale(value, unit)
    return with_unit(percentage(value) if unit == "%" else number(value / divisor), prefixed)


def percentage(value: float) -> str:
    """Return the digits of a percentage: "112", "41.3", "0.096"."""
    if abs(value) < LEAST_PERCENT:
        return "0.0"
    return number(value, 2) if abs(value) < 0.95 else f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:.1f}"


def with_unit(shown: str, unit: str) -> str:
    """Return a number and its unit with a space that does not break; the unit "1" is left out."""
    return shown if unit in ("1", "") else f"{shown}\u00a0{unit}"


def interval(value: float | None, low: float | None, high: float | None, unit: str) -> str:
    """Return the interval in the prefix of its value, as "1.22 to 1.26", on one line; empty if missing or a point."""
    if value is None or low is None or high is None or low == high:
        return ""
    divisor, prefixed = scale(value or max(abs(low), abs(high)), unit)
    digits = percentage if unit == "%" else number
    low, high = (0.0 if abs(end) < FAR_LESS * max(abs(low), abs(high)) else end for end in (low, high))
    shown = f"{digits(low / divisor)}\u00a0to\u00a0{digits(high / divisor)}"
    return shown if value else with_unit(shown, prefixed)  # a plain 0 has no prefix to share


def fold(ratio: float) -> str:
    """Return the factor by which a quantity has grown, as "240-fold"."""
    return f"{number(ratio, 2 if ratio < 10 else 3)}-fold"


def percent(share: float) -> str:
    """Return a share of 1 as percent, as "12.4 %"."""
    return quantity(100 * share, "%")


def signed_percent(change: float) -> str:
    """Return a relative change, as "+12 %"."""
    value = 100 * change
    return f"{value:+.0f}\u00a0%" if abs(value) >= 9.95 else f"{value:+.1f}\u00a0%"


def scalar(value: object) -> str:
    """Return the value of a dial or of a configuration's key, as text."""
    if value is None:
        return "not recorded"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:g}" if isinstance(value, float) or abs(value) < 10**6 else f"{value:,}"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun, as "1 point" or "3 points"."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(words: Iterable[str], most: int = 6) -> str:
    """Return words as "a, b and c", with a count of those beyond `most`."""
    shown = list(words)
    if len(shown) > most:
        return f"{', '.join(shown[:most])} and {len(shown) - most} more"
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else "".join(shown)


def clauses(words: Iterable[str], most: int) -> str:
    """Return words that hold commas as "a; b; c", with a count of those beyond `most`."""
    shown = list(words)
    more = [f"and {len(shown) - most} more"] if len(shown) > most else []
    return "; ".join(shown[:most] + more)


def span(values: Sequence[float], unit: str = "1") -> str:
    """Return the range from smallest to largest, as "3 to 40 s"; one number if all agree."""
    low, high = min(values), max(values)
    if low == high:
        return quantity(low, unit)
    divisor, prefixed = scale(high, unit)
    if scale(low, unit)[0] != divisor:
        return f"{quantity(low, unit)} to {quantity(high, unit)}"
    return f"{number(low / divisor)} to {with_unit(number(high / divisor), prefixed)}"


def chunks(items: Sequence[T], most: int) -> Iterator[tuple[T, ...]]:
    """Yield `items` in order, in the fewest parts of about equal length that hold at most `most` each."""
    parts = math.ceil(len(items) / most)
    for i in range(parts):
        yield tuple(items[len(items) * i // parts : len(items) * (i + 1) // parts])
