"""The batch script of a job: the site's lines, its modules, and the sweep it runs. Pure."""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from saih.common.terminal import printable
from saih.config.schema import Config
from saih.errors import InputError
from saih.launch import sites
from saih.launch.sites import Site

_HOME = re.compile(r"~[A-Za-z0-9_.-]*(/|$)")


_NAME = "[A-Za-z_][A-Za-z0-9_]*"


_VARIABLE = re.compile(rf"\$(?:{_NAME}|\{{{_NAME}\}})")


@dataclass(frozen=True)
class Job:
    """One batch job: configuration, number of nodes, folder; `tasks` makes it an array."""

    config: Path
    name: str
    out: str
    nodes: int
    tasks: int | None = None


def script(job: Job, site: Site, site_path: Path, after: str | None) -> str:
    """The batch script: options from job and profile, the site's lines, and the body that every job shares."""
    options = "".join(f"#SBATCH {option}\n" for option in [*_of_job(job, after), *_of_site(site)])
    body = (sites.JOBS / "body.sh").read_text(encoding="utf-8")
    return "\n".join(["#!/bin/bash", options, _set_up(site, site_path), _sweep(job, site), body])


def _of_job(job: Job, after: str | None) -> list[str]:
    """Options that say what this job is. A job that is requeued goes on in the same log."""
    log = f"{job.name}.slurm-{'%A_%a' if job.tasks else '%j'}.log"
    return [
        f"--job-name=saih-{job.name}",
        f"--nodes={job.nodes}",
        *([f"--array=0-{job.tasks - 1}"] if job.tasks else []),
        *([f"--dependency=afterany:{after}"] if after else []),
        f"--output={log}",
        "--open-mode=append",
    ]


def _of_site(site: Site) -> list[str]:
    """Options that say what this site wants. The warning goes to the batch script alone (B:)."""
    named = {
        "partition": site.partition,
        "account": site.account,
        "qos": site.qos,
        "time": site.time,
        "ntasks-per-node": site.tasks_per_node,
        "cpus-per-task": site.cores_per_task,
        "gpus-per-node": site.gpus_per_node or None,
        "signal": f"B:USR1@{site.warn_s}",
    }
    asked = [f"--{name}={value}" for name, value in named.items() if value is not None]
    requeue = "--requeue" if site.requeues else "--no-requeue"
    return [*asked, requeue, *(["--exclusive"] if site.exclusive else []), *site.options]


def _set_up(site: Site, path: Path) -> str:
    """Return the site's set-up lines as one text, which the body runs in a shell of its own."""
    lines = [f"saih_checked module load {quoted(module)}" for module in site.modules]
    if site.mpi_type:
        lines.append(f"export SLURM_MPI_TYPE={quoted(site.mpi_type)}")
    text = "\n".join([*lines, *site.setup])
    return f"# the site: {printable(path)}\nsaih_set_up={shlex.quote(text)}\n"


def _sweep(job: Job, site: Site) -> str:
    task = "-task$SLURM_ARRAY_TASK_ID" if job.tasks else ""
    return "\n".join(
        [
            "# the sweep",
            f"saih=({' '.join(map(quoted, [sys.executable, '-P', '-m', 'saih']))})",
            f"config={quoted(str(job.config))}",
            "saih_folder() {",
            f"out={_expanded(job.out, task)}",
            "}",
            f"most_requeues={site.requeues}",
            "",
        ]
    )


def quoted(text: str) -> str:
    """Quote the text as one word of bash without expansions, in printable characters."""
    if text.isascii() and text.isprintable():
        return shlex.quote(text)
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}" for byte in os.fsencode(text))
    return f"$'{''.join(plain)}'"


def _expanded(folder: str, task: str) -> str:
    """A folder as one word of bash in which a home (~) and variables are expanded, and nothing else."""
    home = _HOME.match(folder)
    rest = folder[home.end() :] if home else folder
    parts = []
    for part in re.split(f"({_VARIABLE.pattern})", rest):
        if _VARIABLE.fullmatch(part):
            parts.append(f"${{{part.strip('${}')}:?is not set in this job, but --out or the site names it}}")
        else:
            parts.append(re.sub(r'([\\"$`])', r"\\\1", part))
    return f'{home[0] if home else ""}"{"".join(parts)}{task}"'


def jobs(config_path: Path, config: Config, folder: str, nodes: list[int], tasks: int | None) -> list[Job]:
    """The jobs that a request means, smallest first. Raises InputError for what cannot be meant."""
    if any(count < 1 for count in nodes) or len(set(nodes)) < len(nodes):
        raise InputError(f"--nodes {' '.join(map(str, nodes))}: must be different numbers of at least 1")
    if tasks is not None and tasks < 1:
        raise InputError(f"--array {tasks}: must be at least 1")
    if len(nodes) > 1 and config.sweep.beyond_slots != "skip":
        raise InputError(
            f"{config_path}: --nodes with several counts needs sweep.beyond_slots: skip, so that the smaller jobs "
            "leave to the larger ones what does not fit them"
        )
    unfit = [each for each in folder if each in "\"\\`%#'" or not each.isprintable()]
    if unfit:
        raise InputError(f"--out {folder}: holds {unfit[0]!r}, which a batch script cannot carry; choose another name")
    if "$" in _VARIABLE.sub("", folder):
        raise InputError(f"--out {folder}: of what begins with $, only $NAME and ${{NAME}} are expanded, in the job")
    return [Job(config_path.absolute(), config.name, folder, count, tasks) for count in sorted(nodes)]
