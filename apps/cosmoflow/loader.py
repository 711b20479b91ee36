"""Batches read ahead of the steps by a pool of threads.

Threads take parts of batches in order, so that the samples of a batch are read in parallel and, while its last are
under way, those of the next ones too; at most `depth` batches are ahead. Whoever reads a batch's last part finishes it.

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

THREAD_NAME = "cosmoflow-reader"

Begun = TypeVar("Begun")


@dataclass(frozen=True)
class Batch:
    """Samples on the device: counts int16 (B, E, E, E, R), labels float32 (B, 4), until the next batch is asked for.

    `copied`: when their copy began and ended; `ready`: when they may be used.
    """

    counts: Tensor
    labels: Tensor
    epoch: int = 0
    copied: tuple[torch.cuda.Event, torch.cuda.Event] | None = None
    ready: torch.cuda.Event | None = None


@dataclass(frozen=True)
class Spent:
    """Seconds of threads, summed over them: waiting for storage, and all that they then do with what they have read."""

    read_s: float = 0.0
    decode_s: float = 0.0


@dataclass(frozen=True)
class Reading:
    """What reading cost since it was last asked: seconds waited for batches, of copies, bytes, threads' time."""

    input_wait_s: float = 0.0
    h2d_s: float = 0.0
    bytes: int = 0
    spent: Spent = Spent()


class Maker(Protocol[Begun]):
    """How batches come to be, each in `parts` parts."""

    @property
    def parts(self) -> int:
        """Into how many parts a batch is divided."""

    def begin(self, step: int) -> Begun:
        """What `read` and `finish` need to know of the batch of a step. Quick; called in order."""

    def read(self, begun: Begun, part: int) -> None:
        """Reads one part, in any thread, while others read other parts."""

    def finish(self, begun: Begun) -> Batch:
        """The batch, all of whose parts are read."""

    def collect(self) -> Spent:
        """What threads have spent in `read` since the last call."""


class Held:
    """One batch on the device, again and again: input that costs nothing."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Nothing to read."""
        yield

    def next(self) -> Batch:
        """The batch."""
        return self._batch

    def stop(self) -> None:
        """Nothing is read."""

    def collect(self) -> Reading:
        """Nothing was read."""
        return Reading()

    def close(self) -> None:
        """Nothing to let go of."""


class _Ahead(Generic[Begun]):
    """A batch on its way: `taken` parts have been given to threads, `missing` are not read yet."""

    def __init__(self, begun: Begun | None, parts: int) -> None:
        self.begun, self.taken, self.missing = begun, 0, parts
        self.batch: Batch | None = None
        self.failure: BaseException | None = None


class Loader(Generic[Begun]):
    """Batches of `maker` in order of their steps, read ahead by `threads` threads; `release` is called at the end."""

    def __init__(
        self, maker: Maker[Begun], threads: int = 1, depth: int = 2, release: Callable[[], None] = lambda: None
    ) -> None:
        self._maker, self._depth, self._release = maker, depth, release
        self._ahead: deque[_Ahead[Begun]] = deque()  # in order of steps; parts of the last may be untaken
        self._step = self._reads = 0
        self._may_read = self._closed = self._failed = False
        lock = threading.Lock()
        self._work, self._progress = threading.Condition(lock), threading.Condition(lock)
        self._waited_s, self._bytes = 0.0, 0
        self._copies: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        names = [f"{THREAD_NAME}-{number}" for number in range(threads)]
        self._threads = [threading.Thread(target=self._read_ahead, name=name, daemon=True) for name in names]
        for thread in self._threads:
            thread.start()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Reading ahead is allowed within, until `stop`."""
        with self._work:
            self._may_read = True
            self._work.notify_all()
        try:
            yield
        finally:
            self.stop()

    def stop(self) -> None:
        """Nothing more is read ahead; what is half read is waited for, and counts as waiting. May be called twice."""
        with self._progress:
            self._may_read = False
            self._wait_for(lambda: not self._reads)

    def next(self) -> Batch:
        """The next batch, ready for the current stream. Raises what a thread failed with. Only within `reading`."""
        with self._progress:
            self._wait_for(self._head_is_decided)
            head = self._ahead[0]
            if head.failure:
                raise head.failure
            assert head.batch is not None
            batch = head.batch
            self._ahead.popleft()
            self._work.notify(self._maker.parts)
        self._bytes += batch.counts.nbytes
        if batch.ready:
            stream = torch.cuda.current_stream(batch.counts.device)
            stream.wait_event(batch.ready)
            for tensor in (batch.counts, batch.labels):  # their memory belongs to the copying stream
                tensor.record_stream(stream)
        if batch.copied:
            self._copies.append(batch.copied)
        return batch

    def collect(self) -> Reading:
        """What the batches handed out since the last call cost. Waits for their copies, not for the steps.

        What threads have spent is that of the batches read in the meantime, ahead of the steps or not.
        """
        if self._copies:
            self._copies[-1][1].synchronize()
        copy_s = sum(begin.elapsed_time(end) for begin, end in self._copies) / 1000
        found = Reading(self._waited_s, copy_s, self._bytes, self._maker.collect())
        self._waited_s, self._bytes, self._copies = 0.0, 0, []
        return found

    def close(self) -> None:
        """End the threads, once what they read now is read, then let go of the files. May be called twice."""
        with self._work:
            self._closed = True
            self._work.notify_all()
        for thread in self._threads:
            thread.join()
        self._ahead.clear()
        self._release()

    def _head_is_decided(self) -> bool:
        return bool(self._ahead) and (self._ahead[0].batch is not None or self._ahead[0].failure is not None)

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        begin = time.perf_counter()
        self._progress.wait_for(condition)
        self._waited_s += time.perf_counter() - begin

    def _read_ahead(self) -> None:
        while task := self._take():
            ahead, part = task
            try:
                self._read(ahead, part)
            except BaseException as error:  # whatever it is, the one who waits for the batch must see it
                self._fail(ahead, error)
            with self._progress:
                self._reads -= 1
                self._progress.notify_all()

    def _read(self, ahead: _Ahead[Begun], part: int) -> None:
        assert ahead.begun is not None
        self._maker.read(ahead.begun, part)
        with self._work:
            ahead.missing -= 1
            last = not ahead.missing
        if last:
            ahead.batch = self._maker.finish(ahead.begun)

    def _take(self) -> tuple[_Ahead[Begun], int] | None:
        """The next part to read, as soon as reading is allowed and there is room; None at the end."""
        with self._work:
            while True:
                self._work.wait_for(lambda: self._closed or (self._may_read and not self._failed and self._has_part()))
                if self._closed:
                    return None
                if not self._ahead or self._ahead[-1].taken == self._maker.parts:
                    self._begin()
                ahead = self._ahead[-1]
                if ahead.failure is None:
                    ahead.taken, self._reads = ahead.taken + 1, self._reads + 1
                    return ahead, ahead.taken - 1

    def _has_part(self) -> bool:
        return len(self._ahead) < self._depth or self._ahead[-1].taken < self._maker.parts

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
        """The batch's first failure, after which nothing more is read. Parts of earlier batches are under way."""
        ahead.failure, self._failed = ahead.failure or error, True
        self._progress.notify_all()
