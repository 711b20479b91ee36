"""Processes: signals that end them in order, ending with their parent, and their state.

A launcher tells a process in its environment which rank it is, and of how many.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Mapping
from types import FrameType
from typing import NoReturn

from saih.common.procfs import PROC, Process, environment, everyone, look
from saih.errors import Interrupted

__all__ = ["PROC", "Process", "environment", "everyone", "look"]

_PR_SET_PDEATHSIG = 1

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""A user's, a batch system's and its warning of the time limit."""

RANK_VARIABLES = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID")
SIZE_VARIABLES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
"""Where MPICH's, Open MPI's and Slurm's launchers tell a process its rank, and how many it is one of."""

STATES = {
    "R": "runs",
    "S": "waits",
    "D": "waits for a disk or a file system",
    "T": "is stopped",
    "t": "is held by a debugger",
}
"""The letter of a living process's state -> what it says of the process."""


def place(environment: Mapping[str, str]) -> tuple[int, int]:
    """(rank, number of ranks) as MPICH's, Open MPI's or Slurm's launcher tells a process; (0, 1) without one."""
    rank, size = (
        next((int(value) for name in names if (value := environment.get(name, "")).isdigit()), default)
        for names, default in ((RANK_VARIABLES, 0), (SIZE_VARIABLES, 1))
    )
    return rank, max(1, size)


def told_rank(environment: Mapping[str, str]) -> int | None:
    """The rank that a launcher tells a process; None without one."""
    told = any(environment.get(name, "").isdigit() for name in RANK_VARIABLES)
    return place(environment)[0] if told else None


def launcher() -> str:
    """A name for what has started this process, which its other children share and no other process ever had here."""
    parent = look(os.getppid())
    assert parent is not None  # our ranks end with it
    return f"{parent.pid}-{parent.started}"


def interrupt_when_told() -> None:
    """Raise Interrupted in this process's main thread at the first of `STOP_SIGNALS`, and hear no second one."""
    for each in STOP_SIGNALS:
        signal.signal(each, _interrupt)


def _interrupt(number: int, _: FrameType | None) -> NoReturn:
    for each in STOP_SIGNALS:  # a second one must not disturb the ending in order; SIG_IGN would print of a race
        signal.signal(each, lambda *_: None)
    raise Interrupted(signal.Signals(number).name)


def hear_no_more() -> None:
    """Have `STOP_SIGNALS` change nothing any more: on its way out the interpreter forgets its handlers."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def kill(pid: int) -> None:
    """SIGKILL, which a stopped process follows as well; nothing if there is no such process."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel end this process when what started it ends: prctl(PR_SET_PDEATHSIG), linux/prctl.h.

    `parent` is the process that should be it; if it has ended already, this one ends now.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)
