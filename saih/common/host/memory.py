"""Memory that this process may have, alone and with those beside it, and what of it is free.

It is bounded by the host, by control groups, by what the job asked Slurm for and by the process's own resource limits;
the least counts. Swap is left out: what is measured must not run from there.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from saih.common.host.cgroups import PROC, Group, groups

_LIMITS = ("memory.max", "memory.high", "memory.limit_in_bytes")
"""Version 2, 2, 1. Above "high" nothing is refused, but the kernel takes pages back as fast as they are asked for."""
_USED = ("memory.current", "memory.usage_in_bytes")
_RESOURCES = {
    "RLIMIT_AS": (resource.RLIMIT_AS, "VmSize"),
    "RLIMIT_DATA": (resource.RLIMIT_DATA, "VmData"),
}
"""Limits of a process, and the line of /proc/self/status that counts against each."""

_MIB = 2**20
_OF_A_JOB = {"SLURM_MEM_PER_CPU": "SLURM_CPUS_ON_NODE", "SLURM_MEM_PER_GPU": "SLURM_GPUS_ON_NODE"}
"""MiB of a job's memory for each of something, and the variable that says how many of these it has on this node."""

THE_HOST = "the host"


@dataclass(frozen=True)
class Limit:
    """Bytes at most, and what sets the limit, in words."""

    size: int
    by: str


def limit(proc: Path = PROC, environment: Mapping[str, str] = os.environ) -> Limit:
    """Memory that this process and all that run beside it in its control groups or its job may have together."""
    host = Limit(_kilobytes(proc / "meminfo", "MemTotal") or _pages("SC_PHYS_PAGES"), THE_HOST)
    job = of_job(environment)
    return min([host, *(bound for bound, _ in _bounds(proc)), *([job] if job else [])], key=lambda each: each.size)


def of_job(environment: Mapping[str, str]) -> Limit | None:
    """The memory that a job or step of Slurm asked for on this node; None where it asked for none, or all of it.

    Not every site holds a job to that by a control group, and some end it from time to time instead. Source: man srun
    and sbatch, "output environment variables".
    """
    if "SLURM_JOB_ID" not in environment:
        return None
    asked = {"SLURM_MEM_PER_NODE": 1} | {name: _whole(environment, count) for name, count in _OF_A_JOB.items()}
    for name, count in asked.items():
        if size := _whole(environment, name) * count:
            return Limit(size * _MIB, f"the job's {name} = {environment[name]}")
    return None


def free_bytes(proc: Path = PROC, environment: Mapping[str, str] = os.environ) -> int:
    """Return the memory available now without swapping; page cache that can be reclaimed counts as free.

    Of what its job asked for, only this process's own share counts as used.
    """
    host = _kilobytes(proc / "meminfo", "MemAvailable") or _pages("SC_AVPHYS_PAGES")
    left = [bound.size - used for bound, used in _bounds(proc)]
    own, job = own_limit(proc), of_job(environment)
    left += [own.size] if own else []
    left += [job.size - private_bytes(proc)] if job else []
    return max(0, min([host, *left]))


def own_limit(proc: Path = PROC) -> Limit | None:
    """Return the memory that resource limits still leave to this process; None without a limit."""
    found = []
    for name, (number, line) in _RESOURCES.items():
        most = resource.getrlimit(number)[0]
        if most != resource.RLIM_INFINITY:
            taken = _kilobytes(proc / "self" / "status", line) or 0
            found.append(Limit(max(0, most - taken), f"{name} of {most / 2**30:.3g} GiB"))
    return min(found, key=lambda each: each.size, default=None)


def private_bytes(proc: Path = PROC) -> int:
    """Return the anonymous private memory of this process; 0 if the kernel does not report it (< 4.5)."""
    return _kilobytes(proc / "self" / "status", "RssAnon") or 0


def _bounds(proc: Path) -> Iterator[tuple[Limit, int]]:
    """Every limit of a control group, and what is used of it without the pages of files."""
    found = groups("memory", proc)
    for group in found:
        for name in _LIMITS:
            if (size := group.number(name)) is not None:
                yield Limit(size, f"control group {group.place} ({name})"), _used(group)
    for group in found:  # version 1 tells of limits above what can be seen as well
        if size := group.figures("memory.stat").get("hierarchical_memory_limit"):
            yield Limit(size, f"control group {group.place} or one above it"), _used(group)


def _used(group: Group) -> int:
    used = next((size for name in _USED if (size := group.number(name)) is not None), 0)
    fields = group.figures("memory.stat")
    below = [fields[name] for name in ("total_inactive_file", "total_active_file") if name in fields]
    files = below or [fields.get(name, 0) for name in ("inactive_file", "active_file")]  # version 1 counts apart
    return used - sum(files)


def _whole(environment: Mapping[str, str], name: str) -> int:
    """The whole number in a variable; 0 without one."""
    text = environment.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _pages(name: str) -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf(name)


def _kilobytes(path: Path, key: str) -> int | None:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), None)
