"""Which of the points that carry a figure are to be doubted, and why, in few words. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reports.analysis.cases import Case, half_width_percent, numbers
from reports.analysis.suspects import WHOSE, by_cause, reasons
from reports.words.text import clauses, number

WIDE_PERCENT = 5.0
"""An interval of the rate wider than this, either way, is worth a word."""
MOST_QUOTED = 2
"""So many suspect points have their own words quoted; more are named by cause."""
DETAILS = re.compile(r" \(|, from |, in \d| from the first | within the measurement|, and asked ")
"""Where a record's sentence goes into details."""


def doubts(cases: Sequence[Case]) -> str:
    """Of these points, those that are suspect, stopped at the time limit or have wide intervals; "" if none is."""
    numbered = {case.number: case for case in cases if case.ok}
    once = [numbered[number] for number in sorted(numbered)]
    suspect = [case for case in once if reasons(case)]
    limit = [case for case in once if _stopped_at_limit(case)]
    wide = [case for case in once if not _stopped_at_limit(case) and _width(case) > WIDE_PERCENT]
    told = _suspects(suspect)
    if limit:
        told.append(f"{numbers(limit, 4)} stopped at the time limit, {_up_to(limit)}")
    if wide:
        told.append(f"{numbers(wide, 4)} {'are' if len(wide) > 1 else 'is'} known to {_up_to(wide)} only")
    return "; ".join(told)


def doubted(cases: Sequence[Case]) -> str:
    """`doubts` in brackets with a space before, to follow the figures; empty if there are none."""
    told = doubts(cases)
    return f" ({told})" if told else ""


def _suspects(cases: Sequence[Case]) -> list[str]:
    """The worst reason of each, or where they are many, the points by their first cause."""
    if len(cases) <= MOST_QUOTED:
        return [f"#{case.number} is suspect: {_in_short(reasons(case)[0][1])}" for case in cases]
    causes = dict.fromkeys(cause for case in cases for cause in by_cause(case))
    return [f"{numbers(cases, 4)} are suspect: {clauses(causes, 2)}"]


def _in_short(sentence: str) -> str:
    """A record's sentence without its host and details."""
    return DETAILS.split(WHOSE.sub("", sentence))[0]


def _stopped_at_limit(case: Case) -> bool:
    return any(record.samples.get("stopped") == "limit" for record in case.ok)


def _width(case: Case) -> float:
    return half_width_percent(case) or 0.0


def _up_to(cases: Sequence[Case]) -> str:
    """The widest interval, as "± 16 %"."""
    widest = f"± {number(max(map(_width, cases)), 2)} %"
    return f"up to {widest}" if len(cases) > 1 else widest
