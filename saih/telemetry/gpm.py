"""Hardware counters of an NVIDIA GPU between two moments: NVML's GPU Performance Monitoring, from Hopper on.

Nothing is run again: the driver counts all the time, a reading takes 0.1 to 0.5 ms (H100), and two of them give the
means of what lies between. It counts the whole device, whoever uses it.

Names, numbers and structures: nvml.h of the CUDA toolkit, nvmlGpm... and nvmlGpmMetricId_t.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from saih.telemetry import nvml
from saih.telemetry.readings import Unreadable

METRICS = {
    "sm_busy_percent": 2,
    "tensor_busy_percent": 5,
    "dram_busy_percent": 10,
    "pcie_to_host_mib_per_s": 20,
    "pcie_from_host_mib_per_s": 21,
    "nvlink_received_mib_per_s": 60,
    "nvlink_sent_mib_per_s": 61,
}
"""Share of time in which a multiprocessor was active, tensor cores were, and of the memory's bandwidth; and traffic."""
_VERSION = 1
_ROOM = 512
"""Entries of nvmlGpmMetricsGet_t, whose number grows with the library: it fills as many as are asked for."""


class _Info(ctypes.Structure):
    _fields_ = (("short_name", ctypes.c_char_p), ("long_name", ctypes.c_char_p), ("unit", ctypes.c_char_p))


class _Metric(ctypes.Structure):
    """nvmlGpmMetric_t."""

    _fields_ = (("number", ctypes.c_uint), ("status", ctypes.c_uint), ("value", ctypes.c_double), ("info", _Info))


class _Request(ctypes.Structure):
    """nvmlGpmMetricsGet_t."""

    _fields_ = (
        ("version", ctypes.c_uint),
        ("count", ctypes.c_uint),
        ("first", ctypes.c_void_p),
        ("last", ctypes.c_void_p),
        ("metrics", _Metric * _ROOM),
    )


class _Support(ctypes.Structure):
    """nvmlGpmSupport_t."""

    _fields_ = (("version", ctypes.c_uint), ("supported", ctypes.c_uint))


class Counters:
    """Counters of one GPU, between `begin` and `end`. Every method may raise Unreadable."""

    def __init__(self, gpu: nvml.Gpu) -> None:
        self._gpu = gpu
        support = _Support(_VERSION, 0)
        gpu.call("nvmlGpmQueryDeviceSupport", gpu.handle, ctypes.byref(support))
        if not support.supported:
            raise Unreadable("NVML has no performance monitoring of this device: Hopper and later have it")
        self._first, self._last = ctypes.c_void_p(), ctypes.c_void_p()
        for sample in (self._first, self._last):
            gpu.call("nvmlGpmSampleAlloc", ctypes.byref(sample))

    def begin(self) -> None:
        """Count from here on."""
        self._gpu.call("nvmlGpmSampleGet", self._gpu.handle, self._first)

    def end(self) -> None:
        """Count up to here."""
        self._gpu.call("nvmlGpmSampleGet", self._gpu.handle, self._last)

    def means(self) -> dict[str, float | None]:
        """`METRICS` over what lies between, each by its unit; None where this device does not count it."""
        request = _Request(_VERSION, len(METRICS), self._first, self._last)
        for entry, number in zip(request.metrics, METRICS.values(), strict=False):
            entry.number = number
        self._gpu.call("nvmlGpmMetricsGet", ctypes.byref(request))
        told = zip(METRICS, request.metrics, strict=False)
        return {name: float(entry.value) if entry.status == 0 else None for name, entry in told}

    def close(self) -> None:
        """Give the samples back."""
        for sample in (self._first, self._last):
            self._gpu.call("nvmlGpmSampleFree", sample)


class Between:
    """Counters that may be had or not: what fails first is the reason that there are none."""

    def __init__(self, make: Callable[[], Counters]) -> None:
        self._why: str | None = None
        self._counters: Counters | None = None
        self._try(make)

    def begin(self) -> None:
        """Count from here on."""
        if self._counters:
            self._try(self._counters.begin)

    def end(self) -> None:
        """Count up to here."""
        if self._counters:
            self._try(self._counters.end)

    def means(self) -> dict[str, float | None]:
        """Return the means over the window. Raise Unreadable."""
        if self._why is not None or self._counters is None:
            raise Unreadable(self._why or "not counted")
        return self._counters.means()

    def close(self) -> None:
        """Let go of them."""
        if self._counters:
            self._try(self._counters.close)

    def _try(self, act: Callable[[], Counters | None]) -> None:
        try:
            self._counters = act() or self._counters
        except Unreadable as error:
            self._why = self._why or str(error)
