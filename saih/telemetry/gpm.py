"""Hardware counters of an NVIDIA GPU between two moments: NVML's GPU Performance Monitoring, from Hopper on.

Nothing is run again: the driver counts all the time, a reading takes 0.1 to 0.5 ms (H100), and two of them give the
means of what lies between. It counts the whole device, whoever uses it; of a MIG device its GPU instance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saih.telemetry import nvml
from saih.telemetry.readings import Unreadable

METRICS = {
    "sm_busy_percent": "NVML_GPM_METRIC_SM_UTIL",
    "tensor_busy_percent": "NVML_GPM_METRIC_ANY_TENSOR_UTIL",
    "dram_busy_percent": "NVML_GPM_METRIC_DRAM_BW_UTIL",
    "pcie_to_host_mib_per_s": "NVML_GPM_METRIC_PCIE_TX_PER_SEC",
    "pcie_from_host_mib_per_s": "NVML_GPM_METRIC_PCIE_RX_PER_SEC",
    "nvlink_received_mib_per_s": "NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC",
    "nvlink_sent_mib_per_s": "NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC",
}
"""Share of time in which a multiprocessor was active, tensor cores were, and of the memory's bandwidth; and traffic."""


class Counters:
    """Counters of one GPU, between `begin` and `end`. Every method may raise Unreadable."""

    def __init__(self, gpu: nvml.Gpu) -> None:
        self._gpu = gpu
        if not gpu.call("nvmlGpmQueryDeviceSupport", gpu.board).isSupportedDevice:
            raise Unreadable("NVML has no performance monitoring of this device: Hopper and later have it")
        self._first, self._last = (gpu.call("nvmlGpmSampleAlloc") for _ in range(2))

    def begin(self) -> None:
        """Count from here on."""
        self._read_into(self._first)

    def end(self) -> None:
        """Count up to here."""
        self._read_into(self._last)

    def _read_into(self, sample: Any) -> None:
        gpu = self._gpu
        if gpu.instance is None:
            gpu.call("nvmlGpmSampleGet", gpu.board, sample)
        else:
            gpu.call("nvmlGpmMigSampleGet", gpu.board, gpu.instance, sample)

    def means(self) -> dict[str, float | None]:
        """`METRICS` over what lies between, each by its unit; None where this device does not count it."""
        nvml = self._gpu.nvml
        request = nvml.c_nvmlGpmMetricsGet_t()
        request.version, request.numMetrics = nvml.NVML_GPM_METRICS_GET_VERSION, len(METRICS)
        request.sample1, request.sample2 = self._first, self._last
        for entry, metric in zip(request.metrics, METRICS.values(), strict=False):
            entry.metricId = getattr(nvml, metric)
        self._gpu.call("nvmlGpmMetricsGet", request)
        entries = zip(METRICS, request.metrics, strict=False)
        return {name: float(entry.value) if entry.nvmlReturn == nvml.NVML_SUCCESS else None for name, entry in entries}

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
