"""Slurm's jobs: the one that this process belongs to, and how the controller says that another one fares.

A job's number is SLURM_JOB_ID. Each task of an array has one of its own, but one of them bears the array's, and
SLURM_ARRAY_* of a task are inherited by every job that it submits. So a task is told from its array by looking for the
line of its own number (%A) among all that squeue prints of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

ANSWER_S = 30.0
"""A busy controller may take seconds; beyond this it counts as giving no answer."""

FORGOTTEN = "ended"
ENDED = frozenset(
    {FORGOTTEN, "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED"}
    | {"NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"}
)
"""The states of a job that has no processes any more (man squeue, "Job state codes"; "ended" is ours)."""


@dataclass(frozen=True)
class Own:
    """The job of this process. `ends_with_it`: Slurm's daemon has started the process, and ends it with the job.

    A driver in salloc's shell on a login node outlives its job.
    """

    number: str
    restarts: int
    cluster: str | None
    ends_with_it: bool


@dataclass(frozen=True)
class Job:
    """A job as Slurm knows it. `name`: its number as people give it to Slurm's commands, 12 or 12_3 in an array.

    `state`: RUNNING, PENDING, ...; `FORGOTTEN` once the controller does not know it any more.
    """

    number: str
    name: str
    state: str

    @property
    def ended(self) -> bool:
        """True if it has no processes any more."""
        return self.state in ENDED


def own(environment: Mapping[str, str]) -> Own | None:
    """The job that a process with this environment belongs to; None without one, or if its number is none."""
    number, restarts = environment.get("SLURM_JOB_ID", ""), environment.get("SLURM_RESTART_COUNT", "0")
    if not (_is_number(number) and _is_number(restarts)):
        return None
    cluster = environment.get("SLURM_CLUSTER_NAME")
    return Own(number, int(restarts), cluster, "SLURMD_NODENAME" in environment)


def look(number: str, cluster: str | None = None) -> Job | None:
    """Return the state of a job; None if Slurm cannot be asked. `cluster`: its name, if there are several."""
    if not _is_number(number):
        return None
    foreign = cluster is not None and cluster != _this_cluster()
    where = [f"--clusters={cluster}"] if foreign else []
    asked = [*where, "--noheader", f"--jobs={number}"]
    done = _run(["squeue", *asked, "--states=all", "--format=%A %i %T"])
    forgotten = done is not None and done.returncode and "Invalid job id" in done.stderr
    if done is not None and not done.returncode:
        rows = [line.split() for line in done.stdout.splitlines()]
    elif forgotten:
        rows = []
    else:  # the accounting may answer where the controller does not
        done = _run(["sacct", *asked, "--allocations", "--parsable2", "--format=JobIDRaw,JobID,State"])
        rows = [] if done is None or done.returncode else [line.split("|") for line in done.stdout.splitlines()]
        foreign = True  # what it does not list may not have reached it yet
    for row in rows:
        if len(row) == 3 and row[0] == number and row[2]:
            return Job(number, row[1], row[2].split()[0])  # sacct: "CANCELLED by 1000"
    return None if foreign else Job(number, number, FORGOTTEN)


def _run(words: list[str]) -> subprocess.CompletedProcess[str] | None:
    """Return the output of a Slurm command, ignoring the user's filters; None if it fails or is missing."""
    program = shutil.which(words[0])
    if program is None:
        return None
    filters = ("SQUEUE_", "SACCT_", "SLURM_CLUSTERS")
    env = {name: value for name, value in os.environ.items() if not name.startswith(filters)}
    words = [program, *words[1:]]
    try:
        return subprocess.run(
            words, env=env, capture_output=True, text=True, errors="replace", timeout=ANSWER_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _this_cluster() -> str | None:
    """The cluster whose controller answers here."""
    if name := os.environ.get("SLURM_CLUSTER_NAME"):
        return name
    done = _run(["scontrol", "show", "config"])
    lines = done.stdout.splitlines() if done else []
    named = (line.partition("=")[2].strip() for line in lines if line.startswith("ClusterName"))
    return next(named, None)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 12
