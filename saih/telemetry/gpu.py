"""Readings of a rank's GPU: series while the blocks run, and their summary."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from saih.telemetry import nvml
from saih.telemetry.gpm import Between, Counters
from saih.telemetry.readings import Meter, Readings, Series, Span, Unreadable, summary

SCOPE = "GPU board"
Process = tuple[int, int | None]
"""Process id, and bytes of device memory if the driver reports them."""


def of_torch(device: str) -> nvml.Gpu:
    """The GPU that torch calls `device` ("cuda:N", as CUDA_VISIBLE_DEVICES left it). Raises Unreadable."""
    import torch

    if torch.version.cuda is None:
        raise Unreadable("NVML reads NVIDIA's devices only")
    found: Any = torch.cuda.get_device_properties(device)  # older stubs know less of it
    pci = None
    if hasattr(found, "pci_bus_id"):
        pci = f"{found.pci_domain_id:08x}:{found.pci_bus_id:02x}:{found.pci_device_id:02x}.0"
    uuid = getattr(found, "uuid", None)
    if uuid is None:
        raise Unreadable("this torch does not tell which GPU its device is")
    return nvml.Gpu(f"GPU-{uuid}", pci)


def allocation_retries(device: str) -> int:
    """Return how often torch's allocator had to empty its cache and retry, in this process so far."""
    import torch

    return int(torch.cuda.memory_stats(device).get("num_alloc_retries", 0))


class GpuWatch:
    """One GPU over one window. `pids`: the ranks of this host."""

    def __init__(self, gpu: nvml.Gpu, pids: Collection[int]) -> None:
        self.meter = Meter(gpu.energy_j)
        self._gpu, self._pids = gpu, pids
        self._series: dict[str, Series[float]] = {
            "power_w": Series(gpu.power_w),
            "temperature_c": Series(gpu.temperature_c),
            "sm_clock_mhz": Series(gpu.sm_clock_mhz),
            "memory_clock_mhz": Series(gpu.memory_clock_mhz),
            "memory_used_bytes": Series(gpu.memory_used_bytes),
        }
        self._reasons = Series(gpu.clock_reasons)
        self._processes = Series(gpu.processes)
        self._counters = Between(partial(Counters, gpu))

    def begin(self) -> None:
        """The measurement starts."""
        self._counters.begin()

    def end(self) -> None:
        """The measurement has ended."""
        self._counters.end()

    def sample(self) -> None:
        """Take every reading once."""
        for series in self._series.values():
            series.sample()
        self._reasons.sample()
        self._processes.sample()

    def to_dict(self, spans: Mapping[str, Sequence[Span]]) -> dict[str, Any]:
        """The form that the record holds; `spans`: the parts of which the energy is wanted."""
        ours = threads(self._pids)
        found = Readings()
        found.take("uuid", self._gpu.uuid)
        found.take("energy_j", partial(self.meter.energy_j, spans))
        found.take("power_limit_w", self._gpu.power_limit_w)
        for name, series in self._series.items():
            found.take(name, partial(summary, series))
        found.take("throttle_share", lambda: shares(self._reasons.values()))
        found.take("other_processes", lambda: most_others(self._processes.values(), ours))
        found.take("other_processes_bytes", lambda: most_bytes_of_others(self._processes.values(), ours))
        found.take("counters", self._counters.means)
        found.take("own_process_seen", lambda: any(pid in ours for pid, _ in self._processes.values()[-1]))
        return {"energy_scope": SCOPE, **found.to_dict()}

    def close(self) -> None:
        """Let go of the library; a failure has nothing left to spoil."""
        self._counters.close()
        with contextlib.suppress(Unreadable):
            self._gpu.close()


def shares(seen: Sequence[Sequence[str]]) -> dict[str, float]:
    """Name -> share of the samples that saw it; names that were seen only."""
    counts = Counter(name for names in seen for name in names)
    return {name: count / len(seen) for name, count in counts.items()}


def most_others(seen: Sequence[Sequence[Process]], ours: Collection[int]) -> int:
    """The most processes at once that were not ours. Raises Unreadable where not even ours can be listed."""
    if not any(seen):
        raise Unreadable("NVML lists no process here, not even our own")
    return max(len(not_ours(processes, ours)) for processes in seen)


def most_bytes_of_others(seen: Sequence[Sequence[Process]], ours: Collection[int]) -> int:
    """The most device memory that the ranks had at once. Raises Unreadable if the driver does not report it."""
    if not most_others(seen, ours):
        return 0
    sizes = [[size for _, size in not_ours(processes, ours)] for processes in seen]
    if any(None in each for each in sizes):
        raise Unreadable("NVML does not tell here how much memory each process has")
    return max(sum(filter(None, each)) for each in sizes)


def not_ours(processes: Sequence[Process], ours: Collection[int]) -> list[Process]:
    """The processes that are not among `ours`.

    Where none is, NVML counts processes in another namespace than we do (containers): one of them is then taken for
    ours, because we do use the device.
    """
    others = [each for each in processes if each[0] not in ours]
    return others[1:] if len(others) == len(processes) else others


def threads(pids: Collection[int], proc: Path = Path("/proc")) -> set[int]:
    """The processes and their threads: in containers, drivers have been seen to name the thread that began."""
    found = set(pids)
    for pid in pids:
        with contextlib.suppress(OSError):
            found |= {int(task.name) for task in (proc / str(pid) / "task").iterdir()}
    return found
