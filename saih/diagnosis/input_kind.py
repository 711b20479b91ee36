"""Kind of the cost of input: storage, decoding, the copy, or readers that compete with the step. Pure.

The cost is the full step less the one without input. It has two parts, which are separated by blocks of a third kind,
in which input is read but not waited for:

    contention   that step less the one without input: readers slow down a step that does not wait for them
    waiting      the full step less that step. Wall-clock timers on the step's own path show the reason: the batch is
                 being fetched (storage), decoded (decode), or copied to the device (copy)

A kind is named if it is at least `OF_INPUT` of the cost: contention, if its blocks show it beyond noise; otherwise the
longest timer, if waiting is that much, too, and the timer is `CLEARLY` longer than the others. It is called storage
only if bytes did come from storage: reads from the page cache are timed alike. Otherwise the kind is undetermined, and
the evidence gives the reason. Seconds added up over threads decide nothing: they are no time of the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saih.diagnosis.words import duration, listed, percent
from saih.metrics.from_blocks import shown

OF_INPUT = 0.5
"""The least share of the cost of input that counts as its explanation."""
CLEARLY = 1.5
"""The least ratio of the longest timer to the next one for a decision: threads' times vary as much."""
FROM_STORAGE = 0.05
"""With less than this share of the bytes read from storage, reading measures memory."""
HARDLY = 0.1
"""A step that waits for less than this share of the cost of input is not slow for want of batches."""
NEXT_TO_NOTHING = 0.01
"""Timers with less than this share of the cost are not mentioned."""
OVERLAPPED = 0.9
"""Copies that the device waits for in less than this share of their time are made ahead of the step already."""

TIMERS = {"storage": "storage_wait_s", "decode": "decode_wait_s", "copy": "copy_wait_s"}
AWAITED = {"storage": "to be fetched", "decode": "to be decoded", "copy": "to be copied to the device"}

CONTENTION_HELP = (
    "Let readers take less of the host from the step: fewer reading threads; readers in processes of their own, which "
    "share no interpreter with it; cores of their own; or larger samples and batches, so that they take turns less "
    "often."
)
STORAGE_HELP = (
    "Keep the data nearer than it lies now: on the host's own storage, or in memory where it fits; or fetch fewer "
    "bytes a sample. More reading threads help where the storage is not busy yet."
)
DECODE_HELP = (
    "Make a sample cheaper to decode, {cheaper}; or decode with more threads, if there are cores for them that the "
    "step does not use."
)
COPY_HELP = "Copy ahead of the step, from page-locked memory, on a stream of its own; or copy fewer bytes a sample."
COPIED_AHEAD_HELP = (
    "Copies run beside the step already: copy fewer bytes a sample, where the device can convert a smaller type, or "
    "copy farther ahead."
)
MEMORY_HELP = "Read from memory with more threads, if there are cores for them that the step does not use."
FROM_WHERE_HELP = "Find out whether storage is read: count its bytes, or read past the page cache (docs/io.md)."
UNTIMED_HELP = (
    "Find out what the step waits for: time storage_wait_s, decode_wait_s and copy_wait_s, and offer "
    'without("input_wait").'
)
OPEN_HELP = (
    "Measure longer, or several times (measure.max_s, sweep.repeats), or change one of them: fewer reading threads, or "
    "input held in memory."
)
AGAIN_HELP = (
    "Measure the point with this version: it runs steps beside which input is read and not waited for, and times what "
    "the device waits for. Fewer reading threads are a quick test."
)


@dataclass(frozen=True)
class Known:
    """Facts of a record about the cost of input; None: not known."""

    cost_s: float
    input_wait_s: float | None
    timers_s: Mapping[str, float | None]
    copies_s: float | None
    contention_s: float | None
    contention_between: tuple[float, float] | None
    contention_shown: bool | None
    waiting_s: float | None
    from_storage: float | None

    @property
    def contends(self) -> bool:
        """True if contention explains the cost of input, beyond noise."""
        return bool(self.contention_shown) and (self.contention_s or 0.0) >= OF_INPUT * self.cost_s

    @property
    def waits(self) -> bool:
        """True if waiting may explain the cost of input, according to the blocks."""
        return self.waiting_s is None or self.waiting_s >= OF_INPUT * self.cost_s

    @property
    def longest(self) -> str | None:
        """The longest wait of the step, if it is enough of the cost and clearly more than the others; else None."""
        ordered = sorted(((s or 0.0, name) for name, s in self.timers_s.items()), reverse=True)
        (first_s, name), (second_s, _) = ordered[:2]
        enough = first_s >= OF_INPUT * self.cost_s and first_s >= CLEARLY * second_s and first_s > 0
        return name if enough else None

    @property
    def timed(self) -> bool:
        """True if any of the timers on the step's path was recorded."""
        return any(seconds is not None for seconds in self.timers_s.values())


@dataclass(frozen=True)
class Kind:
    """The kind of the cost (None: undetermined), the evidence in sentences, and advice."""

    kind: str | None
    evidence: str
    help: str


def kind(cost_s: float, metrics: Mapping[str, Mapping[str, Any]], samples: Mapping[str, Any]) -> Kind:
    """Return the kind of a cost of input; `metrics`, `samples`: as in the record, of any version."""
    known = know(cost_s, metrics, samples)
    if known.contends:
        return Kind("contention", f"{_split(known)}{_waits_for(known)}", CONTENTION_HELP)
    if known.timed:
        return _by_timers(known)
    return _untimed(known)


def know(cost_s: float, metrics: Mapping[str, Mapping[str, Any]], samples: Mapping[str, Any]) -> Known:
    """Collect the facts of the record."""

    def value(name: str, key: str = "value") -> float | None:
        return metrics.get(name, {}).get(key)

    low, high = (value("input_contention_s", end) for end in ("low", "high"))
    return Known(
        cost_s=cost_s,
        input_wait_s=value("input_wait_s"),
        timers_s={name: value(timer) for name, timer in TIMERS.items()},
        copies_s=value("h2d_s"),
        contention_s=value("input_contention_s"),
        contention_between=None if low is None or high is None else (low, high),
        contention_shown=shown(samples, "without_input", "without_input_wait"),
        waiting_s=value("exposed_input_wait_s"),
        from_storage=from_storage(samples),
    )


def from_storage(samples: Mapping[str, Any]) -> float | None:
    """Return bytes from storage over bytes of the samples read; None: not known, or none was read."""
    if "storage_bytes" not in samples:
        return _from_storage_by_the_application(samples)
    fetched = [count for block in samples["storage_bytes"] for count in block]
    read = sum(count for block in samples["read_bytes"] for count in block)
    if not read or any(count is None for count in fetched):
        return None
    return float(sum(fetched) / read)


def _from_storage_by_the_application(samples: Mapping[str, Any]) -> float | None:
    """Return the same for records of method versions up to 7, from the application's own metric if there is one."""
    percentage = (samples.get("values") or {}).get("from_storage_percent")
    return None if percentage is None else float(percentage) / 100


def _by_timers(known: Known) -> Kind:
    """Return the kind with the longest timer if waiting is the cost; else an undetermined kind with the reason."""
    longest, sentences = known.longest, f"{_split(known)}{_waits_for(known)}"
    if longest is None or not known.waits:
        return Kind(None, f"{sentences}{_why_open(known)}", OPEN_HELP)
    if longest != "storage":
        return Kind(longest, sentences, _help(longest, known))
    if known.from_storage is None:
        why = " Whether the bytes came from storage or from memory is not known, so that the kind is undetermined."
        return Kind(None, f"{sentences}{why}", FROM_WHERE_HELP)
    sentences += f" {_came(known.from_storage).capitalize()} of the bytes read came from storage"
    if known.from_storage < FROM_STORAGE:
        return Kind(None, f"{sentences}: it is memory that is read, and the kind is undetermined.", MEMORY_HELP)
    return Kind("storage", f"{sentences}.", STORAGE_HELP)


def _came(share: float) -> str:
    return percent(share) if share > 0 else "none"


def _help(longest: str, known: Known) -> str:
    """Return advice against decoding or copying, without measures already in use."""
    if longest == "decode":
        plain = known.from_storage is not None and known.from_storage >= 1  # no compression: the bytes of the samples
        cheaper = "in fewer steps" if plain else "without compression, or with a faster one, if it is compressed"
        return DECODE_HELP.format(cheaper=cheaper)
    stall_s, copies_s = known.timers_s["copy"] or 0.0, known.copies_s
    ahead = copies_s is not None and stall_s < OVERLAPPED * copies_s
    return COPIED_AHEAD_HELP if ahead else COPY_HELP


def _split(known: Known) -> str:
    """Describe the cost, divided by blocks into contention and waiting."""
    if known.contention_s is None or known.waiting_s is None:
        return ""
    between = " to ".join(map(duration, known.contention_between or ()))
    return (
        f"Beside readers that nobody waits for the step is {duration(known.contention_s)} "
        f"{f'({between}) ' if between else ''}longer than without them; waiting for batches adds "
        f"{duration(known.waiting_s)}."
    )


def _waits_for(known: Known) -> str:
    """Describe the timers that were recorded."""
    least_s = NEXT_TO_NOTHING * known.cost_s
    awaited = [f"{duration(s)} {AWAITED[name]}" for name, s in known.timers_s.items() if s and s >= least_s]
    if not awaited:
        return " By its timers it waits for next to nothing." if known.timed else ""
    return f" By its timers it waits for a batch {listed(awaited)}."


def _why_open(known: Known) -> str:
    if not known.waits:
        why = "neither waiting nor, beyond noise, competing readers make up half of what input costs"
        if (known.contention_s or 0.0) >= OF_INPUT * known.cost_s:
            why = "competing readers would be it, but that is not told from noise"
    elif max(s or 0.0 for s in known.timers_s.values()) < OF_INPUT * known.cost_s:
        why = "none of these is half of what input costs"
    else:
        why = f"none of these is {CLEARLY:g} times the next"
    return f" The kind is undetermined: {why}."


def _untimed(known: Known) -> Kind:
    """Return an undetermined kind for records without timers on the step's path; the step may be known not to wait."""
    if known.input_wait_s is None:
        return Kind(None, "Waiting for input is not timed: the kind is undetermined.", UNTIMED_HELP)
    waits = f"By its timer the step waits {duration(known.input_wait_s)} for a batch"
    if known.input_wait_s >= HARDLY * known.cost_s:
        return Kind(None, f"{waits}; for what is not timed: the kind is undetermined.", UNTIMED_HELP)
    storage = ""
    if known.from_storage is not None and known.from_storage < FROM_STORAGE:
        storage = f", and {_came(known.from_storage)} of the bytes read came from storage"
    likely = "likely readers compete with the step for the host (interpreter, cores)"
    if (known.copies_s or 0.0) >= OF_INPUT * known.cost_s:
        likely += (
            f", or the device waits for copies, which last {duration(known.copies_s or 0.0)} a step and overlap with it"
        )
    sentences = (
        f"{waits}{storage}. So it is hardly slow for want of batches: {likely}, which was not measured. The kind is "
        "undetermined."
    )
    return Kind(None, sentences, AGAIN_HELP)
