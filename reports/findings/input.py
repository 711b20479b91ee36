"""What the records say of input sources and of reading beside others. Pure.

The evidence is what an application declares under these names, if it does (docs/io.md): `from_storage_percent`,
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
"""With more than this share of a data set in the page cache, reading it measures memory."""
STORAGE_PERCENT = 5
"""With less than this share of what was read from storage, an input is a control: storage cannot slow it."""
ENOUGH_DATA = 5
"""Times the host's memory that a data set should hold if its reading is to measure storage: MLPerf Storage's rule."""


def io_findings(groups: Sequence[Group]) -> list[Finding]:
    """All findings about input and storage."""
    return [
        *(found for group in groups for found in sources(group)),
        *(slowed(group, curve) for group in groups for curve in group.curves),
        *controls(groups),
        *shared_cores(groups),
        *from_memory(groups),
    ]


def sources(group: Group) -> list[Finding]:
    """What does the input source cost? The fastest against the slowest."""
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
    told = clauses((_source(case) for case in reversed(ordered)), 8)
    return [Finding("result", headline, f"Undisturbed, all else equal: {told}.", (fast, slow))]


def _source(case: Case) -> str:
    found = share(case, "exposed_input_s")
    exposed = f", exposed input {percent(found.value)}{within(found)} of the step" if found.value is not None else ""
    return f"{input_of(case)} {_rate(case)}{exposed} (#{case.number})"


def _rate(case: Case) -> str:
    found = case.quantity("samples_per_s")
    ends = interval(found.value, found.low, found.high, found.unit)
    return quantity(found.value, found.unit) + (f" ({ends})" if ends else "")


def slowed(group: Group, curve: Curve) -> Finding:
    """At which load of others does the work slow down?"""
    start = f"{group.label}: With input {curve.input}" if group.label else f"With input {curve.input}"
    kind, headline, why = _verdict(curve, curve.slowdown)
    told = clauses((f"{signed_percent(curve.change(c))} at {megabytes(others_mb_s(c))}" for c in curve.cases[1:]), 8)
    evidence = f"Undisturbed {_rate(curve.cases[0])}, #{curve.cases[0].number}; {told}. {why}"
    return Finding(kind, f"{start} {headline}", evidence, (curve.cases[0], curve.cases[-1]))


def _verdict(curve: Curve, found: Slowdown | None) -> tuple[str, str, str]:
    """Kind, headline and reason of what a curve says."""
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
    """Do inputs that read no storage slow down as well? Then storage is not the only thing that is shared."""
    found = [(curve, curve.slowdown) for group in groups for curve in group.curves if _reads_no_storage(curve.cases[0])]
    slow = [(curve, each) for curve, each in found if each and each.real is not False and each.by_input is not False]
    if not slow:
        return []
    told = clauses((f"{c.input} by {percent(-c.change(c.cases[-1]))} (#{c.cases[-1].number})" for c, _ in slow), 4)
    evidence = (
        f"At the highest load: {told}. What slows these is processors, memory or buses, and it slows the other inputs "
        "as much; only the difference is the storage's."
    )
    headline = f"{count(len(slow), 'input')} that read no storage slow down beside readers, too"
    return [Finding("caution", headline, evidence, tuple(curve.cases[-1] for curve, _ in slow))]


def _reads_no_storage(case: Case) -> bool:
    found = case.value("from_storage_percent")
    return found is not None and found < STORAGE_PERCENT


def shared_cores(groups: Sequence[Group]) -> list[Finding]:
    """Where did the readers compute on the ranks' own cores?"""
    name = "background_read_bytes_per_s"
    found = [
        case
        for group in groups
        for case in group.cases
        if any((record.metrics.get(name) or {}).get("shares_cores") for record in case.ok)
    ]
    if not found:
        return []
    evidence = (
        f"At {numbers(found)} no core was free for the readers, so that a slowdown may be one of processors. "
        "launch.cores_per_rank can leave some."
    )
    return [Finding("caution", "Background readers shared cores with ranks", evidence, tuple(found))]


def from_memory(groups: Sequence[Group]) -> list[Finding]:
    """Which inputs were to read a data set and found it in memory? Inputs called warm are meant to."""
    found = [
        case
        for group in groups
        for case in group.cases
        if (case.value("page_cache_percent") or 0.0) >= CACHED_PERCENT
        and (case.value("direct_read_percent") or 0.0) < 100 - CACHED_PERCENT
        and "warm" not in input_of(case)
    ]
    if not found:
        return []
    most = max(case.value("page_cache_percent") or 0.0 for case in found)
    ratios = [ratio for case in found if (ratio := case.value("data_to_memory_ratio")) is not None]
    size = f" The data set holds {number(max(ratios))} times the host's memory;" if ratios else " Of the host's memory,"
    advice = f"{size} MLPerf Storage asks for at least {ENOUGH_DATA} times."
    told = (
        f"At {numbers(found)} ({listed(dict.fromkeys(map(input_of, found)))}) up to {quantity(most, '%')} of the data "
    )
    headline = f"{count(len(found), 'point')} measured memory, not storage"
    return [Finding("caution", headline, f"{told}set lay in the page cache.{advice}", tuple(found))]
