"""`saih submit`: a configuration and a site's profile -> batch scripts, handed to sbatch.

One job is one sweep: its driver runs on the batch node and starts the ranks as steps. Several node counts are a chain
of jobs in one folder, smallest first: each measures what fits it and has not been measured, the next goes on. An array
is the same sweep in several allocations, each task with a folder of its own, which `saih report` puts on one page.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from saih.common.terminal import say
from saih.launch import sites, slurm
from saih.launch.batch_script import jobs, script


def add_parser(verbs: Any) -> None:
    """Add the verb to the command line."""
    verb = verbs.add_parser("submit", help="run a sweep as batch jobs of Slurm")
    verb.add_argument("config", type=Path, metavar="CONFIG")
    verb.add_argument("--site", required=True, metavar="NAME", help="a profile in jobs/slurm/sites, or a YAML file")
    verb.add_argument("--nodes", type=int, nargs="+", default=[1], metavar="N", help="several: a chain of jobs")
    verb.add_argument("--array", type=int, metavar="TASKS", help="the same sweep this often, a folder each")
    verb.add_argument("--out", metavar="DIR", help="the run's folder (default: <the site's runs>/<name>)")
    verb.add_argument("--dry-run", action="store_true", help="print the scripts instead")
    verb.set_defaults(command=_submit)


def _submit(arguments: argparse.Namespace) -> int:
    from saih.cli import plan

    site, site_path = sites.load(arguments.site), sites.path_of(arguments.site)
    config, _, _ = plan.read(arguments.config)
    folder = arguments.out or f"{site.runs}/{config.name}"
    asked = jobs(arguments.config, config, folder, arguments.nodes, arguments.array)
    before: str | None = None
    for job in asked:
        if arguments.dry_run:
            for line in script(job, site, site_path, before and f"<job on {before} nodes>").split("\n"):
                say(line)
            before = str(job.nodes)
            continue
        before = slurm.submit(script(job, site, site_path, before))
        array = f", {job.tasks} tasks" if job.tasks else ""
        say(f"job {before}: {job.nodes} {'node' if job.nodes == 1 else 'nodes'}{array}, into {job.out}")
    return 0
