"""Findings about input sources and background load. Pure.

The evidence consists of metrics that an application may declare (docs/io.md): `from_storage_percent`,
`page_cache_percent`, `direct_read_percent`, `data_to_memory_ratio`.
"""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.cases import Case, numbers
from reports.analysis.input_sources import SLOWED, Curve, Group, Slowdown, input_of, is_exposed, megabytes, others_mb_s
from reports.analysis.intervals import within
from reports.analysis.step_parts import share
from reports.analysis.trend import apart
from reports.findings.form import Finding
from reports.words.text import clauses, count, interval, listed, number, percent, quantity, signed_percent

CACHED_PERCENT = 50
"""Reading measures memory if more than this share of a data set is in the page cache."""
STORAGE_PERCENT = 5
"""An input with less than this share of its reads from storage is a control: storage cannot slow it."""
ENOUGH_DATA = 5
"""Least multiple of the host's memory for a data set whose reading measures storage: MLPerf Storage's rule."""


def io_findings(groups: Sequence[Group]) -> list[Finding]:
    """Return all findings about input and storage."""
    return [
        *(finding for group in groups for finding in sources(group)),
        *(slowed(group, curve) for group in groups for curve in group.curves),
        *controls(groups),
        *shared_cores(groups),
        *from_memory(groups),
    ]


def sources(group: Group) -> list[Finding]:
    """Return a finding on the cost of the input source, from the fastest against the slowest."""
    if len(group.sources) < 2:
        return []
    ordered = sorted(group.sources, key=lambda case: case.value("samples_per_s") or 0.0)
    slow, fast = ordered[0], ordered[-1]
    loss = (slow.value("samples_per_s") or 0.0) / (fast.value("samples_per_s") or 1.0) - 1
    prefix = f"{group.label}: " if group.label else ""
    overlap = apart(slow.quantity("samples_per_s"), fast.quantity("samples_per_s")) is False
    if overlap or is_exposed(slow) is False:
        headline = f"{prefix}No input source is slower beyond doubt"
    else:
        names = f"{input_of(slow)} instead of {input_of(fast)}"
        headline = f"{prefix}With input {names} throughput is {percent(-loss)} lower"
    rates = clauses((_source(case) for case in reversed(ordered)), 8)
    return [Finding("result", headline, f"Undisturbed, all else equal: {rates}.", (fast, slow))]


def _source(case: Case) -> str:
    part = share(case, "exposed_input_s")
    exposed = f", exposed input {percent(part.value)}{within(part)} of the step" if part.value is not None else ""
    return f"{input_of(case)} {_rate(case)}{exposed} (#{case.number})"


def _rate(case: Case) -> str:
    rate = case.quantity("samples_per_s")
    ends = interval(rate.value, rate.low, rate.high, rate.unit)
    return quantity(rate.value, rate.unit) + (f" ({ends})" if ends else "")


def slowed(group: Group, curve: Curve) -> Finding:
    """Return a finding on the background load at which throughput falls."""
    start = f"{group.label}: With input {curve.input}" if group.label else f"With input {curve.input}"
    kind, headline, why = _verdict(curve, curve.slowdown)
    changes = clauses((f"{signed_percent(curve.change(c))} at {megabytes(others_mb_s(c))}" for c in curve.cases[1:]), 8)
    evidence = f"Undisturbed {_rate(curve.cases[0])}, #{curve.cases[0].number}; {changes}. {why}"
    return Finding(kind, f"{start} {headline}", evidence, (curve.cases[0], curve.cases[-1]))


def _verdict(curve: Curve, found: Slowdown | None) -> tuple[str, str, str]:
    """Return kind, headline and reason for the finding of a curve."""
    loss, most = f"{100 * SLOWED:.0f}\u00a0%", megabytes(others_mb_s(curve.cases[-1]))
    if curve.drifted:
        headline = "the undisturbed point is slower than a disturbed one: the machine changed between them"
        return "caution", headline, f"See {numbers(curve.drifted)}; sweep.repeats shows how much points differ."
    if found is None:
        headline = f"throughput stays within {loss} while others read up to {most}"
        return "result", headline, "Where it would fall lies beyond the measured range."
    if found.real is False:
        headline = f"a slowdown by {loss} is not told apart from noise, while others read up to {most}"
        return "result", headline, "No disturbed point's interval is apart from the undisturbed one's."
    headline = f"the work slows by {loss} when others read {megabytes(found.mb_s)} from the data set's storage"
    if found.by_input is False:
        why = "Exposed input is not distinguishable from zero beyond: something else slowed the machine."
        return "caution", f"{headline}, but not for want of input", f"{_interpolated(found)} {why}"
    return "result", headline, _interpolated(found)


def _interpolated(found: Slowdown) -> str:
    low, high = found.around
    return (
        f"Interpolated on a straight line between {megabytes(others_mb_s(low))} (#{low.number}) and "
        f"{megabytes(others_mb_s(high))} (#{high.number}), rates that the readers achieved."
    )


def controls(groups: Sequence[Group]) -> list[Finding]:
    """Return a finding on inputs that read no storage and slow down as well.

    Such inputs show that the ranks share more than storage with the background load.
    """
    slowdowns = [
        (curve, curve.slowdown) for group in groups for curve in group.curves if _reads_no_storage(curve.cases[0])
    ]
    slow = [
        (curve, slowdown)
        for curve, slowdown in slowdowns
        if slowdown and slowdown.real is not False and slowdown.by_input is not False
    ]
    if not slow:
        return []
    loss = clauses((f"{c.input} by {percent(-c.change(c.cases[-1]))} (#{c.cases[-1].number})" for c, _ in slow), 4)
    evidence = (
        f"At the highest load: {loss}. What slows these is processors, memory or buses, and it slows the other inputs "
        "as much; only the difference is the storage's."
    )
    headline = f"{count(len(slow), 'input')} that read no storage slow down beside readers, too"
    return [Finding("caution", headline, evidence, tuple(curve.cases[-1] for curve, _ in slow))]


def _reads_no_storage(case: Case) -> bool:
    from_storage = case.value("from_storage_percent")
    return from_storage is not None and from_storage < STORAGE_PERCENT


def shared_cores(groups: Sequence[Group]) -> list[Finding]:
    """Return a finding on cases whose background readers computed on the ranks' own cores."""
    name = "background_read_bytes_per_s"
    sharing = [
        case
        for group in groups
        for case in group.cases
        if any((record.metrics.get(name) or {}).get("shares_cores") for record in case.ok)
    ]
    if not sharing:
        return []
    evidence = (
        f"At {numbers(sharing)} no core was free for the readers, so that a slowdown may be one of processors. "
        "launch.cores_per_rank can leave some."
    )
    return [Finding("caution", "Background readers shared cores with ranks", evidence, tuple(sharing))]


def from_memory(groups: Sequence[Group]) -> list[Finding]:
    """Return a finding on inputs that should read a data set but found it in memory; warm inputs are left out."""
    hit = [
        case
        for group in groups
        for case in group.cases
        if (case.value("page_cache_percent") or 0.0) >= CACHED_PERCENT
        and (case.value("direct_read_percent") or 0.0) < 100 - CACHED_PERCENT
        and "warm" not in input_of(case)
    ]
    if not hit:
        return []
    most = max(case.value("page_cache_percent") or 0.0 for case in hit)
    ratios = [ratio for case in hit if (ratio := case.value("data_to_memory_ratio")) is not None]
    size = f" The data set holds {number(max(ratios))} times the host's memory;" if ratios else " Of the host's memory,"
    advice = f"{size} MLPerf Storage asks for at least {ENOUGH_DATA} times."
    start = f"At {numbers(hit)} ({listed(dict.fromkeys(map(input_of, hit)))}) up to {quantity(most, '%')} of the data "
    headline = f"{count(len(hit), 'point')} measured memory, not storage"
    return [Finding("caution", headline, f"{start}set lay in the page cache.{advice}", tuple(hit))]
