"""What work takes: seconds, joules where a GPU's driver counts them, and the time that is left for it."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from saih.telemetry.gpu import of_torch
from saih.telemetry.readings import Unreadable


class OutOfTime(Exception):
    """The minutes given are over."""


class Deadline:
    """So many minutes from now; None: without end."""

    def __init__(self, minutes: float | None) -> None:
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    def left_s(self) -> float:
        """Seconds left, at least 0."""
        return float("inf") if self._end is None else max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Raises OutOfTime when no second is left."""
        if not self.left_s():
            raise OutOfTime


class Spent:
    """Seconds and, where the GPU's driver counts them, joules of the whole board; else why they are not known."""

    seconds = 0.0
    joules: float | None = None
    joules_why: str | None = None

    def figures(self) -> dict[str, Any]:
        """As results have them; a null comes with its reason."""
        joules = None if self.joules is None else round(self.joules, 1)
        return {"seconds": round(self.seconds, 2), "joules": joules, "joules_why": self.joules_why}


@contextmanager
def spending(device: str) -> Iterator[Spent]:
    """What the work within takes; the device has finished at both ends."""
    counter, why = _energy_counter(device)
    spent = Spent()
    _synchronise(device)
    begin, begin_j = time.perf_counter(), counter() if counter else 0.0
    yield spent
    _synchronise(device)
    spent.seconds = time.perf_counter() - begin
    if counter:
        spent.joules = counter() - begin_j
    spent.joules_why = why


def _synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def _energy_counter(device: str) -> tuple[Callable[[], float] | None, str | None]:
    """Joules since the driver was loaded (NVML's), or why there is no such counter."""
    if not device.startswith("cuda"):
        return None, "not measured on CPUs"
    try:
        gpu = of_torch(device)
        gpu.energy_j()
    except Unreadable as error:
        return None, str(error)
    return gpu.energy_j, None


def machine(device: str) -> dict[str, Any]:
    """What the figures belong to."""
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return {
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
        "cpu": cpu.partition(":")[2].strip() or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "tf32_convolutions": bool(torch.backends.cudnn.allow_tf32) and device.startswith("cuda"),
    }


def write(path: Path | None, result: dict[str, Any]) -> None:
    """The result so far, whole whenever the process ends; nowhere without a path."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = path.with_suffix(".tmp")
    begun.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    begun.replace(path)
