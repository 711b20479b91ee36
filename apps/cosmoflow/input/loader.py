"""Batches read ahead of the steps by a pool of threads.

Threads take parts of batches in order, so that the samples of a batch are read in parallel and, while its last parts
are under way, those of the next ones too; at most `depth` batches are ahead. The thread that reads a batch's last part
finishes it.

Reading ahead is allowed only while steps run (`Loader.reading`). Otherwise batches would be read for free between two
measured blocks, and a slow disk would look like a fast one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from apps.cosmoflow.input.timers import Interval, PartTimes, Reading, Spent, Waited, divided, stall

THREAD_NAME = "cosmoflow-reader"

Begun = TypeVar("Begun")


@dataclass(frozen=True)
class Batch:
    """Samples on the device until the next batch is requested: counts int16 (B, E, E, E, R), labels float32 (B, 4).

    `copied`: begin and end of their copy; `ready`: the event from which they may be used.
    """

    counts: Tensor
    labels: Tensor
    epoch: int = 0
    copied: Interval | None = None
    ready: torch.cuda.Event | None = None


class Maker(Protocol[Begun]):
    """A source of batches, each in `parts` parts."""

    @property
    def parts(self) -> int:
        """The number of parts of a batch."""

    def begin(self, step: int) -> Begun:
        """Return the data that `read` and `finish` need for the batch of a step. Quick; called in order."""

    def read(self, begun: Begun, part: int) -> Spent:
        """Read one part, in any thread, while others read other parts; return the seconds spent."""

    def finish(self, begun: Begun) -> Batch:
        """Return the batch after all of its parts are read."""


class _Ahead(Generic[Begun]):
    """A batch on its way: `taken` parts have been given to threads, `missing` are not read yet."""

    def __init__(self, begun: Begun | None, parts: int) -> None:
        self.begun, self.taken, self.missing = begun, 0, parts
        self.times = PartTimes()
        self.batch: Batch | None = None
        self.failure: BaseException | None = None

    @property
    def decided(self) -> bool:
        """True if the batch is ready or has failed."""
        return self.batch is not None or self.failure is not None


class Loader(Generic[Begun]):
    """Batches of `maker` in order of their steps, read ahead by `threads` threads; `release` is called at the end."""

    def __init__(
        self, maker: Maker[Begun], threads: int = 1, depth: int = 2, release: Callable[[], None] = lambda: None
    ) -> None:
        self._maker, self._depth, self._release = maker, depth, release
        self._ahead: deque[_Ahead[Begun]] = deque()  # in order of steps; parts of the last may be untaken
        self._step = self._reads = 0
        self._most_parts = 0  # that may be ahead, read or under way
        self._closed = self._failed = False
        lock = threading.Lock()
        self._work, self._progress = threading.Condition(lock), threading.Condition(lock)
        self._waited, self._bytes = Waited(), 0
        self._all, self._collected = PartTimes(), Spent()
        self._copies: list[Interval] = []
        self._stalls: list[Interval] = []
        names = [f"{THREAD_NAME}-{number}" for number in range(threads)]
        self._threads = [threading.Thread(target=self._read_ahead, name=name, daemon=True) for name in names]
        for thread in self._threads:
            thread.start()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Allow reading ahead within this context, until `stop`."""
        self.allow()
        try:
            yield
        finally:
            self.stop()

    def allow(self) -> None:
        """Allow reading ahead until `stop` or `forbid`."""
        with self._work:
            self._let(self._depth * self._maker.parts)

    def forbid(self) -> None:
        """Start no further part; parts under way go on."""
        with self._work:
            self._most_parts = 0

    def stop(self) -> None:
        """End reading ahead; parts under way are waited for, and that counts as waiting. May be called twice."""
        with self._progress:
            self._most_parts = 0
            times = self._all
            busy_s, spent, threads_s = times.busy_s(time.perf_counter()), times.spent, times.threads_s
            waited_s = self._wait_for(lambda: not self._reads)
            busy_s = times.busy_s(time.perf_counter()) - busy_s
            self._waited += divided(waited_s, busy_s, times.spent - spent, times.threads_s - threads_s)

    def next(self) -> Batch:
        """Return the next batch, ready for the current stream, within `reading`. Raises the error of a thread."""
        with self._progress:
            busy_s = self._ahead[0].times.busy_s(time.perf_counter()) if self._ahead else 0.0
            waited_s = self._wait_for(lambda: bool(self._ahead) and self._ahead[0].decided)
            times = self._ahead[0].times
            busy_s = times.busy_s(time.perf_counter()) - busy_s
            self._waited += divided(waited_s, busy_s, times.spent, times.threads_s)
            batch = self._pop()
        self._bytes += batch.counts.nbytes
        if batch.ready:
            stream = torch.cuda.current_stream(batch.counts.device)
            stalled = stall(stream, batch.ready)
            if stalled:
                self._stalls.append(stalled)
            for tensor in (batch.counts, batch.labels):  # their memory belongs to the copying stream
                tensor.record_stream(stream)
        if batch.copied:
            self._copies.append(batch.copied)
        return batch

    def drop(self) -> None:
        """Drop the next batch if it is ready, without waiting for it. Raises the error of a failed thread."""
        with self._progress:
            if self._ahead and self._ahead[0].decided:
                self._pop()

    def parts_ahead(self) -> int:
        """Return the number of parts read or under way, of batches that have not been taken yet."""
        with self._work:
            return self._parts_ahead()

    def settle(self) -> None:
        """Do nothing: after `stop` nothing is under way."""

    def restore(self, parts: int) -> None:
        """Wait for the parts under way, then drop whole batches and read on until exactly `parts` are ahead.

        After a failure it only waits; the error is raised at the next request for a batch.
        """
        with self._progress:
            self._read_to(0)
            while self._parts_ahead() > parts and not self._failed:
                self._read_to(self._maker.parts)  # the first batch, to its end
                if not self._failed:
                    self._pop()
            self._read_to(parts)

    def _read_to(self, parts: int) -> None:
        """Read on until this many parts are ahead, and nothing is under way; if there are more, read none."""
        self._let(parts)
        self._progress.wait_for(lambda: not self._reads and (self._failed or self._parts_ahead() >= parts))
        self._most_parts = 0

    def collect(self) -> Reading:
        """Return the cost of the batches handed out since the last call.

        The threads' time is that of the batches read in the meantime, ahead of the steps or not.
        """
        with self._work:
            spent = self._all.spent
        reading = Reading(self._waited, self._bytes, spent - self._collected, self._copies, self._stalls)
        self._waited, self._bytes, self._collected = Waited(), 0, spent
        self._copies, self._stalls = [], []
        return reading

    def close(self) -> None:
        """End the threads after their current reads, then release the files. May be called twice."""
        with self._work:
            self._closed = True
            self._work.notify_all()
        for thread in self._threads:
            thread.join()
        self._ahead.clear()
        self._release()

    def _pop(self) -> Batch:
        """Remove the first batch, which must be decided, to make room. Raises the error of a failed thread."""
        head = self._ahead[0]
        if head.failure:
            raise head.failure
        assert head.batch is not None
        self._ahead.popleft()
        self._work.notify(self._maker.parts)
        return head.batch

    def _let(self, parts: int) -> None:
        """Set the number of parts that may be ahead."""
        self._most_parts = parts
        self._work.notify_all()

    def _wait_for(self, condition: Callable[[], bool]) -> float:
        begin = time.perf_counter()
        self._progress.wait_for(condition)
        return time.perf_counter() - begin

    def _read_ahead(self) -> None:
        while task := self._take():
            ahead, part = task
            try:
                self._read(ahead, part)
            except BaseException as error:  # any error must reach the thread that waits for the batch
                self._fail(ahead, error)
            with self._progress:
                self._reads -= 1
                self._progress.notify_all()

    def _read(self, ahead: _Ahead[Begun], part: int) -> None:
        assert ahead.begun is not None
        both, spent, began_s = (ahead.times, self._all), Spent(), time.perf_counter()
        with self._work:
            for times in both:
                times.begin(began_s)
        try:
            spent = self._maker.read(ahead.begun, part)
        finally:
            ended_s = time.perf_counter()
            with self._work:
                for times in both:
                    times.end(ended_s, began_s, spent)
                ahead.missing -= 1
                last = not ahead.missing
        if last:
            ahead.batch = self._maker.finish(ahead.begun)

    def _take(self) -> tuple[_Ahead[Begun], int] | None:
        """Return the next part to read, once reading is allowed and has room; None at the end."""
        with self._work:
            while True:
                self._work.wait_for(lambda: self._closed or (not self._failed and self._may_begin()))
                if self._closed:
                    return None
                if not self._ahead or self._ahead[-1].taken == self._maker.parts:
                    self._begin()
                ahead = self._ahead[-1]
                if ahead.failure is None:
                    ahead.taken, self._reads = ahead.taken + 1, self._reads + 1
                    return ahead, ahead.taken - 1

    def _may_begin(self) -> bool:
        return self._parts_ahead() < self._most_parts

    def _parts_ahead(self) -> int:
        return sum(ahead.taken for ahead in self._ahead)

    def _begin(self) -> None:
        try:
            self._ahead.append(_Ahead(self._maker.begin(self._step), self._maker.parts))
            self._step += 1
        except BaseException as error:
            self._ahead.append(_Ahead(None, 0))
            self._note(self._ahead[-1], error)

    def _fail(self, ahead: _Ahead[Begun], error: BaseException) -> None:
        with self._progress:
            self._note(ahead, error)

    def _note(self, ahead: _Ahead[Begun], error: BaseException) -> None:
        """Keep the batch's first failure, after which nothing more is read. Parts of earlier batches are under way."""
        ahead.failure, self._failed = ahead.failure or error, True
        self._progress.notify_all()
