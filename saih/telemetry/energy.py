"""Telemetry -> energy of a sample, with its scope and method, or why there is none. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PART = "full"
"""The blocks that samples_per_s counts: those of the whole work."""
WINDOW = "window"
"""All that is between `saih.telemetry.watch.Telemetry.begin` and `end`, pauses between blocks included."""

GPU_METHOD = "NVML's energy counter; the hosts are not in it"
CPU_METHOD = "RAPL's counters, read by each host's first rank; whole packages, idle cores and other processes included"


def per_sample(telemetry: Sequence[Mapping[str, Any]], samples: int) -> dict[str, Any]:
    """{"j_per_sample", "method"} or {"why"}.

    `telemetry`: what `saih.telemetry.watch.Telemetry.end` gave on every rank. `samples`: those of all ranks in the
    full blocks. The energy is the sum over devices of what their counters grew from the start to the end of each full
    block: every GPU once, or the CPU packages of every host once.
    """
    if not telemetry:
        return {"why": "no telemetry was taken"}
    on_gpu = any(rank["device"] != "cpu" for rank in telemetry)
    sources = list(_gpus(telemetry) if on_gpu else _hosts(telemetry))
    missing = [f"{host}: {why}" for host, _, why in sources if why]
    if missing:
        return {"why": missing[0]}
    joules = sum(source["energy_j"][PART] for _, source, _ in sources)
    seconds = max(rank["seconds"][PART] for rank in telemetry)
    if joules <= 0:
        return {"why": f"the energy counters did not move within {seconds:.2g} s of full blocks"}
    scopes = sorted({source["energy_scope"] for _, source, _ in sources})
    each = f"{len(sources)} x {scopes[0]}" if len(scopes) == 1 else "; ".join(scopes)
    method = f"counted over the full blocks ({seconds:.3g} s) / their samples; {each}: {_method(on_gpu)}"
    return {"j_per_sample": joules / samples, "method": method}


_Source = tuple[str, Mapping[str, Any], str | None]
"""Host, what was read, and why it has no energy of the full blocks."""


def _gpus(telemetry: Iterable[Mapping[str, Any]]) -> Iterable[_Source]:
    """Every GPU once, also where ranks share one."""
    seen = set()
    for rank in telemetry:
        gpu = rank["gpu"] or {"energy_j": None, "why": {"energy_j": rank["why"]["gpu"]}}
        key = (rank["host"], gpu.get("uuid") or rank["device"])
        if key not in seen:
            seen.add(key)
            yield rank["host"], gpu, _lack(gpu)


def _hosts(telemetry: Iterable[Mapping[str, Any]]) -> Iterable[_Source]:
    """Every host once."""
    found = {rank["host"]: rank["host_cpu"] for rank in telemetry if rank["host_cpu"]}
    return ((host, cpu, _lack(cpu)) for host, cpu in found.items())


def _lack(source: Mapping[str, Any]) -> str | None:
    if source["energy_j"] is None:
        return str(source["why"]["energy_j"])
    return None if PART in source["energy_j"] else "the full blocks were not told apart"


def _method(on_gpu: bool) -> str:
    return GPU_METHOD if on_gpu else CPU_METHOD
