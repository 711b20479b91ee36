"""The tables of the parts of steps and of their bottlenecks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.analysis import diagnosis
from reports.analysis.axes import Axis
from reports.analysis.cases import Case, Quantity
from reports.analysis.diagnosis import verdict
from reports.analysis.intervals import within
from reports.analysis.step_parts import BOUND, COPY, METRICS, NAMES, PARTS, REST, STRAGGLER, UNEXPLAINED, Step, share
from reports.tables.form import Cell, Head, Notes, Table, case_cells, case_head, words
from reports.words.gains import in_a_cell
from reports.words.text import percent, quantity

TIMERS = {
    "input_wait_s": "input wait",
    "storage_wait_s": "storage wait",
    "decode_wait_s": "decode wait",
    "h2d_s": "host-device copy",
}
INTERVALS = (*(NAMES[key] for key in METRICS), STRAGGLER)
RESTS = (UNEXPLAINED, REST)


@dataclass(frozen=True)
class Shown:
    """The columns of the table of steps, besides the point, its step time and the rest."""

    parts: tuple[str, ...]
    bound: bool
    timers: tuple[str, ...]


def steps(found: Sequence[Step], axes: Sequence[Axis]) -> Table | None:
    """Return the table of step parts in seconds and as share, with the layers alone and the timers."""
    if not found:
        return None
    notes = Notes()
    parts = [name for name in PARTS if name not in RESTS and any(_tells(step, name) for step in found)]
    bound = any(step.case.value(BOUND) for step in found)
    timers = [name for name in TIMERS if any(step.case.value(name) for step in found)]
    head = (
        *case_head(axes),
        Head("step time"),
        *(Head(name, "% of step, interval" if name in INTERVALS else "% of step") for name in parts),
        Head(" / ".join(dict.fromkeys(step.parts[-1].name for step in found)), "% of step"),
        *((Head("its layers alone", "% of step"),) if bound else ()),
        *(Head(TIMERS[name], "timer") for name in timers),
    )
    shown = Shown(tuple(parts), bound, tuple(timers))
    rows = tuple(_step_row(step, axes, shown, notes) for step in found)
    return Table("steps", "Where the time of a step goes", head, rows, notes.listed())


def _step_row(step: Step, axes: Sequence[Axis], shown: Shown, notes: Notes) -> tuple[Cell, ...]:
    case = step.case
    return (
        *case_cells(case, axes),
        Cell(quantity(step.step.value, "s")),
        *(_part(step, name, notes) for name in shown.parts),
        _rest(step, notes),
        *((_bound(case, notes),) if shown.bound else ()),
        *(notes.cell(case.quantity(name)) for name in shown.timers),
    )


def _tells(step: Step, name: str) -> bool:
    """True if a step has the part, or a reason for its absence."""
    part = step.part(name)
    return name in dict(step.missing) or (part is not None and part.share != 0)


def _part(step: Step, name: str, notes: Notes) -> Cell:
    """Return seconds with the share of the step and its interval below."""
    part, why = step.part(name), dict(step.missing).get(name)
    if why is not None:
        return notes.missing(why)
    if part is None:
        whole = "part of the rest: the step was not profiled"
        return Cell("0\u00a0s") if step.profiled or name == COPY else notes.missing(whole)
    why = "the interval includes zero" if part.resolved is False else part.why
    mark = notes.mark(why) if why and part.share else ""
    return Cell(quantity(part.seconds, "s"), f"{percent(part.share)}{_within(part.share, part.low, part.high)}", mark)


BY_CONSTRUCTION = (
    "zero by construction, but for what medians differ by: on a GPU the gaps are what the profiled busy time leaves of "
    "the timed step; the table of checks holds what can fail"
)
NEAR_ZERO = 0.02
"""Share of the step by which medians of differences may deviate from differences of medians."""


def _rest(step: Step, notes: Notes) -> Cell:
    rest = step.parts[-1]
    on_gpu = diagnosis.profile(step.case).get("device") == "cuda"
    if on_gpu and abs(rest.share) < NEAR_ZERO:
        mark = notes.mark(BY_CONSTRUCTION)
    else:
        negative = "; negative, for they add up to more than the step" if rest.share < 0 else ""
        mark = notes.mark(f"{rest.why}{negative}")
    return Cell(quantity(rest.seconds, "s"), percent(rest.share), mark)


def _within(value: float, low: float | None, high: float | None) -> str:
    return within(Quantity(value, "1", low, high))


def _bound(case: Case, notes: Notes) -> Cell:
    seconds, part = case.quantity(BOUND), share(case, BOUND)
    return notes.missing(seconds.why) if part.value is None else Cell(quantity(seconds.value, "s"), percent(part.value))


def bounds(cases: Sequence[Case], axes: Sequence[Axis]) -> Table | None:
    """Return the table of bottlenecks in the harness's words: a row for each cause, or one for the verdict."""
    judged = [case for case in cases if diagnosis.diagnosis(case).get("verdict")]
    if not judged:
        return None
    gains = any(diagnosis.causes(case) for case in judged)
    head = (
        *case_head(axes),
        Head("bound by", number=False),
        *((Head("share of the step"), Head("speed-up without it", "predicted")) if gains else ()),
        Head("evidence", number=False),
    )
    notes = Notes()
    rows = [row for case in judged for row in _bound_rows(case, axes, gains, notes)]
    return Table("bounds", "What bounds each point", head, tuple(rows), notes.listed())


def _bound_rows(case: Case, axes: Sequence[Axis], gains: bool, notes: Notes) -> list[tuple[Cell, ...]]:
    start, causes = case_cells(case, axes), diagnosis.causes(case)
    if not causes:
        empty = (Cell(""), Cell("")) if gains else ()
        evidence = str(diagnosis.diagnosis(case).get("evidence") or "")
        return [(*start, words(verdict(case), _remark(case)), *empty, words(evidence))]
    blank = tuple(Cell("") for _ in start)
    return [
        (*(blank if i else start), *_cause(cause, "" if i else _remark(case), notes)) for i, cause in enumerate(causes)
    ]


def _remark(case: Case) -> str:
    verdicts = diagnosis.differ(case)
    return f"processes differ: {verdicts}" if verdicts else ""


def _cause(cause: Mapping[str, Any], remark: str, notes: Notes) -> tuple[Cell, ...]:
    """Return the cells of a cause.

    The end of a path costs no share, and nothing is to be gained by removing it.
    """
    share = _number(cause.get("share"))
    return (
        words(str(cause.get("verdict") or cause.get("cause")), remark),
        Cell("") if share is None else Cell(percent(share)),
        _gain(cause, notes),
        Cell(str(cause.get("evidence") or ""), str(cause.get("help") or ""), number=False),
    )


def _gain(cause: Mapping[str, Any], notes: Notes) -> Cell:
    """Return the gain, its interval or a footnote on the lack of one, and the time saved."""
    shown, interval = in_a_cell(cause)
    why = [interval] if interval.startswith("no interval") else []
    why += [str(cause["caveat"])] if shown and cause.get("caveat") else []
    saved = _number(cause.get("saved_s"))
    less = "" if saved is None or not shown else f"\u2212{quantity(saved, 's')}"
    detail = "; ".join(part for part in ("" if interval.startswith("no interval") else interval, less) if part)
    return Cell(shown, detail, notes.mark("; ".join(why)) if why else "")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
