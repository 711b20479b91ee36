"""From a recipe to a file.

One process makes the whole file: make(recipe, path). Several share the work with shard=(rank, size): each
simulates every size-th universe into a part beside the file, and when all have returned, one of them
calls `join`. Universes are independent, so the samples are the same however the work was divided.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from augment.data.cosmology import LABEL_NAMES, Cosmology
from augment.data.recipe import RECIPE_VERSION, Recipe
from augment.data.simulate import simulate
from augment.data.store import Header, Progress, UniverseFile, holds
from augment.data.write import UniverseWriter
from augment.errors import DataError

_LIBRARIES = ("numpy", "scipy", "torch", "h5py", "colossus")


def make(
    recipe: Recipe,
    path: str | Path,
    device: str | torch.device = "cpu",
    shard: tuple[int, int] = (0, 1),
    progress: Progress | None = None,
) -> Path:
    """Simulates the universes of a recipe and writes them; returns the path written.

    A file that already holds the recipe is left as it is. With shard=(rank, size) and size > 1 this
    process writes only its part, and `join` makes the file of all parts. progress(done, total) is called
    after each universe. Raises DataError where `path` holds something else, or where there are fewer
    universes than ranks.
    """
    path, (rank, size) = Path(path), shard
    if not 0 <= rank < size <= recipe.universes:
        raise DataError(f"shard = {rank, size}: must be 0 <= rank < size <= {recipe.universes} universes")
    if holds(path, recipe.digest(), "another recipe"):
        return path
    digest = _digest(recipe, rank, size)
    path = _part(path, rank, size) if size > 1 else path
    if holds(path, digest, "another recipe"):
        return path
    mine = range(rank, recipe.universes, size)
    with UniverseWriter(path, _header(recipe, len(mine), digest, _device_name(device))) as writer:
        for done, universe in enumerate(mine, 1):
            _append(writer, recipe, universe, device)
            if progress:
                progress(done, len(mine))
    return path


def join(recipe: Recipe, path: str | Path, size: int) -> Path:
    """Makes one file of the parts of `size` ranks, and removes the parts; returns its path.

    Every rank must have returned from `make` before. Raises DataError for a part that is missing or of
    another recipe.
    """
    path = Path(path)
    if holds(path, recipe.digest(), "another recipe"):
        return path
    with ExitStack() as stack:
        parts = [stack.enter_context(UniverseFile(_part(path, rank, size))) for rank in range(size)]
        for rank, part in enumerate(parts):
            if part.digest != _digest(recipe, rank, size):
                raise DataError(f"{part.path}: a part of another recipe; remove it")
        device = json.loads(parts[0].header.provenance)["device"]
        header = _header(recipe, recipe.universes, recipe.digest(), device)
        writer = stack.enter_context(UniverseWriter(path, header))
        for universe in range(recipe.universes):
            part, first = parts[universe % size], universe // size * recipe.samples_per_universe
            for row in range(first, first + recipe.samples_per_universe):
                writer.append(part.read([row])[0], part.labels[row], part.parameters[row], universe)
    for part in parts:
        part.path.unlink()
    return path


def _append(writer: UniverseWriter, recipe: Recipe, universe: int, device: str | torch.device) -> None:
    labels, seed = recipe.labels(universe), recipe.noise_seed(universe)
    cosmology = Cosmology.from_labels(labels)
    counts = simulate(cosmology, recipe.grid_edge, recipe.grid_box_mpc_h, recipe.redshifts, seed, device)
    for cube in _cubes(counts, recipe.edge):
        writer.append(cube, labels, cosmology.values(), universe)


def _cubes(counts: NDArray[np.int16], edge: int) -> Iterator[NDArray[np.int16]]:
    starts = range(0, counts.shape[0], edge)
    for x in starts:
        for y in starts:
            for z in starts:
                yield counts[x : x + edge, y : y + edge, z : z + edge]


def _header(recipe: Recipe, universes: int, digest: str, device: str) -> Header:
    provenance = {
        "recipe": asdict(recipe),
        "recipe_version": RECIPE_VERSION,
        "digest": digest,
        "libraries": {name: version(name) for name in _LIBRARIES},
        "device": device,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return Header(
        samples=universes * recipe.samples_per_universe,
        edge=recipe.edge,
        redshifts=recipe.redshifts,
        box_mpc_h=recipe.box_mpc_h,
        growth=recipe.growth,
        periodic=recipe.periodic,
        label_names=LABEL_NAMES,
        digest=digest,
        provenance=json.dumps(provenance),
    )


def _digest(recipe: Recipe, rank: int, size: int) -> str:
    return recipe.digest() if size == 1 else f"{recipe.digest()}-{rank}-of-{size}"


def _part(path: Path, rank: int, size: int) -> Path:
    return path.with_name(f"{path.name}.part-{rank}-of-{size}")


def _device_name(device: str | torch.device) -> str:
    if torch.device(device).type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)
