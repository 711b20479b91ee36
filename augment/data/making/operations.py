"""Operations on the samples of an existing data set, each with the data for which it is valid.

    coarsen          fewer, wider voxels: exact, for every volume
    refine_for_load  more, narrower voxels by chance: for load only, not physics
    symmetries       turned and mirrored views, written out: valid for every volume
    shifts           periodic boxes seen from another place, written out: valid if the box is periodic
    tile             copies side by side: for load; adds no wave longer than the box, and needs a periodic one
    redshifts        fewer channels: valid for every volume. More can only be simulated

Labels, parameters and universe numbers stay, so that a split by universe stays a split. Views of one sample follow each
other; they are chosen by the seed and the sample's number, the first being the sample itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment.data.storage.universe_file import Header
from augment.data.volumes import resize, symmetries, tile
from augment.errors import DataError

Counts = NDArray[np.int16]


@dataclass(frozen=True)
class Operation:
    """One way to make samples of samples.

    header(of the source): of the outcome, but for samples, digest and provenance. Raises DataError if the operation is
    not valid for the source. views(header, sample, counts): the results for one sample, `per_sample` volumes.
    """

    name: str
    arguments: Mapping[str, Any]
    header: Callable[[Header], Header]
    views: Callable[[Header, int, Counts], Iterator[Counts]]
    per_sample: int = 1
    note: str = field(default="", compare=False)


def coarsen(factor: int) -> Operation:
    """Return the operation for voxels `factor` times as wide, by summing: `resize.coarsen`."""

    def header(source: Header) -> Header:
        resize.check_factor(factor)
        if source.edge % factor:
            raise DataError(f"factor = {factor}: must divide the edge, {source.edge}")
        return replace(source, edge=source.edge // factor)

    def views(source: Header, sample: int, counts: Counts) -> Iterator[Counts]:
        yield resize.coarsen(counts, factor)

    return Operation("coarsen", {"factor": factor}, header, views)


def refine_for_load(factor: int, seed: int = 1) -> Operation:
    """Return the operation for voxels `factor` times as narrow, made up by chance: `resize.refine_for_load`."""

    def header(source: Header) -> Header:
        resize.check_factor(factor)
        return replace(source, edge=source.edge * factor)

    def views(source: Header, sample: int, counts: Counts) -> Iterator[Counts]:
        rng = _random(seed, sample)
        yield resize.refine_for_load(counts, factor, periodic=source.periodic, seed=rng)

    note = "for load only: no structure below the original voxels"
    return Operation("refine-for-load", {"factor": factor, "seed": seed}, header, views, note=note)


def turned(count: int, seed: int = 1) -> Operation:
    """Return the operation for `count` of the 48 symmetries of each sample: `symmetries.symmetric`."""

    def header(source: Header) -> Header:
        _check_views(count, symmetries.SYMMETRIES)
        return source

    def views(source: Header, sample: int, counts: Counts) -> Iterator[Counts]:
        for which in _chosen(seed, sample, count, symmetries.SYMMETRIES):
            yield symmetries.symmetric(counts, int(which))

    return Operation("symmetries", {"views": count, "seed": seed}, header, views, count)


def shifts(count: int, seed: int = 1) -> Operation:
    """Return the operation for `count` shifts of each periodic box: `symmetries.shifted`."""

    def header(source: Header) -> Header:
        _check_views(count, source.edge**3)
        _check_periodic(source, "shifts", "shifted")
        return source

    def views(source: Header, sample: int, counts: Counts) -> Iterator[Counts]:
        edge = source.edge
        for which in map(int, _chosen(seed, sample, count, edge**3)):
            steps = (which // edge**2, which // edge % edge, which % edge)
            yield symmetries.shifted(counts, steps, periodic=source.periodic)

    return Operation("shifts", {"views": count, "seed": seed}, header, views, count)


def tiled(repeats: int) -> Operation:
    """Return the operation for `repeats` copies along each axis of a periodic box: `tile.tile`."""

    def header(source: Header) -> Header:
        tile.check_repeats(repeats)
        _check_periodic(source, "tile", "tiled")
        return replace(source, edge=source.edge * repeats, box_mpc_h=source.box_mpc_h * repeats)

    def views(source: Header, sample: int, counts: Counts) -> Iterator[Counts]:
        yield tile.tile(counts, repeats, periodic=source.periodic)

    note = "for load: no structure larger than the original box"
    return Operation("tile", {"repeats": repeats}, header, views, note=note)


def redshifts(keep: Sequence[float]) -> Operation:
    """Return the operation that keeps the channels of these redshifts, in this order."""

    def header(source: Header) -> Header:
        for z in keep:
            if z not in source.redshifts:
                there = ", ".join(f"{each:g}" for each in source.redshifts)
                raise DataError(f"keep = {z:g}: must be of the set's redshifts, {there}; others can only be simulated")
        if not keep or len(set(keep)) < len(keep):
            raise DataError(f"keep = {list(keep)}: must be redshifts that differ from one another")
        return replace(source, redshifts=tuple(float(z) for z in keep))

    def views(source: Header, sample: int, counts: Counts) -> Iterator[Counts]:
        yield counts[..., [source.redshifts.index(z) for z in keep]]

    return Operation("redshifts", {"keep": [float(z) for z in keep]}, header, views)


def _random(seed: int, sample: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(sample,)))


def _chosen(seed: int, sample: int, count: int, of: int) -> NDArray[np.int64]:
    """Return `count` different numbers below `of`, 0 first."""
    chosen = np.zeros(count, np.int64)
    if count > 1:
        chosen[1:] = 1 + _random(seed, sample).choice(of - 1, count - 1, replace=False)
    return chosen


def _check_views(count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise DataError(f"views = {count}: must be from 1 to {most}")


def _check_periodic(source: Header, name: str, done: str) -> None:
    if not source.periodic:
        raise DataError(f"{name}: the samples are not periodic; only whole universes (cuts: 1) can be {done}")
