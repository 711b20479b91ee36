"""Slurm, as the driver meets it: the allocation it runs in, and handing it batch jobs.

What a job has is told by the variables that Slurm sets in its batch script (man sbatch, "Output environment
variables"). Commands of Slurm are asked only where they are on PATH.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from saih.config import yaml_values
from saih.errors import InputError

_JOB = re.compile(r"(\d+)(?:;\S+)?|Submitted batch job (\d+)(?: on cluster \S+)?")
"""The line of `sbatch --parsable`, with several clusters <job>;<cluster>, among what a site may print around it."""
ANSWER_S = 30.0
"""A busy controller may take seconds; beyond this it counts as giving no answer."""


_MOST_STEPS = 0xFFFF_FF00
_MEMORY = ("SLURM_MEM_PER_CPU", "SLURM_MEM_PER_GPU", "SLURM_MEM_PER_NODE")


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
        """Return the facts for records; None without a job."""
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


def step(environment: Mapping[str, str]) -> str | None:
    """The step of a job that this process was started in by srun; None in a batch script or an interactive shell.

    Slurm numbers steps of its own making, such as the shell of salloc, from SLURM_MAX_NORMAL_STEP_ID (slurm.h) on.
    """
    number = environment.get("SLURM_STEP_ID", "")
    in_step = environment.get("SLURM_JOB_ID") and number.isdigit() and int(number) <= _MOST_STEPS
    return number if in_step else None


def contradictory(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The variables by which srun would refuse to start any step: memory asked for in more than one way.

    sbatch sets one of them for the job's own --mem; another was there before. A step without any has the job's memory.
    """
    found = tuple(name for name in _MEMORY if environment.get(name))
    return found if len(found) > 1 else ()


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
    found = [match[1] or match[2] for line in done.stdout.splitlines() if (match := _JOB.fullmatch(line.strip()))]
    if not found:
        said = yaml_values.short(done.stdout, 200) or "nothing"
        raise InputError(f"sbatch took the job but names no number: it said {said}; squeue --me shows it")
    return found[-1]


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
        return subprocess.run(
            words,
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=ANSWER_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
