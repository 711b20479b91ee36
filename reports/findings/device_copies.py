"""Findings about outliers among devices or nodes: one finding a run, joined over its points. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.cases import numbers
from reports.analysis.device_copies import Copy, Everywhere
from reports.findings.form import Finding
from reports.words.text import clauses, count, percent, quantity, signed_percent

MOST_NAMED = 5
TOGETHER = "Each measured the points for itself, all at the same time."


def odd_ones(found: Sequence[Everywhere]) -> list[Finding]:
    """Return a finding a run on its outliers, or else on their absence or on the lack of a comparison."""
    return [_finding(copies, f"{copies.run}: " if len(found) > 1 else "") for copies in found]


def _finding(found: Everywhere, prefix: str) -> Finding:
    if found.odd:
        return _odd(found, prefix)
    n, (one, many) = found.most, found.noun
    if n < 2:
        evidence = "The points were to be measured on all at once; what one does can be set beside nothing."
        return Finding("gap", f"{prefix}There was one {one} only: nothing to compare", evidence, ())
    farthest = max(found.copies, key=lambda copy: abs(copy.farthest.percent - 100))
    off = abs(farthest.farthest.percent - 100) / 100
    where = f"farthest was {_farthest(farthest)}"
    if n == 2:  # of two copies, the harness calls neither an outlier
        faster = max(_apart(found))
        headline = (
            f"{prefix}Of two {many}, the faster is up to {percent(faster)} faster; which one is odd, two cannot tell"
        )
        return Finding("result", headline, f"{TOGETHER} Over {count(len(found.cases), 'point')}.", found.cases)
    headline = f"{prefix}No {one} is odd: all {n:,} are within {percent(off)} of their median"
    evidence = f"{TOGETHER} At {count(len(found.cases), 'point')}; {where}."
    return Finding("result", headline, evidence, (farthest.farthest.case,))


def _apart(found: Everywhere) -> list[float]:
    """Return the fastest over the slowest - 1 at each point."""
    rates = [[at.percent for copy in found.copies for at in copy.points if at.case is case] for case in found.cases]
    return [max(percents) / min(percents) - 1 for percents in rates if min(percents) > 0]


def _odd(found: Everywhere, prefix: str) -> Finding:
    n, (one, many), odd = found.most, found.noun, found.odd
    if len(odd) == 1:
        headline = f"{prefix}{odd[0].name} is odd among {n:,} {many}: {_told(odd[0])}"
        evidence = [_steadily(odd[0])]
    else:
        headline = f"{prefix}{len(odd):,} of {len(found.copies):,} {many} are odd"
        evidence = [clauses((f"{copy.name}: {_told(copy)}" for copy in odd), MOST_NAMED) + "."]
    if found.rest:
        ends = [at.percent for copy in found.rest for at in copy.points]
        others = f"other {many}" if len(found.rest) > 1 else f"other {one}"
        evidence.append(f"The {len(found.rest):,} {others}: {_range(ends)} of the median.")
    cases = {at.case.number: at.case for copy in odd for at in copy.odd}
    sentences = [*evidence, TOGETHER]
    points = tuple(cases.values())
    return Finding("caution", headline, " ".join(part for part in sentences if part), points, points)


def _told(copy: Copy) -> str:
    """Return the deviation of a copy, as "12.0 % slower than the median at 3 of 4 points"."""
    changes = [at.percent - 100 for at in copy.odd]
    far = sorted(abs(change) for change in changes)
    shown = " to ".join(dict.fromkeys(percent(change / 100) for change in (far[0], far[-1])))
    if min(changes) < 0 < max(changes):
        shown, way = f"{signed_percent(min(changes) / 100)} to {signed_percent(max(changes) / 100)}", "from the median"
    else:
        way = "slower than the median" if changes[0] < 0 else "faster than the median"
    return f"{shown} {way} at {len(copy.odd)} of {count(len(copy.points), 'point')}"


def _steadily(copy: Copy) -> str:
    """Return the points at which a copy is an outlier, and its throughput at the others."""
    start = f"Odd at {numbers([at.case for at in copy.odd])}"
    elsewhere = [at.percent for at in copy.points if not at.odd]
    return f"{start}; elsewhere {_range(elsewhere)} of the median." if elsewhere else f"{start}."


def _farthest(copy: Copy) -> str:
    at = copy.farthest
    return f"{copy.name} with {quantity(at.percent, '%')} at #{at.case.number}"


def _range(percents: Sequence[float]) -> str:
    return " to ".join(dict.fromkeys(f"{value:.1f}\u00a0%" for value in (min(percents), max(percents))))
