"""Arguments of `saih augment data` -> plans, and the text of a dry run."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augment.data.foreign.convert import Conversion, Link
from augment.data.foreign.survey import Sources
from augment.data.making import derive, operations
from augment.data.making.build import Plan
from augment.data.making.job import Job, free_bytes, gigabytes
from augment.data.recipe import Recipe
from augment.data.storage.data_set import UniverseSet, universes_in
from augment.data.storage.names import folder_of
from saih import config
from saih.app import expanded
from saih.applications import load
from saih.errors import InputError

RECIPE_KEYS = tuple(Recipe.__dataclass_fields__)


@dataclass(frozen=True)
class Making:
    """A data set to be made. `memory_bytes`: what a rank needs, where it is known; `note` on its validity."""

    plan: Plan
    memory_bytes: int | None = None
    note: str = ""
    device: str = "cpu"

    def told(self) -> Iterator[str]:
        """Describe the planned data sets and their sizes, one line each."""
        plan = self.plan
        yield f"would make    {plan.folder}"
        if isinstance(plan, Job):
            yield from _told_of_job(plan)
        else:
            yield from _told_of_sources(plan)
        if self.memory_bytes is not None:
            yield f"memory        {gigabytes(self.memory_bytes)} a rank, on {self.device}"
        if self.note:
            yield f"note          {self.note}"


def plans(arguments: argparse.Namespace, sources: Sources | None, local_rank: int, cores: int) -> list[Making]:
    """What the words ask for, of `sources` where they name files. Raises InputError and DataError."""
    operation, out = arguments.operation, arguments.out
    if operation == "simulate":
        device = _device(arguments.device, local_rank, cores)
        return [_simulation(recipe, folder, device, arguments.compression) for recipe, folder in _recipes(arguments)]
    if sources:
        return [Making(Link(out, sources) if operation == "link" else Conversion(out, sources, arguments.compression))]
    source, what = UniverseSet(arguments.source), _operation(arguments)
    if out.resolve() == arguments.source.resolve():
        raise InputError(f"--out {out}: is the source; name another folder")
    job = derive.derive(source, what, out, arguments.compression)
    return [Making(job, derive.memory_bytes(source, job), what.note)]


def _operation(given: argparse.Namespace) -> operations.Operation:
    made = {
        "coarsen": lambda: operations.coarsen(given.factor),
        "refine-for-load": lambda: operations.refine_for_load(given.factor, given.seed),
        "symmetries": lambda: operations.turned(given.views, given.seed),
        "shifts": lambda: operations.shifts(given.views, given.seed),
        "tile": lambda: operations.tiled(given.repeats),
        "redshifts": lambda: operations.redshifts(given.keep),
    }
    return made[given.operation]()


def _simulation(recipe: Recipe, folder: Path, device: str, compression: str | None) -> Making:
    from augment.data.making.make import job_of, memory_bytes

    return Making(job_of(recipe, folder, device, compression), memory_bytes(recipe, device), device=device)


def _recipes(given: argparse.Namespace) -> list[tuple[Recipe, Path]]:
    """The recipes asked for, and where each goes."""
    flags = {key: value for key in RECIPE_KEYS if (value := getattr(given, key, None)) is not None}
    if given.config is None:
        for key in ("universes", "edge"):
            if key not in flags:
                raise InputError(f"simulate: --{key} is required, unless --config names a sweep")
        if given.out is None:
            raise InputError("simulate: --out is required, unless --config names a sweep")
        return [(Recipe.from_mapping(flags), given.out)]
    other = [key for key in flags if key != "edge"]
    if other:
        flag = other[0].replace("_", "-")
        raise InputError(f"--{flag}: comes from {given.config}; allowed beside --config: --edge, --out")
    found = _of_sweep(given.config, flags.get("edge"))
    if given.out is None:
        return found
    if len(found) > 1:
        raise InputError(f"--out {given.out}: {given.config} has {len(found)} edges; choose one with --edge")
    return [(found[0][0], given.out)]


def _of_sweep(path: Path, edge: int | None) -> list[tuple[Recipe, Path]]:
    """The recipe of a sweep's `data` at each of its edges, or at one, and the folder where the sweep looks for it."""
    sweep = config.load(path)
    data: Mapping[str, Any] = load(sweep.app).resolve_data(sweep.data)
    if "recipe" not in data or "folder" not in data or "edge" not in sweep.size:
        raise InputError(f"{path}: has no data.recipe for sizes with an edge; give the recipe's keys as flags")
    recipe = Recipe.from_mapping(data["recipe"])
    recipes = [recipe.at(each) for each in ([edge] if edge else sweep.size["edge"])]
    return [(each, folder_of(each, expanded("data.folder", data["folder"]))) for each in recipes]


def _device(asked: str, local_rank: int, cores: int) -> str:
    """The device of a host's rank. Raises InputError."""
    import torch

    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise InputError("--device cuda: torch sees no CUDA device here")
    if there and asked != "cpu":
        return f"cuda:{local_rank % torch.cuda.device_count()}"
    torch.set_num_threads(min(cores, torch.get_num_threads()))  # OMP_NUM_THREADS may have asked for fewer
    return "cpu"


def _told_of_job(job: Job) -> Iterator[str]:
    header = job.header(job.universes[0])
    redshifts = " ".join(f"{z:g}" for z in header.redshifts)
    done = universes_in(job.folder) if job.folder.is_dir() else {}
    left = job.bytes * (len(job.universes) - len(done)) // len(job.universes)
    yield f"samples       {job.samples} of {header.edge}^3 voxels, {header.box_mpc_h:g} Mpc/h, redshifts {redshifts}"
    yield f"universes     {len(job.universes)}, of which {len(done)} are finished"
    packed = "at most, before compression; " if job.compression else ""
    yield f"storage       {gigabytes(left)} to be written ({packed}{gigabytes(free_bytes(job.folder))} are free)"
    yield f"digest        {job.digest}"


def _told_of_sources(plan: Plan) -> Iterator[str]:
    assert isinstance(plan, Link | Conversion)
    sizes = plan.sources.sizes
    yield f"sources       {len(sizes)} files, {gigabytes(sum(sizes))}; each is read and checked first"
    if isinstance(plan, Conversion):
        yield f"storage       {gigabytes(free_bytes(plan.folder))} are free"
    else:
        yield "storage       an index only; the sources stay where they are"
