"""The time for a batch: of the threads that read it, and of the step that waits for it.

Threads' times are added up over threads. A wait is wall time. It is divided in the ratio of fetching to decoding in the
threads' time for the batch that was waited for, as far as they were at work on it during the wait. Their work before
the wait counts for the ratio, too: all of it had to end before the batch was ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

Interval = tuple[torch.cuda.Event, torch.cuda.Event]
"""A device's time from one event to the other."""


@dataclass(frozen=True)
class Spent:
    """Seconds of threads, summed over them: waiting for storage, and all further work on the data."""

    read_s: float = 0.0
    decode_s: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.read_s + other.read_s, self.decode_s + other.decode_s)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.read_s - other.read_s, self.decode_s - other.decode_s)


@dataclass(frozen=True)
class Waited:
    """Seconds in which the step waited for a batch; of these, the seconds of fetching and of decoding."""

    input_wait_s: float = 0.0
    storage_wait_s: float = 0.0
    decode_wait_s: float = 0.0

    def __add__(self, other: Waited) -> Waited:
        return Waited(
            self.input_wait_s + other.input_wait_s,
            self.storage_wait_s + other.storage_wait_s,
            self.decode_wait_s + other.decode_wait_s,
        )


def divided(waited_s: float, busy_s: float, spent: Spent, threads_s: float) -> Waited:
    """Divide a wait of `waited_s`, in `busy_s` of which threads were at work on the awaited batch.

    `spent` of `threads_s`, the threads' time for it, went to fetching and decoding. The remainder is neither: waiting
    for room, or for a turn of the interpreter. `busy_s` may be a few microseconds below zero, if a thread's end was
    noted before the wait began and entered after it.
    """
    share = max(0.0, min(busy_s, waited_s)) / threads_s if threads_s > 0 else 0.0
    return Waited(waited_s, share * spent.read_s, share * spent.decode_s)


class PartTimes:
    """The threads' times for the parts of something, such as a batch. To be called under a lock."""

    def __init__(self) -> None:
        self.spent, self.threads_s = Spent(), 0.0
        self._at_work, self._busy_s, self._since_s = 0, 0.0, 0.0

    def begin(self, now_s: float) -> None:
        """Start a part in one more thread."""
        if not self._at_work:
            self._since_s = now_s
        self._at_work += 1

    def end(self, now_s: float, began_s: float, spent: Spent) -> None:
        """End the part that a thread began at `began_s`, on which it `spent` its time."""
        self.spent += spent
        self.threads_s += now_s - began_s
        self._at_work -= 1
        if not self._at_work:
            self._busy_s += now_s - self._since_s

    def busy_s(self, now_s: float) -> float:
        """Return the wall time until now in which at least one thread was at work."""
        return self._busy_s + (now_s - self._since_s if self._at_work else 0.0)


@dataclass(frozen=True)
class Reading:
    """The cost of reading since the last query: waits for batches, bytes handed out, threads' time, device times.

    `copies`: of the copies to the device; `stalls`: of the compute stream's waits for them.
    """

    waited: Waited = Waited()
    bytes: int = 0
    spent: Spent = Spent()
    copies: Sequence[Interval] = field(default_factory=tuple)
    stalls: Sequence[Interval] = field(default_factory=tuple)

    def phases(self) -> dict[str, float]:
        """Return the seconds by phase (`saih.app.Ran`); the device must have finished the steps."""
        device = {"h2d_s": _seconds(self.copies), "copy_wait_s": _seconds(self.stalls)}
        return {**vars(self.waited), **device, **vars(self.spent)}


def stall(stream: torch.cuda.Stream, ready: torch.cuda.Event) -> Interval | None:
    """Let a stream wait for an event; return the wait in the device's time, or None if it has already happened."""
    if ready.query():  # type: ignore[no-untyped-call]
        stream.wait_event(ready)
        return None
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    begin.record(stream)
    stream.wait_event(ready)
    end.record(stream)
    return begin, end


def _seconds(intervals: Sequence[Interval]) -> float:
    return float(sum(begin.elapsed_time(end) for begin, end in intervals)) / 1000
