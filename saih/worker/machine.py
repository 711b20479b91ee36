"""Which machine this is: what a rank sees of its host, device and software. Imports torch, so only workers use it."""

from __future__ import annotations

import os
import platform
import socket
from pathlib import Path
from typing import Any

import torch

import saih
from saih.peaks.processor import core_limit


def describe(device: str, mpi_library: str) -> dict[str, Any]:
    """The host, the machine, the software and the site's modules that are loaded, as they go into system.json."""
    found = {"host": socket.gethostname(), "machine": machine(device), "software": software(mpi_library)}
    return found | {"modules": [name for name in os.environ.get("LOADEDMODULES", "").split(":") if name]}


def machine(device: str) -> dict[str, Any]:
    """The hardware behind ``device`` ("cpu" or "cuda:N"): what must be the same for two runs to be compared."""
    on_gpu = device.startswith("cuda")
    found = {
        "device": torch.cuda.get_device_name(device) if on_gpu else cpu_name(),
        "device_kind": "cuda" if on_gpu else "cpu",
        "devices": torch.cuda.device_count() if on_gpu else len(os.sched_getaffinity(0)),
        "device_memory_bytes": torch.cuda.get_device_properties(device).total_memory if on_gpu else None,
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "architecture": platform.machine(),
    }
    return found if on_gpu else {**found, "core_limit": core_limit()}


def software(mpi_library: str) -> dict[str, Any]:
    """Versions of what a point runs on."""
    cudnn = torch.backends.cudnn.version() if torch.version.cuda else None  # type: ignore[no-untyped-call]
    return {
        "saih": saih.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": str(cudnn) if cudnn else None,
        "driver": _gpu_driver(),
        "mpi": mpi_library,
        "os": f"{platform.system()} {platform.release()}",
    }


def cpu_name() -> str:
    """The processor's model name; the architecture where the kernel does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _gpu_driver() -> str | None:
    """The NVIDIA kernel driver's version, e.g. "580.159.04"."""
    path = Path("/proc/driver/nvidia/version")
    words = path.read_text(encoding="utf-8").split() if path.exists() else []
    return next((word for word in words if word.count(".") >= 1 and word.replace(".", "").isdigit()), None)
