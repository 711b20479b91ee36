"""Findings about the bottlenecks of points, their change with growth, and the time of the layers alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.analysis import diagnosis
from reports.analysis.axes import Axis, alike, namer
from reports.analysis.cases import BACKGROUND, Case, numbers
from reports.analysis.step_parts import BOUND, share
from reports.analysis.trend import Trend
from reports.findings.form import Finding
from reports.words.gains import in_words
from reports.words.text import clauses, count, listed, percent, quantity
from saih.diagnosis import UNDETERMINED
from saih.diagnosis.growth_path import Path, turns
from saih.records.record import UNDECIDED

MOST_CAUSES = 5
MOST_PATHS, MOST_TURNS = 4, 4
ENDS = {"oom": "memory", "failed": "a failure", "timeout": "a time-out", "invalid": "a result that cannot be believed"}
"""A record's status -> the end of a path, in words."""

Named = tuple[Case, Mapping[str, Any]]


def bound(cases: Sequence[Case]) -> list[Finding]:
    """Return a finding for each named cause, the one with the largest sum of shares first."""
    measured = [case for case in cases if case.ok]
    groups: dict[str, list[Named]] = {}
    for case in measured:
        for cause in diagnosis.causes(case):
            groups.setdefault(str(cause.get("verdict") or cause["cause"]), []).append((case, cause))
    ordered = sorted(groups.items(), key=lambda item: -sum(_share(cause) for _, cause in item[1]))
    return [_bound(words, group, len(measured)) for words, group in ordered[:MOST_CAUSES]] + _nothing(measured)


def _share(cause: Mapping[str, Any]) -> float:
    return float(cause.get("share") or 0.0)


def _bound(words: str, group: Sequence[Named], n: int) -> Finding:
    shares = sorted(_share(cause) for _, cause in group)
    ends = " to ".join(dict.fromkeys(percent(share) for share in (shares[0], shares[-1])))
    points = f"{len(group)} of {count(n, 'measured point')}" if n > 1 else "the one measured point"
    took = f", {ends} of the step" if shares[-1] > 0 else ""
    case, worst = max(group, key=lambda pair: _share(pair[1]))
    sentences = [
        _sentence(f"#{case.number}: {worst['evidence']}" if worst.get("evidence") else ""),
        _sentence(str(worst.get("help") or "")),
    ]
    gain = in_words(worst)
    doubt = ", if the point can be trusted: it is suspect" if worst.get("caveat") else ""
    sentences += [f"Without it, that step is predicted to be {gain}{doubt}."] if gain else []
    headline = f"{_capital(words)}: {points}{took}"
    return Finding("result", headline, " ".join(part for part in sentences if part), tuple(case for case, _ in group))


def _sentence(text: str) -> str:
    return text if not text or text.endswith(".") else f"{text}."


def _nothing(cases: Sequence[Case]) -> list[Finding]:
    """Return a finding on points without a named cause, although their steps were profiled."""
    unnamed = [case for case in cases if diagnosis.profile(case) and not diagnosis.causes(case)]
    unnamed = [case for case in unnamed if diagnosis.diagnosis(case).get("verdict") == UNDETERMINED]
    if not unnamed:
        return []
    points = f"{len(unnamed)} of {count(len(cases), 'measured point')}" if len(cases) > 1 else "the one measured point"
    told = str(diagnosis.diagnosis(unnamed[-1]).get("evidence") or "")
    evidence = _sentence(f"#{unnamed[-1].number}: {told}") if told else ""
    return [Finding("gap", f"Undetermined what bounds {points}: {numbers(unnamed)}", evidence, tuple(unnamed))]


def differing(cases: Sequence[Case]) -> list[Finding]:
    """Return a finding on points whose processes name different bottlenecks."""
    disagreeing = [case for case in cases if diagnosis.differ(case)]
    if not disagreeing:
        return []
    repeated = sum(len(case.ok) > 1 for case in cases)
    headline = f"Processes differ in what bounds the step at {len(disagreeing)} of {count(repeated, 'repeated point')}"
    verdicts = clauses((f"#{case.number}: {diagnosis.differ(case)}" for case in disagreeing), MOST_PATHS)
    rule = "Named is what at least half of a point's processes name; shares are means over all of them."
    return [Finding("caution", headline, f"{_capital(verdicts)}. {rule}", tuple(disagreeing))]


def untold(cases: Sequence[Case], part: str) -> list[Case]:
    """Return the cases whose `part` of the step still needs a finding of its own.

    If a diagnosis names the part as a cause, only cases whose records list no causes are left.
    """
    measured = [case for case in cases if case.ok]
    if not any(cause.get("cause") == part for case in measured for cause in diagnosis.causes(case)):
        return list(cases)
    return [case for case in cases if "causes" not in diagnosis.diagnosis(case)]


@dataclass(frozen=True)
class Grown:
    """A growth path with its sizes in order, including those without a result, and the turns of its bottleneck."""

    label: str
    cases: tuple[Case, ...]
    path: Path

    @property
    def sizes(self) -> set[str]:
        """The sizes at which the bottleneck turns."""
        return {turn.at for turn in self.path.turns}


def turning(cases: Sequence[Case], trend: Trend) -> list[Finding]:
    """Return a finding on the turns of the bottleneck along growth paths, and on the ends of the paths."""
    axis = trend.roles.growth
    if axis is None:
        return []
    name = namer(trend.roles.series_axes, cases)
    groups = alike([case for case in cases if case.status not in UNDECIDED], axis)
    grown = [Grown(name(group[0]), tuple(group), _path(group, axis)) for group in groups if len(group) > 1]
    turned = [each for each in grown if each.path.turns]
    if not turned:
        return []
    headline = f"Along {axis.name}, what bounds the step turns in {len(turned)} of {len(grown)} series"
    if len(turned) == len(grown) == 1:
        first = turned[0].path.turns
        headline = f"Along {axis.name}, what bounds the step turns: {_then([first[0].before, *(t.now for t in first)])}"
    told = (f"{each.label}: {_told(each.path)}" if each.label else _told(each.path) for each in turned)
    at = [case for each in turned for case in each.cases if axis.label(axis.of(case)) in each.sizes]
    basis = tuple(case for each in grown for case in each.cases)
    return [Finding("result", headline, f"{_capital(clauses(told, MOST_PATHS))}.", tuple(at), basis)]


def _path(cases: Sequence[Case], axis: Axis) -> Path:
    return turns([(axis.label(axis.of(case)), diagnosis.diagnosis(case) if case.ok else case.status) for case in cases])


def _then(words: Sequence[str]) -> str:
    """Return the words as "a, then b, then c"."""
    return ", then ".join(words[:MOST_TURNS]) + (" and so on" if len(words) > MOST_TURNS else "")


def _told(path: Path) -> str:
    """Return a path in words, from its smallest size to its end."""
    parts = [f"{path.turns[0].before} up to {path.turns[0].after}"]
    for turn in path.turns:
        blank = f" (between them, at {listed(turn.between)}, nothing is named)" if turn.between else ""
        parts.append(f"{turn.now} from {turn.at} on{blank}")
    end = path.end
    if end:
        parts.append(f"{ENDS.get(end.what, end.what)} ends it at {end.at}")
    return ", ".join(parts)


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def layer_bound(cases: Sequence[Case], trend: Trend) -> list[Finding]:
    """Return a finding on the time of the same kernels, each layer alone, at the largest problem.

    The finding also names the fastest other execution, if that takes less time.
    """
    known = [case for case in cases if case.value(BOUND) and case.value("step_s")]
    if not known:
        return []
    largest = max(known, key=lambda case: (case.flop_per_step or 0.0, -case.ranks))
    alone_s, takes_s = _seconds(largest)
    headline = (
        f"The same kernels, each layer run alone, take {quantity(alone_s, 's')} of the largest step's "
        f"{quantity(takes_s, 's')}"
    )
    ratios = sorted(share(case, BOUND).value or 0.0 for case in known)
    sentences = [
        f"At {trend.where(largest)} (#{largest.number}): the fastest repeats of each layer alone, and the least "
        "traffic of all else at the measured memory bandwidth. It is no bound: other kernels or algorithms may be "
        "faster.",
        *_faster(largest, cases, trend),
        *([f"Over {count(len(known), 'point')} it is {percent(ratios[0])} to {percent(ratios[-1])} of the step."]
          if len(known) > 1 else []),
    ]  # fmt: skip
    return [Finding("result", headline, " ".join(sentences), (largest,), tuple(known))]


def _faster(case: Case, cases: Sequence[Case], trend: Trend) -> list[str]:
    """Return a sentence on the fastest other execution of the same problem, if it beats this one's layers alone."""
    alone_s, _ = _seconds(case)
    others = [(other.value("step_s"), other) for other in cases if other is not case and _alike(case, other)]
    times = [(seconds, other) for seconds, other in others if seconds and seconds < alone_s]
    if not times:
        return []
    seconds, best = min(times, key=lambda pair: pair[0])
    return [
        f"#{best.number} ({trend.where(best)}) does the same problem in {quantity(seconds, 's')}, with other kernels."
    ]


def _alike(a: Case, b: Case) -> bool:
    """True if two cases are one problem, regardless of execution and input."""
    keys = {*a.keys, *b.keys} - {"run", "execution", "input", BACKGROUND}
    keys = {key for key in keys if not key.startswith("data.")}
    return b.ok != () and all(a.keys.get(key) == b.keys.get(key) for key in keys)


def _seconds(case: Case) -> tuple[float, float]:
    """Return the seconds of the layers alone, and of the step."""
    return case.value(BOUND) or 0.0, case.value("step_s") or 0.0
