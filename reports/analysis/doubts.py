"""Doubts about the points that carry a figure, in few words. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reports.analysis.cases import Case, half_width_percent, numbers
from reports.analysis.suspects import WHOSE, by_cause, reasons
from reports.words.text import clauses, number

WIDE_PERCENT = 5.0
"""A rate whose interval is wider than this, either way, is worth a word."""
MOST_QUOTED = 2
"""Up to this many suspect points are quoted in their own words; more are named by cause."""
DETAILS = re.compile(r" \(|, from |, in \d| from the first | within the measurement|, and asked ")
"""The start of the details in a record's sentence."""


def doubts(cases: Sequence[Case]) -> str:
    """Return the points that are suspect, stopped at the time limit or have wide intervals; "" if there are none."""
    numbered = {case.number: case for case in cases if case.ok}
    once = [numbered[number] for number in sorted(numbered)]
    suspect = [case for case in once if reasons(case)]
    limit = [case for case in once if _stopped_at_limit(case)]
    wide = [case for case in once if not _stopped_at_limit(case) and _width(case) > WIDE_PERCENT]
    phrases = _suspects(suspect)
    if limit:
        phrases.append(f"{numbers(limit, 4)} stopped at the time limit, {_up_to(limit)}")
    if wide:
        phrases.append(f"{numbers(wide, 4)} {'are' if len(wide) > 1 else 'is'} known to {_up_to(wide)} only")
    return "; ".join(phrases)


def doubted(cases: Sequence[Case]) -> str:
    """Return `doubts` in brackets with a space before, to follow the figures; empty if there are none."""
    words = doubts(cases)
    return f" ({words})" if words else ""


def _suspects(cases: Sequence[Case]) -> list[str]:
    """Return the worst reason of each point or, for many points, their causes."""
    if len(cases) <= MOST_QUOTED:
        return [f"#{case.number} is suspect: {_in_short(reasons(case)[0][1])}" for case in cases]
    causes = dict.fromkeys(cause for case in cases for cause in by_cause(case))
    return [f"{numbers(cases, 4)} are suspect: {clauses(causes, 2)}"]


def _in_short(sentence: str) -> str:
    """Return a record's sentence without its host and details."""
    return DETAILS.split(WHOSE.sub("", sentence))[0]


def _stopped_at_limit(case: Case) -> bool:
    return any(record.samples.get("stopped") == "limit" for record in case.ok)


def _width(case: Case) -> float:
    return half_width_percent(case) or 0.0


def _up_to(cases: Sequence[Case]) -> str:
    """Return the widest interval, as "± 16 %" or, of several, "up to ± 16 %"."""
    widest = f"± {number(max(map(_width, cases)), 2)} %"
    return f"up to {widest}" if len(cases) > 1 else widest
