"""Linux's processes, as /proc/<pid>/stat shows them (man 5 proc). Only processes of this host can be looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process at one moment. `started`: in clock ticks after boot. `cpu_s`: time it has computed, all threads.

    `children_s`: time that those of its children have computed which have ended and were waited for.
    """

    pid: int
    name: str
    state: str
    parent: int
    session: int
    started: int
    cpu_s: float
    children_s: float
    threads: int = 1

    @property
    def ended(self) -> bool:
        """True if the process is a zombie and has no thread left."""
        return self.state in "ZX" and self.threads <= 1


def look(pid: int | str, proc: Path = PROC) -> Process | None:
    """Return the state of a process ("self": this one); None if it does not exist or is hidden."""
    try:
        stat = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    head, _, tail = stat.rpartition(")")  # the name may hold anything, blanks and brackets too
    state, *rest = tail.split()
    numbers = [int(word) for word in rest]  # from the fourth field on
    times_s = [ticks / _TICKS_PER_S for ticks in numbers[10:14]]
    number, _, name = head.partition("(")
    return Process(
        int(number), name, state, numbers[0], numbers[2], numbers[18], sum(times_s[:2]), sum(times_s[2:]), numbers[16]
    )


def everyone(proc: Path = PROC) -> Iterator[Process]:
    """All processes of this host."""
    for entry in proc.iterdir():
        if entry.name.isdigit() and (found := look(int(entry.name), proc)):
            yield found


def wanted_s(pid: int | str, proc: Path = PROC) -> dict[int, float]:
    """Seconds that each thread of a process has run or waited for a core; {} if the process is gone, or hidden.

    By thread id, from /proc/<pid>/task/<tid>/schedstat (sched-stats.rst); where the kernel keeps none, without waiting.
    """
    found = {}
    try:
        threads = list((proc / str(pid) / "task").iterdir())
    except OSError:
        return {}
    for thread in threads:
        try:
            found[int(thread.name)] = sum(map(int, (thread / "schedstat").read_text().split()[:2])) / 1e9
        except OSError:
            if there := look(thread.name, thread.parent):
                found[int(thread.name)] = there.cpu_s
    return found


def environment(pid: int, proc: Path = PROC) -> list[bytes]:
    """Return the initial environment of a process as NAME=value; [] if it is gone or another user's."""
    try:
        return (proc / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []
