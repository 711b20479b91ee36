"""What this process may know of its host: memory that is left, and bytes that the kernel fetched for it.

Memory is bounded by the host and by the control groups a job runs in (cgroups(7), versions 1 and 2); the least counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

_CGROUPS, _MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_LIMITS = ("memory.max", "memory.limit_in_bytes")  # version 2, 1
_USED = ("memory.current", "memory.usage_in_bytes")


def memory_bytes() -> int:
    """Memory that this process could have at most."""
    return min([_meminfo("MemTotal"), *(limit for limit, _ in _groups())])


def free_memory_bytes() -> int:
    """Memory that can be had now without swapping; what the page cache would give back counts as free."""
    return max(0, min([_meminfo("MemAvailable"), *(limit - used for limit, used in _groups())]))


def storage_bytes(threads: Iterable[int]) -> int | None:
    """Bytes that the kernel has fetched from storage for these threads (native ids), or None where it does not say.

    `read_bytes` of proc_pid_io(5). Network file systems do not always count there.
    """
    total = 0
    for thread in threads:
        try:
            lines = Path(f"/proc/self/task/{thread}/io").read_text(encoding="ascii").splitlines()
        except OSError:
            return None
        total += next(int(line.split()[1]) for line in lines if line.startswith("read_bytes:"))
    return total


def _meminfo(key: str) -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def _groups() -> Iterator[tuple[int, int]]:
    """(limit, used) of this process's control groups and those above them; pages of files do not count as used."""
    for line in _MEMBERSHIP.read_text(encoding="utf-8").splitlines():
        _, controllers, place = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = _CGROUPS / "memory" if controllers else _CGROUPS
        folder = root / place.lstrip("/")
        while folder.is_relative_to(root):
            limit, used = (_figure(folder, names) for names in (_LIMITS, _USED))
            if limit is not None and used is not None:
                yield limit, used - _file_pages(folder)
            folder = folder.parent


def _figure(folder: Path, names: tuple[str, ...]) -> int | None:
    for name in names:
        try:
            return int((folder / name).read_text(encoding="ascii"))
        except (OSError, ValueError):  # absent, or "max"
            continue
    return None


def _file_pages(folder: Path) -> int:
    try:
        fields = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return 0
    names = ("total_inactive_file", "total_active_file")  # version 1 counts those below apart
    found = [int(fields[name]) for name in names if name in fields]
    return sum(found or [int(fields.get(name, 0)) for name in ("inactive_file", "active_file")])
