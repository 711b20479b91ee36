"""Cores that a thread may run on.

Importing a library may bind the thread that imports it: OpenMP does, where OMP_PROC_BIND, OMP_PLACES or
GOMP_CPU_AFFINITY ask for it. Its own threads are then bound as asked, but what that thread starts later would inherit
its one core.
"""

from __future__ import annotations

import os
from collections.abc import Collection


def own() -> list[int]:
    """The cores that this thread, and what it starts, may run on."""
    return sorted(os.sched_getaffinity(0))


def restore(cores: Collection[int]) -> list[int] | None:
    """Let this thread run on `cores` again; return the cores it was bound to meanwhile, or None."""
    now = own()
    if now == sorted(cores):
        return None
    os.sched_setaffinity(0, cores)
    return now
