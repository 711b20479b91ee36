"""The holder of a lock, recorded so that others can tell whether that process has ended.

A process number means something in one PID namespace of one boot of one machine, and may be given again there; so the
boot's random id, the namespace and the moment of the process's start belong to it. Where another process cannot be
looked at, Slurm knows whether its job has ended. What neither decides is unknown, and is never taken for an end.
Host names are for people: several machines may share one, and one machine may have several.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any

from saih.common import jobs, procfs
from saih.common.procfs import PROC

FIRST_PID_NAMESPACE = "pid:[4026531836]"
"""That of the host, in which all its processes are seen (PROC_PID_INIT_INO, linux/proc_ns.h)."""


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock: what the lock's file says, in JSON. None: unknown, or no such thing.

    `started`: in clock ticks after boot. `since_s`: when it took the lock, seconds of the epoch. `token`: makes
    every lock a different one.
    """

    host: str
    pid: int
    started: int | None = None
    boot: str | None = None
    machine: str | None = None
    pid_namespace: str | None = None
    time_namespace: str | None = None
    since_s: float | None = None
    job: str | None = None
    restarts: int | None = None
    cluster: str | None = None
    ends_with_job: bool | None = None
    token: str | None = None

    def to_bytes(self) -> bytes:
        """The content of the lock's file."""
        return json.dumps(asdict(self)).encode() + b"\n"

    def __str__(self) -> str:
        job = f", job {self.job}" if self.job else ""
        since = ""
        if self.since_s is not None:
            since = time.strftime(", since %Y-%m-%d %H:%M:%S UTC", time.gmtime(self.since_s))
        return f"process {self.pid} on {printable(self.host)}{job}{since}"


class Fate(Enum):
    """State of a holder."""

    AT_WORK = "at work"
    GONE = "gone"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Judgement:
    """A holder's fate, and the reason: where its fate is unknown, why, and how to find out."""

    fate: Fate
    why: str
    job: jobs.Job | None = None


def mine() -> Holder:
    """This process, as a holder of a lock that it takes now."""
    me, job = procfs.look("self"), jobs.own(os.environ)
    return Holder(
        host=socket.gethostname(),
        pid=os.getpid(),
        started=me.started if me else None,
        boot=_word("sys/kernel/random/boot_id"),
        machine=_machine(),
        pid_namespace=_namespace("self", "pid"),
        time_namespace=_namespace("self", "time"),
        since_s=round(time.time(), 3),
        job=job.number if job else None,
        restarts=job.restarts if job else None,
        cluster=job.cluster if job else None,
        ends_with_job=job.ends_with_it if job else None,
        token=secrets.token_hex(8),
    )


def parse(content: bytes) -> Holder:
    """The holder that a lock's file names. Raises ValueError with what is wrong with it, in a few words."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("holds no JSON object")
    known = {field.name: found[field.name] for field in fields(Holder) if field.name in found}
    for key in ("host", "pid"):
        if key not in known:
            raise ValueError(f"lacks {key}")
    for key, value in known.items():
        if not (_VALID[key](value) or (value is None and key not in ("host", "pid"))):
            shown = value if isinstance(value, (str, int, float)) else type(value).__name__
            raise ValueError(f"{key} = {printable(str(shown))}")
    return Holder(**known)


def judge(holder: Holder, owner: int) -> Judgement:
    """Determine the state of the holder of a lock whose file belongs to the user `owner`."""
    here = mine()
    if holder.boot is not None and (holder.boot, holder.time_namespace) == (here.boot, here.time_namespace):
        lives = _lives(holder, here)
        if lives is not None:
            return Judgement(Fate.AT_WORK, "it runs") if lives else Judgement(Fate.GONE, "no such process runs")
        why = "it ran in another PID namespace of this host (a container): saih status on the host itself can tell"
    elif _rebooted(holder, here):
        return Judgement(Fate.GONE, "its host has been started anew since")
    elif holder.boot is None:
        why = f"its lock does not say where on {printable(holder.host)} it ran: look there (ps -fp {holder.pid})"
    else:
        why = f"it ran on another machine or in another container: look there (ps -fp {holder.pid})"
    return _by_job(holder, owner) if holder.job else Judgement(Fate.UNKNOWN, why)


def printable(text: str, most: int = 80) -> str:
    """Text from outside, made fit for a terminal and one line."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text[: most + 1])
    return clean if len(clean) <= most else clean[:most] + "..."


def _lives(holder: Holder, here: Holder) -> bool | None:
    """Return True if the process of this boot still runs; None if it cannot be seen from here."""
    if holder.started is None or holder.pid_namespace is None or here.pid_namespace is None:
        return None
    if holder.pid_namespace != here.pid_namespace:
        return _among_all(holder) if here.pid_namespace == FIRST_PID_NAMESPACE and _sees_all() else None
    if not _exists(holder.pid):
        return False
    found = procfs.look(holder.pid) if _proc_is_ours() else None
    if found is None:  # hidden, unless it has just ended
        return None if _exists(holder.pid) else False
    return found.started == holder.started and not found.ended


def _among_all(holder: Holder) -> bool | None:
    """Return True if some process of this host is the holder, whatever its number is here."""
    for process in procfs.everyone():
        if process.started == holder.started and not process.ended:
            namespace = _namespace(str(process.pid), "pid")
            if namespace == holder.pid_namespace:
                return True
            if namespace is None and procfs.look(process.pid):
                return None
    return False


def _exists(pid: int) -> bool:
    """Return True if a process of this number exists here, even if /proc hides it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _proc_is_ours() -> bool:
    """Return True if /proc shows this namespace's numbers: a container may have its host's mounted."""
    status = _text("self/status") or ""
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NStgid:")), [])
    return numbers == [str(os.getpid())]


def _sees_all() -> bool:
    """Return True if /proc shows other users' processes (mount option hidepid)."""
    return _proc_is_ours() and procfs.look(1) is not None


def _rebooted(holder: Holder, here: Holder) -> bool:
    """True if the holder's machine is this one in an earlier boot.

    Machines may share a name, and copies of one image an id; so the lock must also be older than this boot.
    """
    if None in (holder.boot, here.boot, holder.machine, holder.since_s) or holder.boot == here.boot:
        return False
    if (holder.host, holder.machine) != (here.host, here.machine):
        return False
    lines = (_text("stat") or "").splitlines()
    booted_s = next((int(line.split()[1]) for line in lines if line.startswith("btime ")), None)
    return booted_s is not None and holder.since_s is not None and holder.since_s < booted_s


def _by_job(holder: Holder, owner: int) -> Judgement:
    """A holder that cannot be seen from here, by its job: Slurm ends a job before it starts it anew."""
    assert holder.job
    look_there = f"look on {printable(holder.host)} (ps -fp {holder.pid})"
    if holder.ends_with_job is False:
        return Judgement(Fate.UNKNOWN, f"it ran beside the nodes of job {holder.job}: {look_there}")
    here = jobs.own(os.environ)
    if here and here.number == holder.job and holder.cluster in (None, here.cluster):
        if (holder.restarts or 0) < here.restarts:
            return Judgement(Fate.GONE, "its job has been started anew")
        return Judgement(Fate.UNKNOWN, f"it is of this very job: {look_there}")
    job = jobs.look(holder.job, holder.cluster)
    if job is None:
        return Judgement(Fate.UNKNOWN, f"Slurm cannot be asked here about job {holder.job}: {look_there}")
    if not job.ended:
        return Judgement(Fate.AT_WORK, f"its job {job.name} is {job.state}", job)
    if job.state == jobs.FORGOTTEN and os.geteuid() not in (0, owner):  # or Slurm keeps it from us: PrivateData
        return Judgement(Fate.UNKNOWN, f"Slurm shows no job {holder.job}, which is another user's: {look_there}", job)
    return Judgement(Fate.GONE, f"its job {job.name} has ended ({job.state})", job)


def _text(name: str) -> str | None:
    try:
        return (PROC / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _word(name: str) -> str | None:
    return (_text(name) or "").strip() or None


def _namespace(process: str, kind: str) -> str | None:
    try:
        return str((PROC / process / "ns" / kind).readlink())
    except OSError:
        return None


def _machine() -> str | None:
    """The id that an installation keeps over reboots (man machine-id)."""
    try:
        return Path("/etc/machine-id").read_text(encoding="utf-8", errors="replace").strip()[:64] or None
    except OSError:
        return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 256


def _is_count(most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and 0 <= value <= most


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value < 1e11


_VALID: Mapping[str, Callable[[Any], bool]] = {
    **{field.name: _is_text for field in fields(Holder)},
    "pid": lambda value: type(value) is int and 0 < value < 2**31,
    "started": _is_count(2**63),
    "since_s": _is_time,
    "job": lambda value: _is_text(value) and re.fullmatch(r"[0-9]{1,11}", value) is not None,
    "restarts": _is_count(2**31),
    "ends_with_job": lambda value: type(value) is bool,
    "cluster": lambda value: _is_text(value) and re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", value) is not None,
}
"""Key of a lock's file -> whether a value may be believed; some are handed on to Slurm's commands."""
