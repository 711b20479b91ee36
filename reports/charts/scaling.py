"""The figures of scaling over ranks as plain data: one for weak scaling, one for strong. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.axes import namer
from reports.analysis.scaling import KINDS, STRONG, WEAK, Scaling
from reports.analysis.trend import Trend
from reports.charts.trend import Chart, Line, Mark, Panel
from reports.words.glossary import label_of
from reports.words.text import count

KEPT = {WEAK: "the batch is per rank (weak scaling)", STRONG: "the batch of all ranks together stays (strong scaling)"}


def scaling_charts(trend: Trend) -> list[Chart]:
    """Return charts of scaling efficiency against ranks, a line a problem.

    A kind has no chart unless a problem ran at three numbers of ranks.
    """
    return [chart for kind in KINDS for chart in _of_kind(kind, trend)]


def _of_kind(kind: str, trend: Trend) -> list[Chart]:
    groups: dict[int, list[Scaling]] = {}
    for scaling in trend.scalings:
        if scaling.kind == kind:
            groups.setdefault(scaling.reference.number, []).append(scaling)
    if max(map(len, groups.values()), default=0) < 2:
        return []
    names = _names(kind, groups, trend)
    lines = tuple(_line(names[number], i, group) for i, (number, group) in enumerate(groups.items()))
    ticks = tuple(sorted({mark.x for line in lines for mark in line.marks}))
    caption = (
        f"Throughput of a rank relative to that at the fewest ranks of the same problem, all else equal; {KEPT[kind]}. "
        "Vertical bars take the worst ends of both intervals."
    )
    efficiency = label_of("scaling_efficiency")
    alt = (
        f"Line chart: {efficiency}, {kind}, against ranks, {count(len(lines), 'problem')}. The table holds the values."
    )
    colours = tuple(names.values()) if len(names) > 1 else ()
    name = "scaling" if kind == WEAK else f"scaling-{kind}"
    title, panels = f"{efficiency}, {kind}", (Panel("", lines),)
    return [Chart(name, title, "%", False, "ranks", "1", ticks, "", colours, (), panels, caption, alt)]


def _names(kind: str, groups: dict[int, list[Scaling]], trend: Trend) -> dict[int, str]:
    """Return the names of the problems; they include the batch of all ranks together if strong scaling has several."""
    hidden = {"ranks"} if kind == WEAK else {"ranks", "batch"}
    left = [axis for axis in trend.axes if not hidden.issuperset(axis.keys)]
    name = namer(left, [scaling.case for group in groups.values() for scaling in group])
    several = kind == STRONG and len({group[0].batch for group in groups.values()}) > 1
    return {
        number: ", ".join(
            part for part in (name(group[0].reference), f"batch {group[0].batch}" if several else "") if part
        )
        for number, group in groups.items()
    }


def _line(name: str, colour: int, found: Sequence[Scaling]) -> Line:
    first = found[0].reference
    marks = [Mark(first.number, "", float(first.ranks), 100.0, None, None, first.status)]
    for scaling in found:
        y, low, high = (None if end is None else 100 * end for end in _ends(scaling))
        marks.append(Mark(scaling.case.number, "", float(scaling.case.ranks), y, low, high, scaling.case.status))
    return Line(name, colour, 0, tuple(sorted(marks, key=lambda mark: mark.x)))


def _ends(scaling: Scaling) -> tuple[float | None, float | None, float | None]:
    return scaling.efficiency.value, scaling.efficiency.low, scaling.efficiency.high
