"""Host, device and software as a rank sees them. Imports torch, so only workers use it."""

from __future__ import annotations

import os
import platform
import socket
from pathlib import Path
from typing import Any

import torch

import saih
from saih.common import environment
from saih.common.host import affinity, limits, memory, quota, shared_memory
from saih.peaks.processor import core_limit
from saih.telemetry.gpu import of_torch
from saih.telemetry.readings import Unreadable
from saih.worker import host_settings, libraries
from saih.worker.processor_name import processor_name


def describe(device: str, mpi_library: str) -> dict[str, Any]:
    """The host, its machine, software, settings, listed variables and loaded modules, as they go into system.json."""
    found = {
        "host": socket.gethostname(),
        "machine": machine(device),
        "software": software(device, mpi_library),
        "settings": settings(device),
        "environment": environment.listed(environment.started_with()),
        "process": {"limits": limits.in_force(), "shared_memory": _shared_memory()},
    }
    return found | {"modules": [name for name in os.environ.get("LOADEDMODULES", "").split(":") if name]}


def machine(device: str) -> dict[str, Any]:
    """The hardware behind `device` ("cpu" or "cuda:N"): what must be the same for two runs to be compared."""
    on_gpu, cores = device.startswith("cuda"), len(affinity.own())
    found = {
        "device": torch.cuda.get_device_name(device) if on_gpu else processor_name(),
        "device_kind": "cuda" if on_gpu else "cpu",
        "devices": torch.cuda.device_count() if on_gpu else cores,
        "device_memory_bytes": torch.cuda.get_device_properties(device).total_memory if on_gpu else None,
        "cores": cores,
        **_allowed(),
        "architecture": platform.machine(),
    }
    return found if on_gpu else {**found, "core_limit": core_limit()}


def _allowed() -> dict[str, Any]:
    """Return the memory of all ranks of a host together, of one before its first point, and of one by itself."""
    together, alone, quotas = memory.limit(), memory.own_limit(), quota.quotas()
    return {
        "memory_bytes": together.size,
        "memory_limited_by": together.by,
        "rank_base_bytes": memory.private_bytes(),
        "rank_memory_bytes": alone.size if alone else None,
        "rank_memory_limited_by": alone.by if alone else None,
        "cpu_quota_cores": quotas[0].cores if quotas else None,
    }


def _shared_memory() -> dict[str, Any] | None:
    found = shared_memory.space()
    return {"path": str(shared_memory.FOLDER), "bytes": found.size, "free_bytes": found.free} if found else None


def settings(device: str) -> dict[str, Any]:
    """Return the settings of host and GPU that change figures; None: not known."""
    found = host_settings.of_host()
    if not device.startswith("cuda"):
        return found
    try:
        gpu = of_torch(device)
    except Unreadable:
        return found
    try:
        return found | host_settings.of_gpu(gpu) | {"mps": "on" if host_settings.mps_runs() else "off"}
    finally:
        gpu.close()


def software(device: str, mpi_library: str) -> dict[str, Any]:
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
        **libraries.versions(device.startswith("cuda")),
    }


def _gpu_driver() -> str | None:
    """The NVIDIA kernel driver's version, e.g. "580.159.04"."""
    path = Path("/proc/driver/nvidia/version")
    words = path.read_text(encoding="utf-8").split() if path.exists() else []
    return next((word for word in words if word.count(".") >= 1 and word.replace(".", "").isdigit()), None)
