"""The predicted gain of removing a cause, in words, with its interval or the reason why there is none. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.words.text import number

WIDE = 1.1
"""An interval whose ends differ by more than this factor has two digits; a narrower one needs three to be visible."""


def in_words(cause: Mapping[str, Any]) -> str:
    """Return the gain as "12 (7.1 to 46) times as fast"; empty if none is predicted."""
    gain, low, high = (_number(cause, key) for key in ("gain", "gain_low", "gain_high"))
    if low is not None and (high is None or gain is None):
        middle = "" if gain is None else f" ({_shown(gain, low, None)} by the medians)"
        return f"at least {_shown(low, low, None)} times as fast{middle}"
    if gain is None:
        return ""
    if low is None or high is None:
        return f"{number(gain, 2)} times as fast{_why(cause)}"
    return f"{_shown(gain, low, high)} ({_shown(low, low, high)} to {_shown(high, low, high)}) times as fast"


def in_a_cell(cause: Mapping[str, Any]) -> tuple[str, str]:
    """Return the gain as "x 12", and its interval as "7.1 to 46", "no interval: ..." or "at least"."""
    gain, low, high = (_number(cause, key) for key in ("gain", "gain_low", "gain_high"))
    if gain is None:
        return ("", "") if low is None else (f"> {_shown(low, low, None)}", "no upper end")
    if low is None:
        return f"x {number(gain)}", str(cause.get("gain_interval") or "")
    if high is None:
        return f"x {_shown(gain, low, None)}", f"at least {_shown(low, low, None)}"
    return f"x {_shown(gain, low, high)}", f"{_shown(low, low, high)} to {_shown(high, low, high)}"


def _why(cause: Mapping[str, Any]) -> str:
    reason = str(cause.get("gain_interval") or "")
    return f" ({reason})" if reason else ""


def _shown(value: float, low: float, high: float | None) -> str:
    return number(value, 2 if high is None or high > WIDE * low else 3)


def _number(cause: Mapping[str, Any], key: str) -> float | None:
    value = cause.get(key)
    return float(value) if isinstance(value, int | float) else None
