"""Batches of a file: a thread reads them ahead of the step, and on a GPU a stream of its own copies them there.

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

import torch
from torch import Tensor

from apps.cosmoflow.architecture import architecture_of
from apps.cosmoflow.data import file_of
from apps.cosmoflow.order import Order
from augment.data.store import UniverseFile, split
from augment.errors import DataError
from saih.app import InputError, Point

VALIDATION_FRACTION = 0.125  # of the universes; MLPerf has a ninth of the samples
READY_BATCHES = 2


@dataclass(frozen=True)
class Batch:
    """Samples on the device: counts int16 (B, E, E, E, R), labels float32 (B, 4); when their copy began and ended."""

    counts: Tensor
    labels: Tensor
    epoch: int = 0
    copied: tuple[torch.cuda.Event, torch.cuda.Event] | None = None


@dataclass(frozen=True)
class Reading:
    """What reading cost since it was last asked: seconds waited for batches, seconds of copies, bytes."""

    input_wait_s: float = 0.0
    h2d_s: float = 0.0
    bytes: int = 0


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

    def collect(self) -> Reading:
        """Nothing was read."""
        return Reading()

    def close(self) -> None:
        """Nothing to let go of."""


class Loader:
    """Batches of a file, read ahead by one thread; `fetch(step)` makes the batch of a step, in that thread."""

    def __init__(self, fetch: Callable[[int], Batch], release: Callable[[], None] = lambda: None) -> None:
        self._fetch, self._release = fetch, release
        self._ready: deque[Batch] = deque()
        self._changed = threading.Condition()
        self._may_read = self._reads = self._closed = False
        self._failure: BaseException | None = None
        self._waited_s, self._bytes = 0.0, 0
        self._copies: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._thread = threading.Thread(target=self._read_ahead, name="cosmoflow-loader", daemon=True)
        self._thread.start()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Reading ahead is allowed within; at the end a batch half read is waited for, and counts as waiting."""
        with self._changed:
            self._may_read = True
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._may_read = False
                self._wait_for(lambda: not self._reads)

    def next(self) -> Batch:
        """The next batch, ready for the current stream. Raises what the thread failed with. Only within `reading`."""
        with self._changed:
            self._wait_for(lambda: bool(self._ready) or self._failure is not None)
            if not self._ready:
                assert self._failure is not None
                raise self._failure
            batch = self._ready.popleft()
            self._changed.notify_all()
        self._bytes += batch.counts.nbytes
        if batch.copied:
            stream = torch.cuda.current_stream(batch.counts.device)
            stream.wait_event(batch.copied[1])
            for tensor in (batch.counts, batch.labels):  # their memory belongs to the copying stream
                tensor.record_stream(stream)
            self._copies.append(batch.copied)
        return batch

    def collect(self) -> Reading:
        """What the batches handed out since the last call cost. Waits for their copies, not for the steps."""
        if self._copies:
            self._copies[-1][1].synchronize()
        copy_s = sum(begin.elapsed_time(end) for begin, end in self._copies) / 1000
        found = Reading(self._waited_s, copy_s, self._bytes)
        self._waited_s, self._bytes, self._copies = 0.0, 0, []
        return found

    def close(self) -> None:
        """End the thread, then let go of the file. May be called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        self._ready.clear()
        self._release()

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        begin = time.perf_counter()
        self._changed.wait_for(condition)
        self._waited_s += time.perf_counter() - begin

    def _read_ahead(self) -> None:
        step = 0
        while self._wait_for_turn():
            batch: Batch | None = None
            try:
                batch = self._fetch(step)
            except BaseException as error:  # whatever it is, the one who waits for the batch must see it
                self._failure = error
            with self._changed:
                self._reads = False
                if batch:
                    self._ready.append(batch)
                self._changed.notify_all()
            if self._failure:
                return
            step += 1

    def _wait_for_turn(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (self._may_read and len(self._ready) < READY_BATCHES))
            self._reads = not self._closed
            return self._reads


def open_file(point: Point) -> UniverseFile:
    """The file of a point, which holds what the point asks for. Raises InputError naming the file."""
    path, net = file_of(point), architecture_of(point)
    try:
        file = UniverseFile(path)
        if file.edge == net.edge and len(file.redshifts) == net.redshifts:
            split(file.universe, VALIDATION_FRACTION)
            return file
    except DataError as error:
        raise InputError(str(error)) from error
    file.close()
    raise InputError(
        f"{path}: holds samples of edge {file.edge} with {len(file.redshifts)} redshifts; this point needs edge "
        f"{net.edge} with {net.redshifts}"
    )


def open_loader(file: UniverseFile, batch: int, rank: int, size: int, seed: int, device: torch.device) -> Loader:
    """A loader of the training universes of `file`, which it closes at its end."""
    train, _ = split(file.universe, VALIDATION_FRACTION)
    order = Order(train, batch, rank, size, seed)
    deliver = CopyToDevice(device) if device.type == "cuda" else keep_on_host

    def fetch(step: int) -> Batch:
        indices = order.indices(step)
        # Pinned memory comes from torch's cache, which gives it out again only when its copy has ended.
        counts = torch.empty((batch, *file.header.sample_shape), dtype=torch.int16, pin_memory=device.type == "cuda")
        file.read(indices, out=counts.numpy())
        return deliver(counts, torch.from_numpy(file.labels[indices]), order.epoch(step))

    return Loader(fetch, file.close)


def keep_on_host(counts: Tensor, labels: Tensor, epoch: int) -> Batch:
    """On the CPU a batch already is where it is needed."""
    return Batch(counts, labels, epoch)


class CopyToDevice:
    """Copies on a stream of its own, so that a batch travels while the step before it computes."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __call__(self, counts: Tensor, labels: Tensor, epoch: int) -> Batch:
        """The batch, which may still be under way: its events tell."""
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._stream):
            begin.record()
            on_device = counts.to(self._device, non_blocking=True), labels.to(self._device, non_blocking=True)
            end.record()
        return Batch(*on_device, epoch, (begin, end))
