"""Telemetry: watches a rank's device, and on a host's first rank the host, around the timed blocks."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any, Self

from saih.telemetry import cpu
from saih.telemetry.gpu import GpuWatch, allocation_retries, of_torch
from saih.telemetry.host import HostWatch
from saih.telemetry.readings import Parts, Readings, Series, Unreadable, summary
from saih.telemetry.sampler import Sampler

WINDOW = "window"
"""The part that is everything between `Telemetry.begin` and `Telemetry.end`, pauses between blocks included."""


class Telemetry:
    """A context manager; within it come `begin`, any number of `block`, and `end`.

    ``device``: "cpu" or "cuda:N", as torch counts them. ``ranks``: process id -> cores, of all ranks of this host, this
    one among them. ``host_first``: whether this is the host's first rank. Nothing is raised for want of a reading.
    """

    def __init__(self, device: str, ranks: Mapping[int, Collection[int]], host_first: bool) -> None:
        self._device = device
        self._why: dict[str, str] = {}
        self._gpu = self._find_gpu(ranks)
        self._host = HostWatch(ranks) if host_first else None
        self._clock = Series(partial(cpu.clock_mhz, sorted(ranks[os.getpid()])))
        meters = [self._gpu.meter] if self._gpu else []
        self._parts = Parts(meters + (self._host.meters if self._host else []))
        watches = [each for each in (self._gpu, self._host) if each]
        self._sampler = Sampler([self._clock.sample, *(each.sample for each in watches)])
        self._within = contextlib.ExitStack()
        self._retries = 0
        self.read: dict[str, Any] | None = None

    def _find_gpu(self, ranks: Mapping[int, Collection[int]]) -> GpuWatch | None:
        if self._device == "cpu":
            self._why |= {"gpu": "the device is a CPU", "allocation_retries": "torch counts them on GPUs only"}
            return None
        try:
            return GpuWatch(of_torch(self._device), ranks)
        except Unreadable as error:
            self._why["gpu"] = str(error)
            return None

    def begin(self) -> None:
        """The measurement starts: from here on samples are taken."""
        self._retries = self._allocation_retries() or 0
        if self._host:
            self._host.begin()
        self._sampler.begin()
        self._within.enter_context(self._parts.of(WINDOW))

    def block(self, part: str) -> contextlib.AbstractContextManager[None]:
        """Around a timed block of ``part`` ("full", "without_input", ...): its time and energy are added up there."""
        return self._parts.of(part)

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """`begin` and `end` around what runs within; what was read is then ``read``."""
        self.begin()
        yield
        self.read = self.end()

    def end(self) -> dict[str, Any]:
        """The measurement has ended: what was read, as the record keeps it (docs of each module say what it means)."""
        self._within.close()
        self._sampler.stop()
        retries = self._allocation_retries()
        own = Readings()
        own.take("cpu_clock_mhz", partial(summary, self._clock))
        read = own.to_dict()
        absent = {} if self._host else {"host_cpu": "read by the first rank of the host"}
        return {
            "host": socket.gethostname(),
            "device": self._device,
            "seconds": self._parts.seconds,
            "sampling": self._sampler.to_dict(),
            "allocation_retries": None if retries is None else retries - self._retries,
            "gpu": self._gpu.to_dict() if self._gpu else None,
            "host_cpu": self._host.to_dict() if self._host else None,
            **read,
            "why": self._why | absent | read["why"],
        }

    def _allocation_retries(self) -> int | None:
        return None if self._device == "cpu" else allocation_retries(self._device)

    def __enter__(self) -> Self:
        self._sampler.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._sampler.stop()
        if self._gpu:
            self._gpu.close()
