"""Findings about scaling over ranks. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from reports.analysis.cases import numbers
from reports.analysis.doubts import doubted
from reports.analysis.intervals import within
from reports.analysis.scaling import KINDS, STRONG, WEAK, Scaling
from reports.findings.form import Finding
from reports.words.text import clauses, count, listed, number, percent

Between = Mapping[tuple[int, int], Sequence[Scaling]]
"""Scalings by their two numbers of ranks: from and to."""

COMPARED = {
    WEAK: "Samples/s per rank, batch per rank unchanged (weak scaling)",
    STRONG: "Samples/s at the same size and the same batch of all ranks together, which ranks share (strong scaling)",
}


def scaling(scalings: Sequence[Scaling]) -> list[Finding]:
    """Return findings on the efficiency at the most ranks and on the way there, weak and strong apart."""
    return [finding for kind in KINDS for finding in _of_kind([each for each in scalings if each.kind == kind])]


def _of_kind(scalings: Sequence[Scaling]) -> list[Finding]:
    groups: dict[tuple[int, int], list[Scaling]] = {}
    for each in scalings:
        groups.setdefault((each.reference.ranks, each.case.ranks), []).append(each)
    if not groups:
        return []
    farthest = max(groups, key=lambda ends: (ends[1], -ends[0]))
    return [_finding(farthest, groups[farthest], {ends: groups[ends] for ends in sorted(groups) if ends != farthest})]


def _finding(ranks: tuple[int, int], found: Sequence[Scaling], between: Between) -> Finding:
    ordered = sorted(found, key=lambda each: each.efficiency.value or 0.0)
    ends = [ordered[0], ordered[-1]] if len(ordered) > 1 else ordered
    values = [percent(each.efficiency.value or 0.0) for each in ends]
    told = [
        f"{value}{within(each.efficiency)} at #{each.case.number}" for value, each in zip(values, ends, strict=True)
    ]
    basis = tuple(case for each in found for case in (each.reference, each.case))
    over = [each.case for each in found if each.efficiency.low is not None and each.efficiency.low > 1]
    doubts = dict.fromkeys(each.doubt for each in found if each.doubt)
    evidence = [
        f"{COMPARED[found[0].kind]}, over {count(len(found), 'problem')}:",
        f"{' to '.join(told)}{doubted(basis)}.",
        _on_the_way(ranks[0], between),
        f"Not a pure efficiency: {listed(doubts, 2)}." if doubts else "",
        f"Beyond 100 % by more than its interval at {numbers(over)}: at {count(ranks[0], 'rank')} these points are "
        "slower than the comparison can explain; the records do not say why."
        if over
        else "",
    ]
    shown = " to ".join(dict.fromkeys(values))
    headline = _strong(ranks, ends, shown) if found[0].kind == STRONG else _weak(ranks, shown)
    kind = "caution" if doubts or over else "result"
    return Finding(
        kind, headline, " ".join(part for part in evidence if part), tuple(each.case for each in ends), basis
    )


def _weak(ranks: tuple[int, int], shown: str) -> str:
    return f"Weak scaling: at {ranks[1]} ranks the throughput of a rank is {shown} of that at {ranks[0]}"


def _strong(ranks: tuple[int, int], ends: Sequence[Scaling], shown: str) -> str:
    ratios = " to ".join(dict.fromkeys(number(each.speed_up, 2) for each in ends))
    return (
        f"Strong scaling: at {ranks[1]} ranks the same work goes {ratios} times as fast as at {ranks[0]}, "
        f"{shown} of the ideal {number(ends[0].ideal)}"
    )


def _on_the_way(few: int, between: Between) -> str:
    """Return a sentence on the medians at other numbers of ranks; it names the fewest ranks if they differ."""
    medians = []
    for (start, ranks), group in between.items():
        middle = statistics.median(each.efficiency.value or 0.0 for each in group)
        since = "" if start == few else f" relative to {start}"
        medians.append(f"{percent(middle)} at {ranks}{since} (median of {count(len(group), 'problem')})")
    return f"At other numbers of ranks: {clauses(medians, 6)}." if medians else ""
