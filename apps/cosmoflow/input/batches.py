"""Samples -> batches on the device: reused host buffers, views, and the copy.

A buffer holds a batch and is page-aligned, so that direct reads go straight into it; on a GPU it is pinned and the copy
runs on a stream of its own, while the previous step computes. There is one buffer more than batches may be ahead: on a
CPU the step works on the buffer itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from apps.cosmoflow.input.loader import Batch
from apps.cosmoflow.input.prefetch import Shape
from apps.cosmoflow.input.sample_order import Indices, Order
from apps.cosmoflow.input.timers import Spent
from augment.data.reading import wait_clock
from augment.data.reading.direct_io import BLOCK_BYTES
from augment.data.reading.sample_reader import empty_batch
from augment.data.volumes.views import View, seen

Read = Callable[[int, NDArray[np.int16]], None]
Choice = Callable[[int, int], View]
"""(sample, epoch) -> the view of the sample in that epoch."""


@dataclass(frozen=True)
class Begun:
    """A batch on its way: its samples, their epochs, and its buffer."""

    samples: Indices
    epochs: Indices
    epoch: int
    buffer: int


class Batches:
    """Makes the batches of one rank for a `Loader`; `read` fills an array with a sample's counts, in any thread.

    depth: the number of batches that should be ahead with `threads` reading threads.
    """

    def __init__(
        self,
        read: Read,
        order: Order,
        labels: NDArray[np.float32],
        shape: Shape,
        threads: int,
        device: torch.device,
        view: Choice | None = None,
    ) -> None:
        self._read, self._order, self._all_labels, self._shape, self._view = read, order, labels, shape, view
        self.depth = shape.depth(threads)
        buffers, label_shape = self.depth + 1, (shape.batch, labels.shape[1])
        self._counts = [_buffer(shape, device) for _ in range(buffers)]
        self._labels = [torch.empty(label_shape, pin_memory=device.type == "cuda") for _ in range(buffers)]
        self._copy = _Copy(device, buffers) if device.type == "cuda" else None
        self._scratch = threading.local()

    @property
    def parts(self) -> int:
        """The number of parts of a batch."""
        return self._shape.parts

    def begin(self, step: int) -> Begun:
        """Return the samples of a step."""
        order = self._order
        return Begun(order.indices(step), order.epochs(step), order.epoch(step), step % len(self._counts))

    def read(self, begun: Begun, part: int) -> Spent:
        """Read some of the samples into the buffer; return the seconds spent."""
        if self._copy:
            self._copy.wait_until_free(begun.buffer)
        begin_s, before_s = time.perf_counter(), wait_clock.read_s()
        first, last = (i * self._shape.batch // self.parts for i in (part, part + 1))
        for i in range(first, last):
            place, sample = self._counts[begun.buffer][i], int(begun.samples[i])
            if self._view and not self._copy:
                scratch = self._own_scratch()
                self._read(sample, scratch.numpy())
                place.copy_(seen(scratch, self._view(sample, int(begun.epochs[i]))))
            else:
                self._read(sample, place.numpy())
        read_s = wait_clock.read_s() - before_s
        return Spent(read_s, max(0.0, time.perf_counter() - begin_s - read_s))  # rounding may give less than 0

    def finish(self, begun: Begun) -> Batch:
        """Return the batch; on a GPU its copy may still run, until the events of the batch."""
        counts, labels = self._counts[begun.buffer], self._labels[begun.buffer]
        labels.copy_(torch.from_numpy(self._all_labels[begun.samples]))
        if not self._copy:
            return Batch(counts, labels, begun.epoch)
        chosen = zip(begun.samples, begun.epochs, strict=True)
        views = [self._view(int(sample), int(epoch)) for sample, epoch in chosen] if self._view else []
        return replace(self._copy(begun.buffer, counts, labels, views), epoch=begun.epoch)

    def _own_scratch(self) -> Tensor:
        if not hasattr(self._scratch, "sample"):
            self._scratch.sample = torch.from_numpy(empty_batch(1, self._shape.sample)[0])
        sample: Tensor = self._scratch.sample
        return sample


class _Copy:
    """Copies buffers to a GPU on a stream of its own, and turns samples into views there."""

    def __init__(self, device: torch.device, buffers: int) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._free: list[torch.cuda.Event | None] = [None] * buffers
        self._one_at_a_time = threading.Lock()  # else the times of two copies would mix

    def wait_until_free(self, buffer: int) -> None:
        """Wait until the copy out of the buffer, if there was one, has ended."""
        event = self._free[buffer]
        if event:
            event.synchronize()

    def __call__(self, buffer: int, counts: Tensor, labels: Tensor, views: Sequence[View]) -> Batch:
        begin, end = (torch.cuda.Event(enable_timing=True, blocking=True) for _ in range(2))  # type: ignore[no-untyped-call]
        with self._one_at_a_time, torch.cuda.stream(self._stream):
            begin.record()
            there = counts.to(self._device, non_blocking=True), labels.to(self._device, non_blocking=True)
            end.record()
            ready = end
            if views:
                there = _turned(there[0], views), there[1]
                ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
                ready.record()
            self._free[buffer] = end
        return Batch(*there, copied=(begin, end), ready=ready)


def _turned(counts: Tensor, views: Sequence[View]) -> Tensor:
    turned = torch.empty_like(counts)
    for place, one, view in zip(turned, counts, views, strict=True):
        place.copy_(seen(one, view))
    return turned


def _buffer(shape: Shape, device: torch.device) -> Tensor:
    if device.type != "cuda":
        return torch.from_numpy(empty_batch(shape.batch, shape.sample))
    # Torch returns parts of pinned pages: only the extra bytes beyond the batch make a page-aligned start possible.
    memory = torch.empty(shape.bytes + BLOCK_BYTES, dtype=torch.uint8, pin_memory=True)
    begin = -memory.data_ptr() % BLOCK_BYTES
    return memory[begin : begin + shape.bytes].view(torch.int16).view(shape.batch, *shape.sample)
