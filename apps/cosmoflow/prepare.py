"""Makes or checks the data sets of a sweep, once, before anything is measured.

A recipe's file that is missing is made. Every file is then opened, which checks its structure and its labels; the
checksum of every sample is compared as well, unless the file is so large that reading it would take too long. A file
that is there is never overwritten, damaged or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from apps.cosmoflow.data import file_of, recipe_at
from apps.cosmoflow.dataset import open_file
from augment.data.make import make
from augment.data.store import UniverseFile
from augment.errors import DataError
from saih.app import Context, InputError, Point

MOST_VERIFIED_BYTES = 4 * 2**30
EVERY_SAMPLE, STRUCTURE_ONLY = "every sample", "structure only"


def prepare(context: Context, points: Sequence[Point]) -> dict[str, Any]:
    """Facts about the data set of every edge: {"<edge>": {path, digest, samples, universes, bytes, verified}}.

    Points with synthetic input need none. Raises InputError naming the file that is missing, damaged, of another size
    or cannot be written.
    """
    by_edge = {int(point.size["edge"]): point for point in points if point.run.input == "dataset"}
    return {str(edge): _prepare(context, by_edge[edge]) for edge in sorted(by_edge)}


def _prepare(context: Context, point: Point) -> dict[str, Any]:
    path, of_recipe = file_of(point), "recipe" in point.data
    if of_recipe and not path.exists():
        _make(context, point, path)
    try:
        with open_file(point) as file:
            if of_recipe and file.digest != recipe_at(point).digest():
                raise DataError(f"{path}: holds another recipe than its name says")
            return _facts(context, file)
    except (DataError, InputError) as error:
        advice = "; delete it to have it made again" if of_recipe else ""
        raise InputError(f"{error}{advice}") from error


def _make(context: Context, point: Point, path: Path) -> None:
    def progress(done: int, total: int) -> None:
        context.progress(f"making {path.name}", done, total)

    try:
        make(recipe_at(point), path, context.device, progress=progress)
    except DataError as error:
        raise InputError(f"data.recipe: cannot be made at edge {point.size['edge']}: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


def _facts(context: Context, file: UniverseFile) -> dict[str, Any]:
    counts_bytes = file.samples * file.sample_bytes
    verifiable = counts_bytes <= MOST_VERIFIED_BYTES
    if verifiable:
        file.verify(lambda done, total: context.progress(f"checking {file.path.name}", done, total))
    return {
        "path": str(file.path),
        "digest": file.digest,
        "samples": file.samples,
        "universes": len(np.unique(file.universe)),
        "bytes": counts_bytes,
        "verified": EVERY_SAMPLE if verifiable else STRUCTURE_ONLY,
    }
