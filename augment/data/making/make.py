"""From a recipe to a data set: each universe is simulated, cut into cubes, and written as a file of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from augment.data.making.build import Tick, build
from augment.data.making.job import Job, Row
from augment.data.recipe import RECIPE_VERSION, Recipe
from augment.data.storage.data_set import UniverseSet
from augment.data.storage.universe_file import Header, Progress
from augment.data.universe import memory
from augment.data.universe.cosmology import LABEL_NAMES, Cosmology
from augment.data.universe.simulate import simulate
from augment.errors import DataError

_LIBRARIES = ("numpy", "scipy", "torch", "h5py", "colossus")


def make(
    recipe: Recipe,
    folder: str | Path,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
    compression: str | None = None,
) -> UniverseSet:
    """Simulate the universes of a recipe into a folder, in this process, and open the data set.

    An existing data set of the recipe is left unchanged, and an incomplete one is resumed. progress(done, total) is
    called after each universe. Raises DataError if `folder` holds something else.
    """
    return build(job_of(recipe, Path(folder), device, compression), progress)


def job_of(recipe: Recipe, folder: Path, device: str | torch.device = "cpu", compression: str | None = None) -> Job:
    """Return the job of making a recipe's data set, which any number of processes may share.

    Universes are independent of one another.
    """

    def rows(universe: int, tick: Tick) -> Iterator[Row]:
        return _rows(recipe, universe, device, tick)

    header = _header(recipe, _device_name(device))
    return Job(folder, recipe.digest(), range(recipe.universes), lambda universe: header, rows, compression)


def memory_bytes(recipe: Recipe, device: str | torch.device) -> int:
    """Return the most that a process needs on the device to make one universe at a time."""
    return memory.memory_bytes(recipe.grid_edge, recipe.redshifts, recipe.steps, device)


def _rows(recipe: Recipe, universe: int, device: str | torch.device, tick: Tick) -> Iterator[Row]:
    labels, seed = recipe.labels(universe), recipe.noise_seed(universe)
    cosmology = Cosmology.from_labels(labels)
    try:
        counts = simulate(
            cosmology,
            recipe.grid_edge,
            recipe.grid_box_mpc_h,
            recipe.redshifts,
            seed,
            device,
            recipe.steps,
            lambda done, total: tick(),
        )
    except DataError as error:
        raise DataError(f"universe {universe}: {error}") from error
    except RuntimeError as error:  # torch's error for lack of memory, on CPUs and GPUs
        if "memory" not in str(error):
            raise
        raise DataError(
            f"universe {universe}: not enough memory on {device} for {recipe.grid_edge}^3 voxels"
        ) from error
    for cube in _cubes(counts, recipe.edge):
        yield cube, labels, cosmology.values()


def _cubes(counts: NDArray[np.int16], edge: int) -> Iterator[NDArray[np.int16]]:
    starts = range(0, counts.shape[0], edge)
    for x in starts:
        for y in starts:
            for z in starts:
                yield counts[x : x + edge, y : y + edge, z : z + edge]


def _header(recipe: Recipe, device: str) -> Header:
    provenance = {
        "operation": "simulate",
        "recipe": asdict(recipe),
        "recipe_version": RECIPE_VERSION,
        "libraries": {name: version(name) for name in _LIBRARIES},
        "device": device,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return Header(
        samples=recipe.samples_per_universe,
        edge=recipe.edge,
        redshifts=recipe.redshifts,
        box_mpc_h=recipe.box_mpc_h,
        growth=recipe.growth,
        periodic=recipe.periodic,
        label_names=LABEL_NAMES,
        digest=recipe.digest(),
        provenance=json.dumps(provenance),
    )


def _device_name(device: str | torch.device) -> str:
    if torch.device(device).type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)
