"""Findings about the trend: the share of the peak that is reached, the end of growth, the strongest dial. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from reports.analysis.axes import Axis, grows, is_ranks, namer
from reports.analysis.cases import Case, Quantity, numbers
from reports.analysis.diagnosis import verdict
from reports.analysis.doubts import doubted, doubts
from reports.analysis.input_sources import IO_KEYS
from reports.analysis.intervals import signed_interval
from reports.analysis.reference_metric import RATE, SHARE, beyond, ceilings, suspicions
from reports.analysis.scaling import total_batch
from reports.analysis.trend import FLAT, RISES, UNRESOLVED, Growth, Trend
from reports.findings.form import Finding
from reports.words.text import clauses, count, fold, interval, listed, number, quantity, signed_percent, span


@dataclass(frozen=True)
class Words:
    """The reference metric in the two forms that sentences need."""

    of: str
    """After a figure: "of the measured ceiling"."""
    noun: str


MOST_SERIES = 3
"""Series whose last step is described."""


YARDSTICK_WORDS = {
    SHARE: Words(" of the measured ceiling", "the share of the measured ceiling"),
    "percent_of_peak": Words(" of the datasheet peak", "the share of the datasheet peak"),
    RATE: Words(" a device", "the rate per device"),
}


def reach(cases: Sequence[Case], trend: Trend) -> list[Finding]:
    """Return findings on the share of the peak and its growth, one for each precision, execution and run."""
    groups: dict[str, list[Case]] = {}
    joined = [axis for axis in trend.axes if is_ranks(axis) or {"ranks", *IO_KEYS}.issuperset(axis.keys)]
    apart = [axis for axis in trend.axes if not grows(axis, cases) and axis not in joined]
    name = namer(apart, cases)
    for case in cases:
        if case.value(trend.yardstick) is not None:
            groups.setdefault(name(case), []).append(case)
    if not groups:
        return [_nothing(cases)]
    return [_reach(name, group, trend) for name, group in groups.items()]


def _nothing(cases: Sequence[Case]) -> Finding:
    if any(case.ok for case in cases):
        return Finding("gap", "No rate is known", "The measured points carry neither a share of a peak nor FLOP/s.", ())
    statuses = [case.status for case in cases]
    counts = listed(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
    return Finding("caution", "No point was measured", f"Of {count(len(cases), 'point')}: {counts}.", ())


def _reach(name: str, group: Sequence[Case], trend: Trend) -> Finding:
    words, where = YARDSTICK_WORDS[trend.yardstick], trend.where
    values = {case.number: case.quantity(trend.yardstick) for case in group}
    low = min(group, key=lambda case: values[case.number].value or 0.0)
    high = max(group, key=lambda case: values[case.number].value or 0.0)
    prefix = f"{name}: " if name else ""
    of = words.of + (", which does not hold for this work" if trend.yardstick == SHARE and beyond(high) else "")
    if len(group) == 1:
        headline = f"{prefix}The one measured point reaches {_show_fully(values[high.number])}{of}"
        evidence = f"{where(high)}{_own(high, trend)}{doubted(group)}.{_others(group, trend)}"
        return Finding("result", headline, evidence, (high,))
    shown = f"{_show(values[low.number])} to {_show(values[high.number])}{of}"
    if low.flop_per_step and high.flop_per_step and _are_ends(low, high, group):
        shown = f"From {shown} as the work of a step grows {fold(high.flop_per_step / low.flop_per_step)}"
    ends = _ends(group)
    top = f"The highest, {_show_fully(values[high.number])}{_own(high, trend)}, is at {where(high)} (#{high.number})"
    if low not in ends:
        lowest = f"{_show_fully(values[low.number])}{_own(low, trend)}"
        top += f", the lowest, {lowest}, at {where(low)} (#{low.number})"
    doubt = doubts([*ends, high, low])
    sentences = [_from_end_to_end(ends, values, trend), f"{top}; {doubt}." if doubt else f"{top}."]
    evidence = f"{' '.join(sentence for sentence in sentences if sentence)}{_others(group, trend)}"
    return Finding("result", f"{prefix}{shown}", evidence, (low, high), tuple(group))


def _are_ends(low: Case, high: Case, group: Sequence[Case]) -> bool:
    """True if the lowest value is at the smallest problem and the highest at the largest."""
    sizes = [case.flop_per_step for case in group if case.flop_per_step]
    shared = low.ranks != high.ranks and total_batch(low) == total_batch(high)  # the same step, not a larger one
    return low.flop_per_step == min(sizes) < max(sizes) == high.flop_per_step and not shared


def _ends(group: Sequence[Case]) -> tuple[Case, ...]:
    """Return the smallest and the largest problem, at the fewest ranks that have both; empty if no work is known."""
    sized = [case for case in group if case.flop_per_step]
    if not sized:
        return ()
    small = min(sized, key=lambda case: (case.flop_per_step or 0.0, case.ranks))
    return small, max(sized, key=lambda case: (case.flop_per_step or 0.0, case.ranks == small.ranks, -case.ranks))


def _from_end_to_end(ends: tuple[Case, ...], values: dict[int, Quantity], trend: Trend) -> str:
    """Return a sentence on the smallest problem against the largest."""
    words, where = YARDSTICK_WORDS[trend.yardstick], trend.where
    if not ends:
        return ""
    small, large = ends
    work = [quantity(case.flop_per_step, "FLOP") for case in (small, large)]
    if large.flop_per_step == small.flop_per_step:
        return f"All points do {work[0]} per device and step."
    grown = fold((large.flop_per_step or 0.0) / (small.flop_per_step or 1.0))
    return (
        f"At the smallest problem ({work[0]} per device and step: {where(small)}) {words.noun} is "
        f"{_show_fully(values[small.number])}{_own(small, trend)}, at the largest ({work[1]}: {where(large)}) "
        f"{_show_fully(values[large.number])}{_own(large, trend)}, while the work grows {grown}."
    )


def _own(case: Case, trend: Trend) -> str:
    """Return a point's share to follow its rate, if shares do not compare."""
    share = case.quantity(SHARE)
    return f", {_show(share)} of its own ceiling" if trend.own_ceilings and share.value is not None else ""


def _others(group: Sequence[Case], trend: Trend) -> str:
    """Return sentences on the choice of rates, the datasheet's peak and suspect ceilings, as far as they apply."""
    rates = _differing(group) if trend.own_ceilings else ""
    reasons = suspicions(group)
    doubt = f" The measured ceiling is suspect: {clauses(reasons, 2)}." if reasons else ""
    return rates + _datasheet(group, trend) + doubt


def _differing(group: Sequence[Case]) -> str:
    peaks = ceilings(group)
    if not peaks:
        return ""
    rates = [ceiling.flop_per_s for ceiling in peaks]
    here = f"{span(rates, 'FLOP/s')} a device{'' if min(rates) < max(rates) else ' here, others elsewhere'}"
    how = (
        " by more than their intervals"
        if all(ceiling.known for ceiling in peaks)
        else ", and their intervals are not known"
    )
    return f" Rates are compared, since the measured ceilings differ{how}: {here}."


def _datasheet(group: Sequence[Case], trend: Trend) -> str:
    """Return a sentence on the other peak, or on the reason why there is none."""
    if trend.yardstick != SHARE and not trend.own_ceilings:
        why = next((case.quantity(SHARE).why for case in group), "")
        return f" Share of the measured ceiling: not known ({why})."
    shares = [case.quantity("percent_of_peak") for case in group]
    known = [share.value for share in shares if share.value is not None]
    if not known:
        return f" Share of the datasheet peak: not known ({shares[0].why})."
    ends = dict.fromkeys(quantity(value, "%") for value in (min(known), max(known)))
    return f" Of the datasheet peak: {' to '.join(ends)}."


def where_growth_ends(trend: Trend) -> list[Finding]:
    """Return a finding on the growth of the reference metric at the ends of the series, and its recorded reasons."""
    axis = trend.roles.growth
    if axis is None or not trend.growths:
        return []
    noun = YARDSTICK_WORDS[trend.yardstick].noun
    ended = [growth for growth in trend.growths if growth.verdict not in (RISES, UNRESOLVED)]
    shown = sorted(trend.growths, key=lambda growth: (growth.verdict == RISES, growth.verdict == UNRESOLVED))
    steps = clauses((_last_step(growth, axis) for growth in shown), MOST_SERIES)
    rule = (
        f"A last gain below {100 * FLAT:.0f} % counts as no rise; one whose interval holds both zero and more than "
        "that is not resolved."
    )
    ends = tuple(growth.series.cases[-1] for growth in shown)
    basis = tuple(case for growth in shown for case in growth.series.cases[-2:])
    doubt = doubted([case for growth in shown[:MOST_SERIES] for case in growth.series.cases[-2:]])
    parts = [f"From the second largest size to the largest: {steps}{doubt}.", rule, _why(ended), _beyond(trend.growths)]
    headline = f"Along {axis.name}, {_how_series_end(noun, trend.growths)}"
    return [Finding("result", headline, " ".join(part for part in parts if part), ends, basis)]


def _how_series_end(noun: str, growths: Sequence[Growth]) -> str:
    """Return the number of series that rise, that do not, and that are not resolved, in words."""
    n, verdicts = len(growths), [growth.verdict for growth in growths]
    rising, open_ = verdicts.count(RISES), verdicts.count(UNRESOLVED)
    ended = n - rising - open_
    if open_ == n:
        return f"it is not resolved whether {noun} still rises at the largest size measured"
    if n in (rising, ended):
        return f"{noun} {'still' if rising else 'no longer'} rises at the largest size measured"
    words = f"has stopped rising in {ended} of {n} series" if ended else f"still rises in {rising} of {n} series"
    return f"{noun} {words}" + (f"; in {open_} it is not resolved" if open_ else "")


def _last_step(growth: Growth, axis: Axis) -> str:
    before, last = growth.series.cases[-2:]
    name = "" if growth.series.label == "all points" else f"{growth.series.label}: "
    gain = growth.last_gain
    ends = f", {signed_interval(gain)}" if signed_interval(gain) else ""
    ends += ", not resolved" if growth.verdict == UNRESOLVED else ""
    return (
        f"{name}{_show(growth.values[-2])} at {axis.label(axis.of(before))}, {_show(growth.values[-1])} at "
        f"{axis.label(axis.of(last))} ({signed_percent(gain.value or 0.0)}{ends}; work {fold(growth.last_fold)})"
    )


def _beyond(growths: Sequence[Growth]) -> str:
    """Return a sentence on larger problems without a result, because growth need not end with the series."""
    lost = [case for growth in growths for case in growth.beyond]
    points = listed(f"#{case.number} ({case.status})" for case in lost)
    return f"Beyond the last point there is no result at {points}." if lost else ""


def _why(ended: Sequence[Growth]) -> str:
    """Return a sentence on the recorded diagnosis at the ends of series that rise no more."""
    if not ended:
        return ""
    cases = [growth.series.cases[-1] for growth in ended]
    verdicts: dict[str, list[Case]] = {}
    for case in cases:
        verdicts.setdefault(verdict(case), []).append(case)
    unknown = ("undetermined", "no diagnosis")
    if all(name in unknown for name in verdicts):
        return f"The records do not say why: at {numbers(cases)} the diagnosis is {listed(verdicts)}."
    return f"There the diagnosis is {listed(f'{name} ({numbers(group)})' for name, group in verdicts.items())}."


def strongest_dial(cases: Sequence[Case], trend: Trend) -> list[Finding]:
    """Return a finding on the dial that moves the reference metric most over the values measured."""
    moving = [effect for effect in trend.effects if grows(effect.axis, cases) and effect.share]
    if len(moving) < 2:
        return []
    noun = YARDSTICK_WORDS[trend.yardstick].noun
    ratios = []
    for effect in moving:
        low, high = ({effect.axis.show(effect.axis.of(pair[end])) for pair in effect.pairs} for end in (0, 1))
        ends = f"{low.pop()} to {high.pop()}" if len(low) == len(high) == 1 else "lowest to highest value"
        ratios.append(
            f"{effect.axis.name} from {ends}: x {number(statistics.median(effect.share))} "
            f"({_range(effect.share)}{count(len(effect.share), 'pair')})"
        )
    headline = f"Of the dials, {moving[0].axis.name} moves {noun} most over the values measured"
    basis = tuple(case for effect in moving for pair in effect.pairs for case in pair)
    evidence = f"Median ratio between points equal in all but that dial: {clauses(ratios, 5)}{doubted(basis)}."
    return [Finding("result", headline, evidence, (), basis)]


def _range(values: Sequence[float]) -> str:
    return f"{number(min(values))} to {number(max(values))}, " if min(values) < max(values) else ""


def _show(found: Quantity) -> str:
    return quantity(found.value, found.unit)


def _show_fully(found: Quantity) -> str:
    """Return the value with its interval in brackets."""
    ends = interval(found.value, found.low, found.high, found.unit)
    return f"{_show(found)} ({ends})" if ends else _show(found)
