"""Shared memory of this host: how much there is, and what ended processes have left in it.

MPI and NCCL make files in /dev/shm, a file system in memory. Where it is full, the next write into a file that is
mapped already ends the process with SIGBUS. A process that is killed leaves its files, which nobody else removes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from saih.common.host.cgroups import PROC

FOLDER = Path("/dev/shm")


@dataclass(frozen=True)
class Space:
    """A file system's size and what is free of it."""

    size: int
    free: int


def space(folder: Path = FOLDER) -> Space | None:
    """Return size and free space of /dev/shm; None if there is none or it cannot be read."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return Space(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


OF_LIBRARIES = ("mpich_shm_", "Intel_MPI_", "vader_segment.", "sm_segment.", "nccl-")
"""How names begin that MPICH, Intel MPI, Open MPI and NCCL give. Any other file may be somebody's data."""

File = tuple[Path, int]
"""A path and the number of the file (inode) that was seen there."""


def mapped(pid: int, folder: Path = FOLDER, proc: Path = PROC) -> set[File]:
    """The libraries' files in `folder` that a process has mapped: proc(5), maps. None of one that cannot be seen."""
    try:
        lines = (proc / str(pid) / "maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return set()
    fields = [line.split(maxsplit=5) for line in lines]
    found = {(Path(each[5]), int(each[4])) for each in fields if len(each) == 6}
    return {(path, number) for path, number in found if path.parent == folder and path.name.startswith(OF_LIBRARIES)}


def remove(files: Iterable[File]) -> list[Path]:
    """Remove those of the files that still are what they were; returns which."""
    removed = []
    for path, number in files:
        with contextlib.suppress(OSError):
            if path.lstat().st_ino == number:
                path.unlink()
                removed.append(path)
    return removed
