"""Resource limits of this process: getrlimit(2)."""

from __future__ import annotations

import resource

_NAMES = ("NOFILE", "AS", "DATA", "NPROC", "MEMLOCK", "STACK", "FSIZE", "CPU")
_UNITS = {"NOFILE": "open files", "NPROC": "processes and threads of the user", "CPU": "s of processor time"}
_AMPLE = {"NOFILE": 256, "NPROC": 1024, "MEMLOCK": 2**16, "STACK": 2**20}
"""So much has never been too little for the start of a rank; without an entry any limit may be."""
MOST_FILES = 2**16
"""Enough for rank 0 among 30,000. Some systems allow 10^9, and programs that close every file they might have open
would take minutes to start."""


def in_force() -> dict[str, int | None]:
    """Return the resource limits: counts of files and processes, CPU seconds, else bytes; None: no limit."""
    found = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[0] for name in _NAMES}
    return {name: None if value == resource.RLIM_INFINITY else value for name, value in found.items()}


def tight() -> str:
    """The limits that a process may well have run into, in words; "" where there are none."""
    low = {name: most for name, most in in_force().items() if most is not None and most < _AMPLE.get(name, most + 1)}
    return ", ".join(f"RLIMIT_{name} = {most:,} {_UNITS.get(name, 'bytes')}" for name, most in low.items())


def allow_many_files() -> None:
    """Raise the soft limit of open files towards the hard one: rank 0 has two sockets for every rank."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def allow_data(size: int | None) -> None:
    """Let this process have `size` bytes of private memory, or all that it may have at most (None): RLIMIT_DATA."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    least = [each for each in (size, hard) if each is not None and each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(least, default=resource.RLIM_INFINITY), hard))
