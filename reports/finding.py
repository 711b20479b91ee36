"""The form of a finding."""

from __future__ import annotations

from dataclasses import dataclass

from reports.cases import Case, Quantity
from reports.text import interval


@dataclass(frozen=True)
class Finding:
    """One thing the records say. ``kind``: result, caution (doubt on the run) or gap (not known)."""

    kind: str
    headline: str
    evidence: str
    cases: tuple[Case, ...]


def within(share: Quantity) -> str:
    """The interval of a share of 1, in percent and brackets with a space before; empty where there is none."""
    if share.value is None or share.low is None or share.high is None:
        return ""
    shown = interval(100 * share.value, 100 * share.low, 100 * share.high, "%")
    return f" ({shown})" if shown else ""
