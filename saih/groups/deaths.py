"""Find which process of a worker group died first, and why: order from the kernel, signal from the launcher.

When one rank is killed its launcher kills the others, so that moments later all have ended and every look at /proc
comes too late. A descriptor of a process (pidfd_open(2), Linux 5.3) becomes readable when that process ends, and
epoll(7) hands out what has become readable in that order; nothing has to run meanwhile. Only this host's processes
can be watched so. Of ranks elsewhere, and of signals, the launcher's own words are what there is:

    MPICH       =   PID 4711 RUNNING AT n1 ... EXIT STRING: Killed (signal 9)       the first that ended badly
    Intel MPI   =   RANK 1 PID 4711 RUNNING AT n1 ... KILLED BY SIGNAL: 9 (Killed)  all, those that it killed itself too
    Open MPI    noticed that process rank 1 with PID 4711 on node n1 exited on signal 9 (Killed)
    srun        srun: error: n1: task 1: Killed                                     in the order it hears of them
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saih import processes
from saih.common.host import limits, memory, shared_memory
from saih.errors import Failure, Kind

_SIGNALS = {name: number for number in signal.valid_signals() if (name := signal.strsignal(number))}
_WORDS = (
    re.compile(
        r"PID (?P<pid>\d+) RUNNING AT (?P<host>\S+)\n=\s+EXIT CODE.*?EXIT STRING: [^\n]*\(signal (?P<signal>\d+)\)",
        re.DOTALL,
    ),
    re.compile(r"RANK (?P<rank>\d+) PID (?P<pid>\d+) RUNNING AT (?P<host>\S+)\n=\s+KILLED BY SIGNAL: (?P<signal>\d+)"),
    re.compile(r"process rank (?P<rank>\d+) with PID \d+ on node (?P<host>\S+) exited on signal (?P<signal>\d+)"),
    re.compile(rf"srun: error: (?P<host>\S+): task (?P<rank>\d+): (?P<name>{'|'.join(map(re.escape, _SIGNALS))})"),
)
_SLURM_SAW_OOM = re.compile(r"Detected \d+ oom[-_]kill event")
"""Message of slurmstepd if a control group limits a step's memory."""

_REFUSED = re.compile(
    "failed to map segment|can't start new thread|Too many open files|File too large|Cannot allocate memory"
    "|Resource temporarily unavailable|error return without exception"
)
"""Messages of libraries when a resource limit refuses a request."""


@dataclass(frozen=True)
class Death:
    """A process that has ended: a rank by its number, or another by its name. `signal` None: not known."""

    host: str
    pid: int | None = None
    rank: int | None = None
    name: str = ""
    signal: int | None = None

    @property
    def words(self) -> str:
        """Rank, process and host in words."""
        where = f"process {self.pid} on {self.host}" if self.pid else f"on {self.host}"
        return f"{self.name or 'a rank'} ({where})" if self.rank is None else f"rank {self.rank} ({where})"


class Deaths:
    """Notes in which order a group's processes on this host end: the ranks, and those that have started them."""

    def __init__(self) -> None:
        self._ranks: Sequence[Mapping[str, Any]] = ()
        self._epoll = select.epoll()
        self._watched: dict[int, Death] = {}

    def know(self, ranks: Sequence[Mapping[str, Any]]) -> None:
        """Watch these ranks (`saih.groups.hangs.own` of each, in order), but those that have ended by now."""
        self._ranks = ranks
        here = socket.gethostname()
        parents: set[int] = set()
        for number, rank in enumerate(ranks):
            found = processes.look(rank["pid"]) if rank["host"] == here else None
            if found and found.started == rank["started"]:
                self._add(Death(here, found.pid, number))
                parents.add(found.parent)
        for parent in parents - {os.getpid(), 1}:
            if found := processes.look(parent):
                self._add(Death(here, parent, name=found.name))

    def _add(self, who: Death) -> None:
        assert who.pid is not None
        with contextlib.suppress(OSError, AttributeError):  # an old kernel, an old C library, or it has just ended
            descriptor = os.pidfd_open(who.pid)
            self._watched[descriptor] = who
            self._epoll.register(descriptor, select.EPOLLIN)

    def first(self, log: str) -> Death | None:
        """Return the process that ended first, if known. `log`: output of the group, the launcher's among it.

        Where ranks are elsewhere, one here may have ended in the wake of one there: the launcher's words come first.
        """
        told = [self._known(each) for each in in_words(log)]
        ended = [self._watched[descriptor] for descriptor, _ in self._epoll.poll(0)]
        if len({rank["host"] for rank in self._ranks}) > 1 and (len(told) == 1 or "srun: error:" in log):
            return told[0] if told else None
        if not ended:
            return told[0] if len(told) == 1 else None
        signals = {each.rank: each.signal for each in told if each.rank is not None}
        return replace(ended[0], signal=signals.get(ended[0].rank) if ended[0].rank is not None else None)

    def _known(self, death: Death) -> Death:
        """Return the death with the rank's number, process and host, if it is one of the ranks."""
        for number, rank in enumerate(self._ranks):
            here = rank["host"].partition(".")[0] == death.host.partition(".")[0]
            if number == death.rank or (here and rank["pid"] == death.pid):
                return replace(death, rank=number, pid=rank["pid"], host=rank["host"])
        return death

    def close(self) -> None:
        """Watch no longer."""
        for descriptor in self._watched:
            os.close(descriptor)
        self._watched.clear()
        self._epoll.close()


def in_words(log: str) -> list[Death]:
    """Return the processes that a launcher reports as ended by a signal, in its order."""
    found = []
    for pattern in _WORDS:
        for match in pattern.finditer(log):
            part = match.groupdict()
            number = int(part["signal"]) if "signal" in part else _SIGNALS[part["name"]]
            pid, rank = (int(part[key]) if key in part else None for key in ("pid", "rank"))
            found.append(Death(part["host"], pid, rank, signal=number))
    return found


def oom_kills() -> int | None:
    """Return the kernel's count of OOM kills since it started; None if it does not report it."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def explain(first: Death | None, status: int | None, log: str, oom_before: int | None) -> Failure:
    """The failure (failed or oom) of a group that ended with `status` and named no cause.

    `oom_before`: `oom_kills` as the group began.
    """
    now = oom_kills()
    grown = None if now is None or oom_before is None else now > oom_before
    if first and first.host != socket.gethostname():
        grown = None  # the kernel that could tell is another host's
    if _SLURM_SAW_OOM.search(log):
        grown = True
    if grown and (status is None or status >= 0) and (first is None or first.signal in (None, signal.SIGKILL)):
        who = f"{first.words} was ended by the kernel" if first else "the kernel ended a process"
        return Failure(Kind.OOM, f"{who} for want of {_which_memory(first)}", first.rank if first else None)
    return Failure(Kind.FAILED, _in_short(first, status, grown), first.rank if first else None)


def in_view_of_limits(failure: Failure, told: bool) -> Failure:
    """Add resource limits that may be the cause: if no cause was `told`, or a limit refused a request.

    They are this process's; ranks have theirs from it, or from a site that mostly sets the same everywhere.
    """
    tight, message = limits.tight(), failure.message
    concerns = _REFUSED.search(message) if told else failure.kind is Kind.FAILED
    return replace(failure, message=f"{message}; limits that may be why: {tight}") if tight and concerns else failure


def _in_short(first: Death | None, status: int | None, oom: bool | None) -> str:
    if status is not None and status < 0:  # of a process that a signal ended: subprocess.Popen.returncode
        return f"the ranks' launcher was killed by signal {-status} ({signal.strsignal(-status)})"
    if first is None:
        return f"the worker group ended with exit status {status} before it answered"
    if first.signal is None:
        return f"{first.words} ended first, and the worker group with exit status {status} before it answered"
    why = ""
    if first.signal == signal.SIGKILL:
        why = "; whether for want of memory is not known here" if oom is None else "; not for want of host memory"
    if first.signal == signal.SIGBUS and first.host == socket.gethostname():
        why = _shared_memory()
    return f"{first.words} was killed by signal {first.signal} ({signal.strsignal(first.signal)}){why}"


def _which_memory(first: Death | None) -> str:
    """Host memory, and what limits it where that is known from here."""
    limit = memory.limit()
    if limit.by == memory.THE_HOST or (first and first.host != socket.gethostname()):
        return "host memory"
    return f"host memory: {limit.by} allows {limit.size / 2**30:.3g} GiB in all"


def _shared_memory() -> str:
    """MPI and NCCL have their buffers there, and a page that it cannot give is a bus error."""
    found = shared_memory.space()
    if found is None:
        return f"; {shared_memory.FOLDER}, where ranks have shared memory, cannot be looked at"
    size, free = (f"{each / 2**20:,.1f} MiB" for each in (found.size, found.free))
    return f"; {shared_memory.FOLDER}, where ranks have shared memory, has {size}, {free} of it free now"
