"""`run.input` -> the source of batches.

synthetic                  one batch, drawn on the device
memory                     the rank's share of the samples, read into host memory before timing
dataset                    the files in their place, with the page cache in its present state
dataset-cold               dropped from the page cache before timing, and read past it
dataset-warm               every byte read before timing, so that the page cache holds it
staged, -cold, -warm       the same of a copy on the host's own storage, made before timing
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from apps.cosmoflow.dials import MEMORY
from apps.cosmoflow.input.batches import Batches, Begun, Choice, Read
from apps.cosmoflow.input.dataset import open_set, training_files, training_samples
from apps.cosmoflow.input.evidence import Evidence
from apps.cosmoflow.input.kept_batches import Held
from apps.cosmoflow.input.loader import Loader
from apps.cosmoflow.input.once_per_host import once_a_host, ranks_here
from apps.cosmoflow.input.prefetch import LEAST_THREADS, MOST_THREADS, Shape
from apps.cosmoflow.input.sample_order import Order, Share
from augment.data.host import fetched_bytes, page_cache
from augment.data.host.staging import stage
from augment.data.reading.sample_reader import SampleReader, empty_batch
from augment.data.storage.data_set import UniverseSet
from augment.data.volumes.views import choose
from augment.errors import DataError
from saih.app import Context, InputError, Point, expanded


@dataclass(frozen=True)
class Source:
    """Batches, and the evidence of their source."""

    batches: Loader[Begun] | Held
    evidence: Evidence | None = None


def open_source(context: Context, point: Point, device: torch.device) -> Source:
    """Return the source of a point whose input is not synthetic. Raises InputError if it is not available."""
    threads = point.data["threads"] or automatic_threads()
    universes = open_set(point)
    try:
        if point.run.input == MEMORY:
            return _from_memory(context, point, universes, threads, device)
        return _from_files(context, point, universes, threads, device)
    except DataError as error:
        raise InputError(str(error)) from error


def automatic_threads() -> int:
    """Return the number of this rank's cores, but at least four, because reading mostly waits, and at most eight."""
    return min(MOST_THREADS, max(LEAST_THREADS, len(os.sched_getaffinity(0))))


def _from_files(context: Context, point: Point, universes: UniverseSet, threads: int, device: torch.device) -> Source:
    place, _, cached = point.run.input.partition("-")
    if place == "staged":
        universes = _staged(context, point, universes, threads)
    files = training_files(universes)
    if cached == "cold":
        once_a_host(context, lambda: page_cache.drop(files))
    if cached == "warm":
        once_a_host(context, lambda: _warm(context, point, files, threads))
    reader = SampleReader(universes, direct=cached == "cold")
    order = Order(training_samples(universes), point.run.batch, context.rank, context.size, context.seed)
    shape, view = Shape(point.run.batch, universes.header.sample_shape), _view(context, point)
    batches = Batches(_checked(reader), order, universes.labels, shape, threads, device, view)
    return Source(Loader(batches, threads, batches.depth, reader.close), Evidence(files, reader))


def _from_memory(context: Context, point: Point, universes: UniverseSet, threads: int, device: torch.device) -> Source:
    train = training_samples(universes)
    order = Share(train, point.run.batch, context.rank, context.size, context.seed)
    needed, free = (
        len(order.samples) * universes.sample_bytes * len(ranks_here(context)),
        fetched_bytes.free_memory_bytes(),
    )
    once_a_host(context, lambda: _check_fits(point, universes.path, needed, free))
    held = hold(universes, order.samples, threads)
    row_of = {int(sample): row for row, sample in enumerate(order.samples)}

    def read(sample: int, out: NDArray[np.int16]) -> None:
        np.copyto(out, held[row_of[sample]])

    shape, view = Shape(point.run.batch, universes.header.sample_shape), _view(context, point)
    batches = Batches(read, order, universes.labels, shape, threads, device, view)
    return Source(Loader(batches, threads, batches.depth), Evidence(training_files(universes), None))


def hold(universes: UniverseSet, samples: Sequence[int] | NDArray[np.int64], threads: int) -> NDArray[np.int16]:
    """Read samples with several threads; return counts (len(samples), edge, edge, edge, redshifts).

    Raises DataError.
    """
    held = empty_batch(len(samples), universes.header.sample_shape)
    reader = SampleReader(universes)
    try:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(reader.read, map(int, samples), held))
    finally:
        reader.close()
    return held


def _staged(context: Context, point: Point, universes: UniverseSet, threads: int) -> UniverseSet:
    folder = staging_folder(point)

    def tell(what: str, done: int, total: int) -> None:
        context.progress(f"{what} {universes.path.name}", done, total)

    once_a_host(context, lambda: stage(universes, folder, threads, tell))
    return stage(universes, folder)


def staging_folder(point: Point) -> Path:
    """Return data.staging.folder as expanded on this host. Raises InputError for a variable that is not set here."""
    return expanded("data.staging.folder", point.data["staging"]["folder"])


def _warm(context: Context, point: Point, files: Sequence[Path], threads: int) -> None:
    _check_fits(point, files[0].parent, page_cache.total_bytes(files), fetched_bytes.free_memory_bytes())
    page_cache.warm(files, threads, partial(context.progress, "reading into the page cache"))


def _check_fits(point: Point, path: Path, needed: int, free: int) -> None:
    if needed > free:
        raise InputError(
            f"run.input = {point.run.input}: {path} needs {needed / 1e9:.3g} GB of memory and {socket.gethostname()} "
            f"has {free / 1e9:.3g} GB free; allowed: dataset, dataset-cold, or a smaller data set"
        )


def _checked(reader: SampleReader) -> Read:
    def read(sample: int, out: NDArray[np.int16]) -> None:
        try:
            reader.read(sample, out)
        except DataError as error:
            raise InputError(str(error)) from error

    return read


def _view(context: Context, point: Point) -> Choice | None:
    kinds, edge = point.data["views"], int(point.size["edge"])
    if not kinds:
        return None
    return lambda sample, epoch: choose(kinds, context.seed, epoch, sample, edge)
