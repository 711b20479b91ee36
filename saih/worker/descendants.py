"""Processes that descend from this one: found, told apart, and ended.

A process whose parent has ended is given to this one (`adopt_orphans`), so that none gets away, neither by a session of
its own nor by a parent in between that ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from saih import processes as process
from saih.common.procfs import wanted_s
from saih.processes import Process

_PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 1.0
"""How long a process may take to end when it is asked to."""
GONE_S = 5.0
"""How long killed ones may take to vanish."""
OF_TORCH = ("torch/_inductor/compile_worker", "multiprocessing.resource_tracker")
"""Words of the commands of processes that torch and Python keep for later, and that do nothing meanwhile."""

Known = frozenset[tuple[int, int]]
"""Processes, each by its number and its start."""


def adopt_orphans() -> None:
    """Have the kernel give this process the children of descendants that end: PR_SET_CHILD_SUBREAPER, prctl(2)."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def all_now() -> list[Process]:
    """The descendants of this process that run, parents before children."""
    children: dict[int, list[Process]] = {}
    for each in process.everyone():
        children.setdefault(each.parent, []).append(each)
    found: list[Process] = []
    parents = [os.getpid()]
    while parents:
        level = [each for parent in parents for each in children.get(parent, ())]
        found += [each for each in level if not each.ended]
        parents = [each.pid for each in level]
    return found


def known(processes: Iterable[Process]) -> Known:
    """These, to be known again."""
    return frozenset((each.pid, each.started) for each in processes)


def kept_by_libraries(each: Process) -> bool:
    """True if a process is one that torch or Python keeps for later."""
    try:
        words = Path(process.PROC, str(each.pid), "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False
    return any(library in words for library in OF_TORCH)


def all_wanted_s(processes: Iterable[Process]) -> dict[int, float]:
    """Seconds that each has run or waited for a core, all its threads together, by number."""
    return {each.pid: sum(wanted_s(each.pid).values()) for each in processes}


def end(spared: Known, grace_s: float = GRACE_S) -> list[Process]:
    """End the descendants of this process but those `spared`; those that would not end.

    They are asked to (SIGTERM), and after `grace_s` killed, also those that have begun meanwhile.
    """
    begun, asked = time.monotonic(), set[int]()
    while left := [each for each in all_now() if (each.pid, each.started) not in spared]:
        took_s = time.monotonic() - begun
        if took_s > grace_s + GONE_S:
            return left
        for each in left:
            if took_s >= grace_s or each.pid not in asked:
                asked.add(each.pid)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(each.pid, signal.SIGTERM if took_s < grace_s else signal.SIGKILL)
        time.sleep(0.01)
        _forget_ended()
    _forget_ended()
    return []


def _forget_ended() -> None:
    """Wait for children of this process that have ended; nobody else will."""
    for each in process.everyone():
        if each.parent == os.getpid() and each.ended:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(each.pid, os.WNOHANG)
