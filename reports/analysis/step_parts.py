"""Where a step's time goes: the step divided into what could be told apart. Pure.

Where the point was profiled, the parts are those of its diagnosis (saih/diagnosis):

    exposed input, waiting for the copy, exposed communication      by difference, the copy by its timer
    waiting for the slowest rank      what the slowest rank takes beyond the mean of the others
    host gaps                         GPU: idle for want of work from its host. CPU: calling operations, an estimate
    compute-bound work                time of what comes near the ceiling of arithmetic
    memory-bound work                 time of what comes near the ceiling of memory traffic
    work from caches                  time of what moves more than the memory could: no ceiling is measured for it
    work at neither ceiling           time of all other computing
    unexplained rest                  the step less all of these; negative where they add up to more. Of a GPU it is
                                      about zero by construction, and checks nothing

Where it was not, the parts are what the differential passes tell:

    exposed input          the step less the step without input; waiting for the copy is a part of it
    exposed communication  the step less the step without communication
    rest of the step       the step less both: computing, host gaps and memory traffic, not told apart

The parts add up to the step. A part may be negative where the two passes differ by less than their noise; it is shown
so. The copy is the time in which the device stood still for it. Copies overlap with computing: where only their own
time was measured, how much of it is exposed is not known, and it is within the exposed input.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reports.analysis import diagnosis
from reports.analysis.cases import Case, Quantity, replicated
from saih.records.record import Record

INPUT, COPY, COMMUNICATION = "exposed input", "waiting for the copy", "exposed communication"
STRAGGLER, HOST = "waiting for the slowest rank", "host gaps"
COMPUTE, MEMORY, CACHE = "compute-bound work", "memory-bound work", "work from caches"
KERNELS = "work at neither ceiling"
UNEXPLAINED, REST = "unexplained rest", "rest of the step"
PARTS = (INPUT, COPY, COMMUNICATION, STRAGGLER, HOST, COMPUTE, MEMORY, CACHE, KERNELS, UNEXPLAINED, REST)
NAMES = dict(zip((*diagnosis.PARTS, "rest"), PARTS, strict=False))
"""The diagnosis's keys -> what the reader sees."""
COPY_UNKNOWN = "copies overlap with the step; how much of them is exposed was not measured"
METRICS = {"input": "exposed_input_s", "communication": "exposed_comm_s", "host": "launch_gap_s"}
"""Parts that are metrics, too, with an interval or a reason why not."""
ALONE = ("communication", "straggler")
"""Parts that a single rank does not have."""
NO_INTERVAL = {
    COPY: "no interval: a timer's mean",
    HOST: "no interval: an estimate",
    UNEXPLAINED: "no interval: it is what the other parts leave",
    REST: "no interval: it is what the other parts leave",
}
WORK = (COMPUTE, MEMORY, CACHE, KERNELS)
ONE_PASS = "no interval: work of the one profiled pass"


@dataclass(frozen=True)
class Part:
    """A part of the step. ``resolved``: its interval excludes zero; None where there is no interval to say so.

    ``low``, ``high``: its interval, as shares of the step.
    """

    name: str
    seconds: float
    share: float
    resolved: bool | None
    low: float | None = None
    high: float | None = None

    @property
    def why(self) -> str:
        """Why it has no interval; empty where it has one."""
        if self.low is not None:
            return ""
        return NO_INTERVAL.get(self.name, ONE_PASS if self.name in WORK else "no interval recorded")


@dataclass(frozen=True)
class Step:
    """The step of one case: its parts, and which were not measured and why. ``profiled``: computing is divided, too."""

    case: Case
    step: Quantity
    parts: tuple[Part, ...]
    missing: tuple[tuple[str, str], ...]
    profiled: bool

    def part(self, name: str) -> Part | None:
        """The part of this name, if the step has it."""
        return next((part for part in self.parts if part.name == name), None)


def find_steps(cases: Sequence[Case]) -> tuple[Step, ...]:
    """The step of every measured case whose step time is known and whose data do not contradict one another."""
    return tuple(divide(case) for case in cases if case.value("step_s") and not diagnosis.contradictory(case))


def divide(case: Case) -> Step:
    """The step of one case, divided."""
    shares = diagnosis.shares(case)
    return _by_profile(case, shares) if shares else _by_difference(case)


def _by_profile(case: Case, shares: Mapping[str, float | None]) -> Step:
    step = case.quantity("step_s")
    parts, missing = [], []
    for key, name in NAMES.items():
        value = shares.get(key)
        if value is None:
            alone = case.ranks == 1 and key in ALONE
            missing += [(name, _why(case, key))] if not alone and (key != "copy" or copies(case)) else []
        elif value or key == "rest":
            parts.append(_shared(case, key, value, step.value or 0.0))
    return Step(case, step, tuple(parts), tuple(missing), True)


def _why(case: Case, key: str) -> str:
    if key == "copy":
        return COPY_UNKNOWN
    return case.quantity(METRICS[key]).why if key in METRICS else "the record does not tell it"


def _shared(case: Case, key: str, value: float, whole: float) -> Part:
    """A part of the diagnosis, with the interval of its metric, or of the diagnosis where it is no metric."""
    if key not in METRICS and (ends := diagnosis.interval(case, key)):
        return Part(NAMES[key], value * whole, value, not ends[0] <= 0 <= ends[1], *ends)
    found = share(case, METRICS[key]) if key in METRICS else Quantity(None, "1")
    return _part(NAMES[key], value, whole, found)  # the copy, set apart, shifts the interval


def _by_difference(case: Case) -> Step:
    step = case.quantity("step_s")
    whole = step.value or 0.0
    taken, talk = share(case, "exposed_input_s"), share(case, "exposed_comm_s")
    parts = []
    copy = copy_s(case)
    if taken.value is not None:
        parts.append(_part(INPUT, taken.value - (copy or 0.0) / whole, whole, taken))
    if copy:
        parts.append(Part(COPY, copy, copy / whole, None))
    if talk.value is not None:
        parts.append(_part(COMMUNICATION, talk.value, whole, talk))
    rest = whole - sum(part.seconds for part in parts)
    parts.append(Part(REST, rest, rest / whole, None))
    named = ((INPUT, taken), (COMMUNICATION, talk))
    missing = [(name, each.why) for name, each in named if each.value is None]
    if copy is None and copies(case):
        missing.append((COPY, COPY_UNKNOWN))
    return Step(case, step, tuple(parts), tuple(missing), False)


def copies(case: Case) -> bool:
    """True if batches are copied to the device."""
    return bool(case.value("h2d_s"))


def copy_s(case: Case) -> float | None:
    """The copy's part of the step: the device's wait for it; None where there are copies whose wait was not timed."""
    found = case.value("copy_wait_s")
    return found if found is not None or copies(case) else 0.0


def share(case: Case, name: str) -> Quantity:
    """A part that is a metric in seconds as a share of the step, with its interval.

    Of several replicates: the mean of their shares, as in `diagnosed.shares`, with the interval over them.
    """
    found = [_share(record, name) for record in case.ok]
    known = [each for each in found if each.value is not None]
    if not known:
        return Quantity(None, "1", why=case.quantity(name).why or "the step time is not known")
    if len(known) == 1:
        return known[0]
    if len({each.value for each in known}) == 1:  # nothing to differ in: a part that a point does not have
        return Quantity(known[0].value, "1")
    over, mean = replicated(known), statistics.fmean(each.value or 0.0 for each in known)
    low, high = (None, None) if over.low is None or over.high is None else (min(over.low, mean), max(over.high, mean))
    return replace(over, value=mean, low=low, high=high)


def _share(record: Record, name: str) -> Quantity:
    """The share of one replicate."""
    entry, value, step = record.metrics.get(name) or {}, record.value(name), record.value("step_s")
    if value is None or not step:
        return Quantity(None, "1")
    low, high = (None if entry.get(end) is None else float(entry[end]) / step for end in ("low", "high"))
    return Quantity(value / step, "1", low, high, str(entry.get("interval") or ""))


def _part(name: str, value: float, whole: float, measured: Quantity) -> Part:
    """A part of this share of the step, with the interval of the share that was measured."""
    if measured.low is None or measured.high is None:
        return Part(name, value * whole, value, None)
    low, high = (value + end - (measured.value or 0.0) for end in (measured.low, measured.high))
    return Part(name, value * whole, value, measured.sign != 0, low, high)


BOUND = "layer_bound_s"
