"""The figures of the trend as plain data: marks, lines and panels, with captions and texts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.analysis.axes import Axis, namer
from reports.analysis.cases import Case, numbers
from reports.analysis.trend import Series, Trend
from reports.words.glossary import label_of
from reports.words.text import chunks, count, listed, quantity, span
from saih.records.record import UNDECIDED

PANELS_A_FIGURE = 4


@dataclass(frozen=True)
class Mark:
    """A point with its number, the growing dial's value and its place; without a result `y` is None.

    `status` names the reason.
    """

    case: int
    label: str
    x: float
    y: float | None
    low: float | None
    high: float | None
    status: str


@dataclass(frozen=True)
class Line:
    """Marks to join; `colour` and `style` are indices of the chart's lists."""

    name: str
    colour: int
    style: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Panel:
    """A small figure of its own; the title names its points."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Chart:
    """A metric against problem size, or against ranks.

    `growth` names the values written at the points. `ticks` holds the values of x if there are few, else nothing.
    """

    name: str
    title: str
    unit: str
    logarithmic: bool
    x_title: str
    x_unit: str
    ticks: tuple[float, ...]
    growth: str
    colours: tuple[str, ...]
    styles: tuple[str, ...]
    panels: tuple[Panel, ...]
    caption: str
    alt: str


def trend_charts(cases: Sequence[Case], trend: Trend) -> list[Chart]:
    """Return charts of the reference metric, the share of the datasheet peak and samples/s against problem size.

    Below two measured sizes there are none.
    """
    if len({case.flop_per_step for case in cases if case.ok} - {None, 0}) < 2:
        return []
    metrics = dict.fromkeys([trend.yardstick, "percent_of_peak", "samples_per_s"])
    return [chart for name in metrics for chart in _charts(cases, trend, name)]


def _charts(cases: Sequence[Case], trend: Trend, metric: str) -> list[Chart]:
    """Return the charts of one metric, of a few panels each so that none is larger than a page."""
    groups: dict[str, list[Line]] = {}
    for series in trend.series:
        groups.setdefault(_panel_title(series, trend), []).append(_line(series, trend, metric))
    panels = [Panel(title, tuple(line for line in lines if line.marks)) for title, lines in groups.items()]
    panels = [panel for panel in panels if any(mark.y is not None for line in panel.lines for mark in line.marks)]
    drawn = {mark.case for panel in panels for line in panel.lines for mark in line.marks}
    left = [case for case in cases if case.number not in drawn]
    charts = []
    for i, chunk in enumerate(chunks(panels, PANELS_A_FIGURE)):
        name = metric.replace("_", "-") + (f"-{i + 1}" if i else "")
        unit = next(measured.unit for case in cases if (measured := case.quantity(metric)).value is not None)
        charts.append(_chart(name, metric, unit, chunk, trend, [] if i else left))
    return charts


def _chart(name: str, metric: str, unit: str, panels: tuple[Panel, ...], trend: Trend, left: Sequence[Case]) -> Chart:
    roles = trend.roles
    style = roles.style if roles.style not in roles.colour else None
    return Chart(
        name,
        label_of(metric),
        unit,
        metric not in ("percent_of_measured_peak", "percent_of_peak"),
        "work per device and step (FLOP)",
        "FLOP",
        (),
        roles.growth.name if roles.growth else "",
        tuple(_palette(trend).values()),
        tuple(style.label(value) for value in style.values) if style else (),
        panels,
        _caption(metric, panels, trend, left),
        _alt(metric, unit, panels),
    )


def _palette(trend: Trend) -> dict[tuple[int, ...], str]:
    """Return the meaning of each colour, in order of the colour axes."""
    cases = [case for series in trend.series for case in series.cases + series.lost]
    name = namer(trend.roles.colour, cases)
    names = {trend.roles.colour_of(case): name(case) for case in cases}
    return {place: names[place] for place in sorted(names)} if trend.roles.colour else {}


def _panel_title(series: Series, trend: Trend) -> str:
    case = (series.cases + series.lost)[0]
    return ", ".join(axis.label(axis.of(case)) for axis in trend.roles.panels)


def _line(series: Series, trend: Trend, metric: str) -> Line:
    roles = trend.roles
    cases = [case for case in series.cases if case.value(metric) is not None]
    first = (series.cases + series.lost)[0]
    style = roles.style.values.index(roles.style.of(first)) if roles.style else 0
    colour = list(_palette(trend)).index(roles.colour_of(first)) if roles.colour else 0
    lost = [case for case in series.lost if case.status not in UNDECIDED]
    marks = tuple(_mark(case, roles.growth, metric) for case in [*cases, *lost])
    return Line(series.label, colour, style, marks)


def _mark(case: Case, growth: Axis | None, metric: str) -> Mark:
    measured = case.quantity(metric)
    label = growth.show(growth.of(case)) if growth else f"#{case.number}"
    return Mark(case.number, label, case.flop_per_step or 0.0, measured.value, measured.low, measured.high, case.status)


def _caption(metric: str, panels: Sequence[Panel], trend: Trend, left: Sequence[Case]) -> str:
    growth, marks = trend.roles.growth, [mark for panel in panels for line in panel.lines for mark in line.marks]
    bars = any(mark.low is not None for mark in marks)
    sentences = [
        f"{label_of(metric).capitalize()} against the work of one device in one step (FLOP per sample x batch).",
        f"Lines join points equal in all but {growth.name}, whose value is written at the points." if growth else "",
        "Vertical bars are the intervals." if bars else "No interval is recorded.",
        _lost_caption(marks),
        _left_out(left),
    ]
    return " ".join(part for part in sentences if part)


def _lost_caption(marks: Sequence[Mark]) -> str:
    lost = list(dict.fromkeys(mark.status for mark in marks if mark.y is None))
    return f"On the lower edge, where they would stand: points without a result ({listed(lost)})." if lost else ""


def _left_out(left: Sequence[Case]) -> str:
    """Return a sentence on points without a place in the figure: not measured, or of unknown value or size."""
    skipped = [case for case in left if case.status in UNDECIDED]
    unknown = [case for case in left if case.status not in UNDECIDED]
    reasons = [f"{numbers(skipped)} (not measured)"] if skipped else []
    reasons += [f"{numbers(unknown)} (value or work per sample not known)"] if unknown else []
    return f"Not drawn: {listed(reasons)}." if reasons else ""


def _alt(metric: str, unit: str, panels: Sequence[Panel]) -> str:
    marks = [mark for panel in panels for line in panel.lines for mark in line.marks if mark.y is not None]
    lines = sum(len(panel.lines) for panel in panels)
    x, y = [mark.x for mark in marks], [mark.y for mark in marks if mark.y is not None]
    return (
        f"Line chart: {label_of(metric)} against work per device and step. {count(lines, 'line')}, "
        f"{count(len(marks), 'point')}; from {quantity(min(y), unit)} to {quantity(max(y), unit)}; "
        f"work {span(x, 'FLOP')}. The table of points holds the values."
    )
