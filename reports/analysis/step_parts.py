"""The division of a step's time into parts, as far as they could be measured apart. Pure.

If the point was profiled, the parts are those of its diagnosis (saih/diagnosis):

    exposed input, waiting for the copy, exposed communication      by difference, the copy by its timer
    waiting for the slowest rank      time of the slowest rank beyond the mean of the others
    host gaps                         GPU: idle for want of work from its host. CPU: calling operations, an estimate
    compute-bound work                time of operations near the ceiling of arithmetic
    memory-bound work                 time of operations near the ceiling of memory traffic
    work from caches                  time of operations that move more than the memory could: they have no ceiling
    work at neither ceiling           time of all other computing
    unexplained rest                  the step less all of these; negative if they add up to more. On a GPU it is
                                      about zero by construction, and checks nothing

If the point was not profiled, the parts come from the differential passes:

    exposed input          the step less the step without input; it includes waiting for the copy
    exposed communication  the step less the step without communication
    rest of the step       the step less both: computing, host gaps and memory traffic together

The parts add up to the step. A part may be negative if the two passes differ by less than their noise, and is shown
so. The copy is the time in which the device stood still for it. Copies overlap with computing: if only their own time
was measured, the exposed share of them is unknown, and it is within the exposed input.
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
"""The diagnosis's keys -> the reader's names."""
COPY_UNKNOWN = "copies overlap with the step; how much of them is exposed was not measured"
METRICS = {"input": "exposed_input_s", "communication": "exposed_comm_s", "host": "launch_gap_s"}
"""Parts that are metrics, too, with an interval or a reason for having none."""
ALONE = ("communication", "straggler")
"""Parts that need more than one rank."""
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
    """A part of the step; `low` and `high` are its interval, as shares of the step.

    `resolved` is True if the interval excludes zero, and None without an interval.
    """

    name: str
    seconds: float
    share: float
    resolved: bool | None
    low: float | None = None
    high: float | None = None

    @property
    def why(self) -> str:
        """The reason why the part has no interval; empty if it has one."""
        if self.low is not None:
            return ""
        return NO_INTERVAL.get(self.name, ONE_PASS if self.name in WORK else "no interval recorded")


@dataclass(frozen=True)
class Step:
    """The step of one case, with its parts and the reasons for those that were not measured.

    `profiled` is True if computing is divided, too.
    """

    case: Case
    step: Quantity
    parts: tuple[Part, ...]
    missing: tuple[tuple[str, str], ...]
    profiled: bool

    def part(self, name: str) -> Part | None:
        """Return the part of this name, or None."""
        return next((part for part in self.parts if part.name == name), None)


def find_steps(cases: Sequence[Case]) -> tuple[Step, ...]:
    """Return the step of every measured case whose step time is known and whose data do not contradict one another."""
    return tuple(divide(case) for case in cases if case.value("step_s") and not diagnosis.contradictory(case))


def divide(case: Case) -> Step:
    """Divide the step of one case."""
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
    """Return a part of the diagnosis, with the interval of its metric or, for other parts, of the diagnosis."""
    if key not in METRICS and (ends := diagnosis.interval(case, key)):
        return Part(NAMES[key], value * whole, value, not ends[0] <= 0 <= ends[1], *ends)
    measured = share(case, METRICS[key]) if key in METRICS else Quantity(None, "1")
    return _part(NAMES[key], value, whole, measured)  # taking out the copy shifts the interval


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
    missing = [(name, quantity.why) for name, quantity in named if quantity.value is None]
    if copy is None and copies(case):
        missing.append((COPY, COPY_UNKNOWN))
    return Step(case, step, tuple(parts), tuple(missing), False)


def copies(case: Case) -> bool:
    """True if batches are copied to the device."""
    return bool(case.value("h2d_s"))


def copy_s(case: Case) -> float | None:
    """Return the device's wait for the copy; None if there are copies whose wait was not timed."""
    wait = case.value("copy_wait_s")
    return wait if wait is not None or copies(case) else 0.0


def share(case: Case, name: str) -> Quantity:
    """Return a part that is a metric in seconds as a share of the step, with its interval.

    Several replicates have the mean of their shares, as in `diagnosis.shares`, with the interval over them.
    """
    shares = [_share(record, name) for record in case.ok]
    known = [quantity for quantity in shares if quantity.value is not None]
    if not known:
        return Quantity(None, "1", why=case.quantity(name).why or "the step time is not known")
    if len(known) == 1:
        return known[0]
    if len({quantity.value for quantity in known}) == 1:  # all equal: the point does not have the part
        return Quantity(known[0].value, "1")
    over, mean = replicated(known), statistics.fmean(quantity.value or 0.0 for quantity in known)
    low, high = (None, None) if over.low is None or over.high is None else (min(over.low, mean), max(over.high, mean))
    return replace(over, value=mean, low=low, high=high)


def _share(record: Record, name: str) -> Quantity:
    """Return the share of one replicate."""
    entry, value, step = record.metrics.get(name) or {}, record.value(name), record.value("step_s")
    if value is None or not step:
        return Quantity(None, "1")
    low, high = (None if entry.get(end) is None else float(entry[end]) / step for end in ("low", "high"))
    return Quantity(value / step, "1", low, high, str(entry.get("interval") or ""))


def _part(name: str, value: float, whole: float, measured: Quantity) -> Part:
    """Return a part with this share of the step, and with the interval of the share that was measured."""
    if measured.low is None or measured.high is None:
        return Part(name, value * whole, value, None)
    low, high = (value + end - (measured.value or 0.0) for end in (measured.low, measured.high))
    return Part(name, value * whole, value, measured.sign != 0, low, high)


BOUND = "layer_bound_s"
