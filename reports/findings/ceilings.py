"""Findings about the measured ceilings: their uncertainty, their disturbances, and points that exceed them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from reports.analysis.cases import Case, numbers
from reports.analysis.reference_metric import SHARE, beyond, suspicions
from reports.analysis.runs import Run
from reports.findings.form import Finding
from reports.words.text import clauses, count, interval, quantity

Where = Callable[[Case], str]

WIDE_PERCENT = 5
"""A ceiling whose interval reaches farther, or whose repeats differ by more, gets a finding."""


def uncertain_ceilings(runs: Sequence[Run]) -> list[Finding]:
    """Return findings on measured ceilings whose uncertainty makes their shares uncertain."""
    wide = [(name, half) for name, peak in _peaks(runs) if (half := _half_width_percent(peak)) > WIDE_PERCENT]
    findings = []
    if wide:
        widths = clauses((f"{name}: \u00b1 {quantity(half, '%')}" for name, half in wide), 4)
        headline = f"A measured ceiling is uncertain by more than {WIDE_PERCENT} %"
        findings.append(Finding("caution", headline, f"{widths}. The intervals of the shares hold that.", ()))
    return [*findings, *_short_repeats(runs)]


def _short_repeats(runs: Sequence[Run]) -> list[Finding]:
    """Return a finding on ceilings of method versions before 8 whose repeats differ.

    Such a ceiling is the best of a few short repeats, with a burst on a rested device among them.
    """
    old = [(name, peak) for name, peak in _peaks(runs) if "repeats" not in peak]
    spreads = [(name, float(peak.get("spread_percent") or 0)) for name, peak in old]
    wide = [(name, spread) for name, spread in spreads if spread > WIDE_PERCENT]
    if not wide:
        return []
    shares = clauses((f"{name}: {quantity(spread, '%')}" for name, spread in wide), 4)
    evidence = (
        f"From the fastest repeat down to the median: {shares}. Before method version 8 a ceiling was the fastest of a "
        "few short repeats, and no sustained rate was measured: these shares may differ by as much from those of a run "
        "of today."
    )
    headline = f"The measured ceiling differs between repeats by more than {WIDE_PERCENT} %"
    return [Finding("caution", headline, evidence, ())]


def suspect_ceilings(runs: Sequence[Run]) -> list[Finding]:
    """Return a finding on ceilings of arithmetic or memory whose measurement was disturbed or not settled."""
    named = [(name, [str(reason["words"]) for reason in ceiling.get("suspect") or []]) for name, ceiling in _all(runs)]
    suspect = [(name, words) for name, words in named if words]
    if not suspect:
        return []
    reasons = clauses((f"{name}: {clauses(words, 2)}" for name, words in suspect), 4)
    headline = f"{count(len(suspect), 'measured ceiling')} may not stand for the device"
    evidence = (
        f"While they were measured: {reasons}. Shares of them are no surer than they are; rates are not concerned."
    )
    return [Finding("caution", headline, evidence, ())]


def beyond_ceilings(cases: Sequence[Case], where: Where) -> list[Finding]:
    """Return a finding on points that exceed their measured ceiling by more than the share's interval."""
    hit = [case for case in cases if beyond(case)]
    if not hit:
        return []
    headline = f"The measured ceiling does not hold for {count(len(hit), 'point')}"
    shares = clauses((_share(case, where) for case in hit), 4)
    reasons = suspicions(hit)
    why = f" The ceiling is suspect: {clauses(reasons, 2)}." if reasons else ""
    evidence = (
        f"{shares}. Physics does not forbid these rates, and they are kept: the work has other kernels than those the "
        f"ceiling is the best of, or met a cooler or less disturbed device. Compare {numbers(hit)} by their rates."
    )
    return [Finding("caution", headline, evidence + why, tuple(hit))]


def _share(case: Case, where: Where) -> str:
    share = case.quantity(SHARE)
    ends = interval(share.value, share.low, share.high, "%")
    return f"#{case.number} ({where(case)}) {quantity(share.value, '%')}{f' ({ends})' if ends else ''} of it"


def _half_width_percent(peak: Mapping[str, Any]) -> float:
    value, low, high = (peak.get(f"flop_per_s{end}") for end in ("", "_low", "_high"))
    return 50 * (high - low) / value if value and low is not None and high is not None else 0.0


def _peaks(runs: Sequence[Run]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the ceilings of arithmetic, each with its name."""
    for run in runs:
        for folder in run.folders:
            for peak in folder.system.get("peaks") or []:
                yield _name(runs, run, str(peak.get("precision")), peak), peak


def _all(runs: Sequence[Run]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the ceilings of arithmetic and of memory bandwidth, each with its name."""
    yield from _peaks(runs)
    for run in runs:
        for folder in run.folders:
            for ceiling in folder.system.get("ceilings") or []:
                yield _name(runs, run, "memory bandwidth", ceiling), ceiling.get("memory") or {}


def _name(runs: Sequence[Run], run: Run, what: str, of: Mapping[str, Any]) -> str:
    label = f"{run.label}, " if len(runs) > 1 else ""
    return f"{label}{what}, {count(int(of.get('ranks') or 0), 'rank')}"
