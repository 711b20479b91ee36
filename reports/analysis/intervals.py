"""Intervals of quantities as text. Pure."""

from __future__ import annotations

from reports.analysis.cases import Quantity
from reports.words.text import interval, signed_percent


def within(share: Quantity) -> str:
    """Return the interval of a share of 1, in percent and brackets with a space before; empty if there is none."""
    if share.value is None or share.low is None or share.high is None:
        return ""
    shown = interval(100 * share.value, 100 * share.low, 100 * share.high, "%")
    return f" ({shown})" if shown else ""


def signed_interval(change: Quantity) -> str:
    """Return the interval of a relative change in percent, as "-3 % to +12 %"; empty if there is none."""
    if change.low is None or change.high is None or change.low == change.high:
        return ""
    return f"{signed_percent(change.low)}\u00a0to\u00a0{signed_percent(change.high)}"
