"""State of the ranks of a worker group, seen from outside: for ranks that no longer answer.

A launcher's daemon gives every rank a session of its own, so that what a rank has started is found by its session even
after the rank has ended. Ranks on other hosts cannot be seen from here; they end with their launcher's daemon.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from saih import processes
from saih.common.host import shared_memory
from saih.processes import Process

GONE_S = 15.0
"""Time limit for killed processes to vanish; freeing a GPU's memory, or a dump of core, takes some seconds."""
MARK = "SAIH_GROUP"
"""The environment variable by which processes of a group are known, also those that have left its sessions."""
LITTLE_CPU = 0.01
"""A group that computes for less than this share of a core does nothing."""


def own() -> dict[str, Any]:
    """This rank as its watcher needs to know it."""
    pid = os.getpid()
    here = processes.look(pid)
    assert here is not None
    return {"host": socket.gethostname(), "pid": pid, "session": here.session, "started": here.started}


def one_has_ended(ranks: Sequence[Mapping[str, Any]], within_s: float) -> bool:
    """True if one of this host's `ranks` (`own` of each) has ended, or is seen to end within so many seconds."""
    here = [rank for rank in ranks if _is_here(rank)]
    deadline_s = time.monotonic() + within_s
    while here and all(map(_living, here)) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return not all(map(_living, here))


class Watch:
    """The processes of one group: its launcher `launcher_pid` and, once they are known, its ranks.

    `mark`: the value of `MARK` in the environment of all that descend from its launcher; None: they have none.
    """

    def __init__(self, launcher_pid: int, mark: str | None = None) -> None:
        self._mark = f"{MARK}={mark}".encode() if mark else None
        here = processes.look(launcher_pid)
        self._begun = here.started if here else 0
        self._sessions = {launcher_pid}
        self._ranks: list[Mapping[str, Any]] = []
        self._looked_s, self._cpu_s = time.monotonic(), 0.0
        self._stopped_s: float | None = None
        self._shared: set[shared_memory.File] = set()

    def know(self, ranks: Sequence[Mapping[str, Any]]) -> None:
        """The ranks in order, as each describes itself (`own`)."""
        self._ranks = list(ranks)
        self._sessions |= {rank["session"] for rank in ranks if _is_here(rank)}
        self._see_shared_memory()

    def idle(self, seconds: float) -> bool:
        """Return True if the whole group has computed next to nothing for `seconds`; False if that cannot be seen."""
        if not self._ranks or not all(_is_here(rank) for rank in self._ranks):
            return False
        cpu_s, now = sum(each.cpu_s for each in self._members()), time.monotonic()
        if abs(cpu_s - self._cpu_s) > LITTLE_CPU * seconds:
            self._looked_s, self._cpu_s = now, cpu_s
        return now - self._looked_s >= seconds

    def stopped(self, seconds: float) -> bool:
        """Return True if some rank of this host has been stopped by a signal for `seconds`, at every look.

        The others may compute as before: MPI waits for a message by asking for it without a pause.
        """
        processes_here = [_living(rank) for rank in self._ranks if _is_here(rank)]
        if not any(process and process.state == "T" for process in processes_here):
            self._stopped_s = None
            return False
        self._stopped_s = self._stopped_s or time.monotonic()
        return time.monotonic() - self._stopped_s >= seconds

    def exclude_pause(self, seconds: float) -> None:
        """Take a pause of the watcher off all waiting."""
        self._looked_s += seconds
        self._stopped_s = None

    def words(self) -> str:
        """Describe the state of each rank, unusual ones first; "" before the ranks are known."""
        told: dict[str, list[str]] = {}
        for number, rank in enumerate(self._ranks):
            told.setdefault(_at(rank), []).append(str(number))
        parts = [f"rank{'s' if len(who) > 1 else ''} {', '.join(who)} {what}" for what, who in sorted(told.items())]
        return "; ".join(parts)

    def end(self) -> None:
        """Kill what is left of the group on this host and return when it has vanished, or after some seconds.

        Shared memory that its ranks could not give back is given back then.
        """
        self._see_shared_memory()
        deadline = time.monotonic() + GONE_S
        while members := self._members() + self._gone_away():
            for each in members:
                processes.kill(each.pid)
            if time.monotonic() > deadline:
                return
            time.sleep(0.02)
        shared_memory.remove(self._shared)

    def _see_shared_memory(self) -> None:
        for each in self._members():
            self._shared |= shared_memory.mapped(each.pid)

    def _members(self) -> list[Process]:
        """Processes of the group's sessions, begun after the group was: no later session of the same number."""
        return [each for each in self._all() if each.started >= self._begun]

    def _gone_away(self) -> list[Process]:
        """Processes that bear the group's mark, in whatever session: an application may have detached them."""
        if self._mark is None:
            return []
        young = [each for each in processes.everyone() if each.started >= self._begun and not each.ended]
        return [each for each in young if self._mark in processes.environment(each.pid)]

    def _all(self) -> Iterator[Process]:
        return (each for each in processes.everyone() if each.session in self._sessions and not each.ended)


def _is_here(rank: Mapping[str, Any]) -> bool:
    return bool(rank["host"] == socket.gethostname())


def _at(rank: Mapping[str, Any]) -> str:
    if not _is_here(rank):
        return f"on {rank['host']} cannot be seen from here"
    found = _living(rank)
    return processes.STATES.get(found.state, f"is in state {found.state}") if found else "has ended"


def _living(rank: Mapping[str, Any]) -> Process | None:
    """The process of one of this host's ranks; None once it has ended."""
    found = processes.look(rank["pid"])
    return found if found and found.started == rank["started"] and not found.ended else None
