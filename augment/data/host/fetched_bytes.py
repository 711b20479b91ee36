"""What this process may know of its host: memory that is left, and bytes that the kernel fetched for it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from saih.common.host import memory


def memory_bytes() -> int:
    """Memory that this process and those beside it may have at most."""
    return memory.limit().size


def free_memory_bytes() -> int:
    """Memory that can be had now without swapping; what the page cache would give back counts as free."""
    return memory.free_bytes()


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
