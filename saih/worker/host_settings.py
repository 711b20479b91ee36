"""Settings of host and GPU that change figures, and that a site may change from one day to the next.

Read from /sys and /proc (docs.kernel.org: admin-guide/pm/cpufreq, admin-guide/hw-vuln, admin-guide/mm/transhuge,
admin-guide/sysctl/kernel) and from NVML. What cannot be read is None.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from saih.telemetry.nvml import Gpu
from saih.telemetry.readings import Unreadable

COMPUTE_MODES = ("default", "exclusive thread", "prohibited", "exclusive process")
"""nvmlComputeMode_t of nvml.h, in its order."""


def of_host(root: Path = Path("/")) -> dict[str, Any]:
    """{"governor", "boost", "smt", "numa_balancing", "huge_pages", "huge_pages_defrag"} of the kernel."""
    cpu = root / "sys/devices/system/cpu"
    governors = {_text(path) for path in cpu.glob("cpu[0-9]*/cpufreq/scaling_governor")} - {None}
    return {
        "governor": ", ".join(sorted(str(each) for each in governors)) or None,
        "boost": _boost(cpu),
        "smt": _switch(_text(cpu / "smt/active")),
        "numa_balancing": _switch(_text(root / "proc/sys/kernel/numa_balancing")),
        "huge_pages": _chosen(_text(root / "sys/kernel/mm/transparent_hugepage/enabled")),
        "huge_pages_defrag": _chosen(_text(root / "sys/kernel/mm/transparent_hugepage/defrag")),
    }


def of_gpu(gpu: Gpu) -> dict[str, Any]:
    """{"mig", "ecc", "persistence_mode", "compute_mode", limits of power, "application_clock_mhz"} of a GPU."""
    settings: dict[str, Any] = {}
    for name, read in (
        ("mig", lambda: "on" if gpu.divided else "off"),
        ("ecc", lambda: _on(gpu.ecc())),
        ("persistence_mode", lambda: _on(gpu.persistence_mode())),
        ("compute_mode", lambda: COMPUTE_MODES[gpu.compute_mode()]),
        ("power_limit_w", gpu.power_limit_w),
        ("default_power_limit_w", gpu.default_power_limit_w),
        ("application_clock_mhz", gpu.application_clock_mhz),
    ):
        try:
            settings[name] = read()
        except (Unreadable, IndexError):
            settings[name] = None
    return settings


def mps_runs(proc: Path = Path("/proc")) -> bool:
    """True if the server of NVIDIA's MPS is among the processes that can be seen."""
    return any((_text(path) or "").startswith("nvidia-cuda-mps") for path in proc.glob("[0-9]*/comm"))


def _boost(cpu: Path) -> str | None:
    no_turbo = _text(cpu / "intel_pstate/no_turbo")
    if no_turbo is not None:
        return {"0": "on", "1": "off"}.get(no_turbo)
    return _switch(_text(cpu / "cpufreq/boost"))


def _switch(text: str | None) -> str | None:
    return None if text is None else {"0": "off", "1": "on"}.get(text, text)


def _on(value: bool) -> str:
    return "on" if value else "off"


def _chosen(text: str | None) -> str | None:
    """The word in brackets, as in "always [madvise] never"."""
    found = re.search(r"\[([\w+]+)\]", text or "")
    return found[1] if found else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()[:200]
    except OSError:
        return None
