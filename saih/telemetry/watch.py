"""Telemetry: watches a rank's device, and on a host's first rank the host, around the timed blocks."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any, Self

from saih.telemetry import cpu
from saih.telemetry.energy import WINDOW
from saih.telemetry.gpu import GpuWatch, allocation_retries, of_torch
from saih.telemetry.host import HostWatch
from saih.telemetry.quota import QuotaWatch
from saih.telemetry.readings import Parts, Readings, Series, Unreadable, growth, summary
from saih.telemetry.sampler import Sampler

EVERY_S = 0.2
"""Five samples a second: enough for a trend and for neighbours. What it takes of a core stands in the record."""
ENERGY_EVERY_S = 0.05
"""A block lasts 0.2 s or more, and NVIDIA's counter moves every 0.1 s."""


class Telemetry:
    """A context manager; within it come `begin`, any number of `block`, and `end`.

    `device`: "cpu" or "cuda:N", as torch counts them. `ranks`: process id -> cores, of all ranks of this host, this
    one among them. `host_first`: whether this is the host's first rank. Nothing is raised for want of a reading.
    """

    def __init__(self, device: str, ranks: Mapping[int, Collection[int]], host_first: bool) -> None:
        self._device = device
        self._why: dict[str, str] = {}
        self._gpu = self._find_gpu(ranks)
        self._host = HostWatch(ranks) if host_first else None
        self._clock = Series(partial(cpu.clock_mhz, sorted(ranks[os.getpid()])))
        self._quota = QuotaWatch()
        meters = [*([self._gpu.meter] if self._gpu else []), *(self._host.meters if self._host else [])]
        self._parts = Parts()
        self._sampler = Sampler([self._clock.sample, *([self._gpu.sample] if self._gpu else [])], EVERY_S)
        self._energy = Sampler([meter.sample for meter in meters], ENERGY_EVERY_S)
        self._samplers = (self._sampler, self._energy)
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
        self._retries = 0 if self._device == "cpu" else allocation_retries(self._device)
        self._quota.begin()
        if self._host:
            self._host.begin()
        for each in self._samplers:
            each.begin()
        if self._gpu:
            self._gpu.begin()
        self._within.enter_context(self._parts.of(WINDOW))

    def block(self, part: str) -> contextlib.AbstractContextManager[None]:
        """Around a timed block of `part` ("full", "without_input", ...): its time and energy are added up."""
        return self._parts.of(part)

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """`begin` and `end` around what runs within; what was read is then `read`."""
        self.begin()
        yield
        self.read = self.end()

    def end(self) -> dict[str, Any]:
        """The measurement has ended: what was read, as the record keeps it (docs of each module say what it means)."""
        self._within.close()
        if self._gpu:
            self._gpu.end()
        for each in self._samplers:
            each.stop()
        own = Readings()
        own.take("cpu_quota", self._quota.to_dict)
        own.take("cpu_clock_mhz", partial(summary, self._clock))
        if self._device != "cpu":
            own.take("allocation_retries", self._retried)
        read = own.to_dict()
        absent = {} if self._host else {"host_cpu": "read by the first rank of the host"}
        return {
            "host": socket.gethostname(),
            "device": self._device,
            "seconds": self._parts.seconds(),
            "sampling": self._sampler.to_dict(),
            "energy_sampling": self._energy.to_dict(),
            "allocation_retries": None,
            "gpu": self._gpu.to_dict(self._parts.spans) if self._gpu else None,
            "host_cpu": self._host.to_dict(self._parts.spans) if self._host else None,
            **read,
            "why": self._why | absent | read["why"],
        }

    def _retried(self) -> int:
        return int(growth("torch's count of allocation retries", self._retries, allocation_retries(self._device)))

    def __enter__(self) -> Self:
        for each in self._samplers:
            each.start()
        return self

    def __exit__(self, *exception: object) -> None:
        for each in self._samplers:
            each.stop()
        if self._gpu:
            self._gpu.close()
