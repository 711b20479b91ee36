"""Makes or checks the data sets of a sweep, once, before anything is measured.

A recipe's set that is missing is made, and an incomplete one is resumed. Every set is then opened, which checks its
manifest, its index and the sizes of its files. Every sample is compared with its checksum as well, unless the set is so
large that reading it would take too long. An existing set is never overwritten, damaged or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from apps.cosmoflow.dials import SYNTHETIC
from apps.cosmoflow.input.dataset import open_set
from apps.cosmoflow.input.settings import recipe_at, set_of
from augment.data.host.fetched_bytes import memory_bytes
from augment.data.making.make import make
from augment.data.reading.verify import verify
from augment.data.storage.data_set import UniverseSet
from augment.data.storage.manifest import MANIFEST
from augment.errors import DataError
from saih.app import Context, InputError, Point

MOST_PATHS = 256
"""Files of a linked set that records name, evenly thinned; their folders may contain many files outside the set."""
MOST_VERIFIED_BYTES = 4 * 2**30
EVERY_SAMPLE, STRUCTURE_ONLY = "every sample", "structure only"


def prepare(context: Context, points: Sequence[Point]) -> dict[str, Any]:
    """Return facts about the data set of every edge, by the edge in words.

    path, digest, samples, universes, bytes (of all samples, unpacked), verified, file_system (of the path) and
    host_memory_bytes. Points with synthetic input need none. Raises InputError naming the file that is missing,
    damaged, of another size or cannot be written.
    """
    by_edge = {int(point.size["edge"]): point for point in points if point.run.input != SYNTHETIC}
    return {str(edge): _prepare(context, by_edge[edge]) for edge in sorted(by_edge)}


def _prepare(context: Context, point: Point) -> dict[str, Any]:
    path, of_recipe = set_of(point), "recipe" in point.data
    if of_recipe and not (path / MANIFEST).exists():
        _make(context, point, path)
    try:
        universes = open_set(point, asks_files=True)
        if of_recipe and universes.digest != recipe_at(point).digest():
            raise DataError(f"{path}: holds another recipe than its name says")
        return _facts(context, universes)
    except (DataError, InputError) as error:
        advice = f"; delete {path} to have it made again" if of_recipe else ""
        raise InputError(f"{error}{advice}") from error


def _make(context: Context, point: Point, path: Path) -> None:
    def progress(done: int, total: int) -> None:
        context.progress(f"making {path.name}", done, total)

    try:
        make(recipe_at(point), path, context.device, progress=progress)
    except DataError as error:
        raise InputError(f"data.recipe: cannot be made at edge {point.size['edge']}: {error}") from error


def _facts(context: Context, universes: UniverseSet) -> dict[str, Any]:
    counts_bytes = universes.samples * universes.sample_bytes
    verifiable = counts_bytes <= MOST_VERIFIED_BYTES
    if verifiable:
        _verify(context, universes)
    own = universes.path.absolute()
    linked = [str(file) for file in universes.files if not file.is_relative_to(own)]
    linked = linked[:: max(1, -(-len(linked) // MOST_PATHS))]
    return {
        "path": str(universes.path),
        **({"paths": linked} if linked else {}),  # of the samples' files, for background readers
        "digest": universes.digest,
        "samples": universes.samples,
        "universes": len(np.unique(universes.universe)),
        "bytes": counts_bytes,
        "verified": EVERY_SAMPLE if verifiable else STRUCTURE_ONLY,
        "file_system": file_system(universes.files[0]),
        "host_memory_bytes": memory_bytes(),
    }


def _verify(context: Context, universes: UniverseSet) -> None:
    def progress(done: int, total: int) -> None:
        context.progress(f"checking {universes.path.name}", done, total)

    faults = verify(universes.path, progress)
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise DataError(f"{faults[0]}{more}")


def file_system(path: Path) -> str:
    """Return the type of the file system of `path`, such as ext4, lustre or nfs4: the longest mount point above it.

    proc(5): a line of /proc/self/mounts is device, mount point, type, ...; spaces in names are written \\040.
    """
    place, longest = path.resolve(), ("", "unknown")
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        mount, kind = line.split()[1:3]
        mount = mount.replace("\\040", " ")
        if place.is_relative_to(mount) and len(mount) >= len(longest[0]):
            longest = (mount, kind)
    return longest[1]
