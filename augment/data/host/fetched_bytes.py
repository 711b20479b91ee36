"""Figures of this process's host: the memory left, and the bytes that the kernel fetched for the process."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from saih.common.host import memory


def memory_bytes() -> int:
    """Return the most memory of this process and those beside it."""
    return memory.limit().size


def free_memory_bytes() -> int:
    """Return the memory available without swapping; reclaimable page cache counts as free."""
    return memory.free_bytes()


def storage_bytes(threads: Iterable[int]) -> int | None:
    """Return the bytes that the kernel has fetched from storage for these threads (native ids); None: not reported.

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
