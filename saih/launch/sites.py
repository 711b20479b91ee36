"""A site's profile: what its Slurm wants to be told, in one small YAML file, jobs/slurm/sites/<name>.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

import saih
from saih.config import yaml_values
from saih.config.schema import Section
from saih.errors import InputError

JOBS = Path(saih.__file__).resolve().parent.parent / "jobs" / "slurm"
"""Where the batch script's body and the profiles lie: beside the packages, in the checkout."""

Word = Annotated[str, Field(pattern=r"^[^\s'\"\\%#]+$")]
Line = Annotated[str, Field(pattern=r"^[^\n\r]+$")]
Option = Annotated[str, Field(pattern=r"^--[a-z][^\n\r]*$")]
Count = Annotated[int, Field(ge=1)]


class Site(Section):
    """What differs from one cluster to the next; every key may be left out.

    `time` is a job's limit, as sbatch takes it. `gpus_per_node` 0 asks for none. `options` are further options of
    sbatch, `modules` are loaded, `setup` are lines of bash that run before the sweep. `mpi_type` is srun's --mpi.
    `runs` is where run folders go, on a file system that all nodes share; bash expands its variables in the job, not
    at submission. `warn_s` before the limit the sweep ends in order, and is requeued at most `requeues` times.
    """

    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    time: Word = "01:00:00"
    exclusive: bool = True
    gpus_per_node: Annotated[int, Field(ge=0)] = 0
    tasks_per_node: Count | None = None
    cores_per_task: Count | None = None
    options: list[Option] = Field(default_factory=list)
    modules: list[Word] = Field(default_factory=list)
    mpi_type: Word | None = None
    setup: list[Line] = Field(default_factory=list)
    runs: Annotated[str, Field(pattern=r"^[^\s'\"\\%#`()]+$")] = "runs"
    warn_s: Annotated[int, Field(ge=10, le=65535)] = 120
    requeues: Annotated[int, Field(ge=0)] = 20


def path_of(name: str) -> Path:
    """The file that `name` means: a path to one, or a profile's name. Raises InputError naming those there are."""
    direct = Path(name)
    path = direct if direct.suffix in (".yaml", ".yml") else JOBS / "sites" / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(sorted(each.stem for each in (JOBS / "sites").glob("*.yaml"))) or "none"
        raise InputError(f"--site {name}: {path} does not exist; profiles: {known}, or the path of a YAML file")
    return path


def load(name: str) -> Site:
    """The profile called `name`. Raises InputError naming the file, the key and what is allowed."""
    path = path_of(name)
    raw = yaml_values.load(path)
    try:
        return Site.model_validate({} if raw is None else raw)
    except ValidationError as error:
        raise InputError(f"{path}: {_in_words(error)}") from error


def _in_words(error: ValidationError) -> str:
    found = error.errors(include_url=False)[0]
    where = ".".join(map(str, found["loc"]))
    if found["type"] == "extra_forbidden":
        return f"{where}: unknown key; allowed: {', '.join(Site.model_fields)}"
    if not where:
        return "must hold keys and values; docs/slurm.md shows them all"
    return f"{where} = {yaml_values.short(repr(found['input']))}: {found['msg'].replace('Input should be', 'must be')}"
