"""The sections of the configurations and of the commands that measure the same again. Pure."""

from __future__ import annotations

import shlex

from reports.analysis.overview import Overview
from reports.analysis.runs import Run
from reports.sections.form import Heading, Part, Section, Text, Verbatim

NO_CONFIGURATION = Text("Not recorded: the folder holds no config.yaml.")


def section(overview: Overview) -> Section:
    """Return the section with each run's configuration, all defaults resolved."""
    parts: list[Part] = []
    for run in overview.runs:
        if len(overview.runs) > 1:
            parts.append(Heading(run.label))
        parts.append(Verbatim(run.first.config_text) if run.first.config_text else NO_CONFIGURATION)
    return Section("configuration", "Configuration", "Configuration", tuple(parts))


def again(overview: Overview) -> Section:
    """Return the section with the commands that measure the same again."""
    commands = dict.fromkeys(command for run in overview.runs for command in _commands(run))
    text = "".join(f"{command}\n" for command in commands)
    return Section("again", "How to measure it again", "Reproduce", (Verbatim(text, commands=True),))


def _commands(run: Run) -> list[str]:
    checkout = []
    git = run.first.system.get("git") or {}
    if git.get("commit"):
        changed = "  # this run had changes on top, not committed" if git.get("dirty") else ""
        checkout = [f"git checkout {shlex.quote(str(git['commit']))}{changed}"]
    file, new = shlex.quote(f"{run.label}.yaml"), shlex.quote(f"{run.label}-again")
    return [
        *checkout,
        f"saih plan {file}  # the configuration below, saved; shows points, memory and time to expect",
        f"saih sweep {file} --out {new}",
        f"saih report {new}",
    ]
