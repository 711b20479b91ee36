"""Slurm, as the driver meets it: the allocation it runs in, and handing it batch jobs.

What a job has is told by the variables that Slurm sets in its batch script (man sbatch, "Output environment
variables"). Commands of Slurm are asked only where they are on PATH.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from saih.errors import InputError

ANSWER_S = 30.0
"""A busy controller may take seconds; beyond this it counts as giving no answer."""


@dataclass(frozen=True)
class Allocation:
    """The nodes that this driver may start ranks on, and the job that holds them: without one, its own host."""

    nodes: int = 1
    job: str | None = None
    restarts: int = 0
    array_task: str | None = None
    nodelist: str | None = None
    partition: str | None = None
    gpus_per_node: str | None = None

    def facts(self) -> dict[str, Any] | None:
        """What goes into records; None without a job."""
        return asdict(self) if self.job else None


def allocation(environment: Mapping[str, str]) -> Allocation:
    """The allocation that a process with this environment runs in. Raises InputError for a count that is none."""
    job = environment.get("SLURM_JOB_ID")
    if not job:
        return Allocation()
    return Allocation(
        nodes=_count(environment, "SLURM_JOB_NUM_NODES", 1),
        job=job,
        restarts=_count(environment, "SLURM_RESTART_COUNT", 0),
        array_task=environment.get("SLURM_ARRAY_TASK_ID"),
        nodelist=environment.get("SLURM_JOB_NODELIST"),
        partition=environment.get("SLURM_JOB_PARTITION"),
        gpus_per_node=environment.get("SLURM_GPUS_ON_NODE"),
    )


def spread(ranks: int, per_node: int, nodes: int) -> tuple[int, int]:
    """(nodes used, most ranks on one): as few nodes as hold the ranks, and on those evenly."""
    used = min(nodes, -(-ranks // per_node))
    return used, -(-ranks // used)


def mpi_types(srun: str) -> frozenset[str]:
    """The kinds of start-up that this Slurm's srun offers MPI libraries, such as pmi2 and pmix."""
    return frozenset(_ask([srun, "--mpi=list"]).replace(",", " ").split())


def submit(script: str) -> str:
    """Hand a batch script to sbatch; returns the job's number. Raises InputError with sbatch's reason."""
    sbatch = shutil.which("sbatch")
    if sbatch is None:
        raise InputError("sbatch: is not on PATH; submit from one of the cluster's login nodes, or use --dry-run")
    done = _run([sbatch, "--parsable"], script)
    if done is None or done.returncode:
        reason = " ".join(done.stderr.split()) if done else "no answer"
        raise InputError(f"sbatch refuses the job: {reason}")
    return done.stdout.strip().partition(";")[0]  # with several clusters: <job>;<cluster>


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    if not text.isdigit():
        raise InputError(f"{name} = {text}: must be a number; unset SLURM_JOB_ID to run outside the allocation")
    return int(text)


def _ask(words: list[str]) -> str:
    done = _run(words)
    return done.stdout + done.stderr if done else ""


def _run(words: list[str], text: str | None = None) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(words, input=text, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
