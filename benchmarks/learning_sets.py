"""Universes to learn from: made by several processes, kept on the device, seen in coarser voxels.

One set of universes serves every edge: they are simulated at one edge and coarsened from there, which is exact
(augment.data.volumes.resize). So a network of edge 16 and one of edge 64 look at the same particles, and only the
size of what they can see differs. Split by universe: nobody trains on an unseen one's noise or cosmology.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from apps.cosmoflow.input.dataset import VALIDATION_FRACTION
from augment.data.making.build import begun, work
from augment.data.making.make import job_of
from augment.data.reading.sample_reader import SampleReader
from augment.data.recipe import Recipe
from augment.data.storage.data_set import UniverseSet
from augment.data.storage.universe_file import split
from augment.data.volumes.resize import check_factor
from benchmarks.spending import Deadline

TOLD_EVERY_S = 10.0
AT_ONCE = 64  # universes of which something is computed


@dataclass(frozen=True)
class Universes:
    """Counts int16 (n, E, E, E, R) and labels (n, 4) on the device, of universes to train on and of unseen ones.

    mean_count: particles a voxel, 1 where universes were simulated at this edge. standardised: whether the network
    reads each redshift with mean 0 and variance 1 over all that is trained on.
    """

    counts: Tensor
    labels: Tensor
    unseen_counts: Tensor
    unseen_labels: Tensor
    mean_count: int = 1
    standardised: bool = False

    @property
    def edge(self) -> int:
        """Voxels a side."""
        return self.counts.shape[1]

    def at(self, edge: int) -> Universes:
        """The same universes in wider voxels: each holds the particles of those that it replaces."""
        factor = self.edge // edge
        check_factor(factor)
        parts = (coarsened(self.counts, factor), self.labels, coarsened(self.unseen_counts, factor), self.unseen_labels)
        return Universes(*parts, self.mean_count * factor**3, self.standardised)

    @cached_property
    def inputs(self) -> Tensor:
        """What the network reads of `counts`, float32 (n, E, E, E, R): log(1 + density / mean).

        With a mean count of 1 and not standardised this is the application's own log1p of counts.
        """
        return self._read(self.counts)

    @cached_property
    def unseen_inputs(self) -> Tensor:
        """The same of the unseen universes, standardised by the moments of those to train on."""
        return self._read(self.unseen_counts)

    def _read(self, counts: Tensor) -> Tensor:
        density = self._log_density(counts)
        if self.standardised:
            mean, deviation = self._moments
            density.sub_(mean).div_(deviation)
        return density

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each redshift's log density, (R,), over all that is trained on."""
        sums = torch.zeros(2, self.counts.shape[-1], dtype=torch.float64, device=self.counts.device)
        for part in self.counts.split(AT_ONCE):  # type: ignore[no-untyped-call]
            density = self._log_density(part).flatten(0, 3).double()
            sums += torch.stack([density.sum(0), density.square().sum(0)])
        mean, square = sums / self.counts[..., 0].numel()
        return mean.float(), (square - mean**2).sqrt().float()

    def _log_density(self, counts: Tensor) -> Tensor:
        return counts.to(torch.float32).div_(self.mean_count).log1p_()


def coarsened(counts: Tensor, factor: int) -> Tensor:
    """Sums of factor^3 voxels of counts int16 (n, E, E, E, R), as augment.data.volumes.resize.coarsen, on any device.

    Raises ValueError where a sum exceeds int16.
    """
    few = counts.shape[1] // factor
    wide = torch.empty(len(counts), few, few, few, counts.shape[-1], dtype=torch.int16, device=counts.device)
    for begin in range(0, len(counts), AT_ONCE):  # int64 sums of all at once would take much memory
        part = counts[begin : begin + AT_ONCE]
        sums = part.reshape(-1, few, factor, few, factor, few, factor, part.shape[-1]).sum((2, 4, 6))
        if sums.max() > torch.iinfo(torch.int16).max:
            raise ValueError(f"a voxel holds {int(sums.max())} particles: int16 counts end before")
        wide[begin : begin + AT_ONCE] = sums
    return wide


def universes(recipe: Recipe, folder: Path, device: str, processes: int, deadline: Deadline, inputs: str) -> Universes:
    """The recipe's universes, made in `folder` by so many processes unless they are there. Raises OutOfTime.

    inputs: "log" or "standardised", what the network reads of them.
    """
    _make(recipe, folder, processes, deadline)
    found = UniverseSet(folder)
    train, unseen = split(found.universe, VALIDATION_FRACTION)
    labels = torch.from_numpy(found.labels)
    parts = [(torch.from_numpy(_counts(found, side)).to(device), labels[side].to(device)) for side in (train, unseen)]
    return Universes(*parts[0], *parts[1], standardised=inputs == "standardised")


def _counts(found: UniverseSet, samples: NDArray[np.int64]) -> NDArray[np.int16]:
    counts = np.empty((len(samples), *found.header.sample_shape), np.int16)
    reader = SampleReader(found)
    for row, sample in enumerate(samples):
        reader.read(int(sample), counts[row])
    reader.close()
    return counts


def _make(recipe: Recipe, folder: Path, processes: int, deadline: Deadline) -> None:
    job = job_of(recipe, folder)
    if job.is_whole():
        return
    with begun(job):
        workers = [
            multiprocessing.get_context("spawn").Process(
                target=_share, args=(recipe, folder, rank, processes), daemon=True
            )
            for rank in range(processes)
        ]
        for worker in workers:
            worker.start()
        try:
            _watch(workers, recipe, folder, deadline)
        finally:
            for worker in workers:
                worker.terminate()  # those that have ended do not mind
                worker.join()
        job.finish()


def _watch(workers: Sequence[BaseProcess], recipe: Recipe, folder: Path, deadline: Deadline) -> None:
    told = time.monotonic()
    while any(worker.is_alive() for worker in workers):
        deadline.check()
        for worker in workers:
            worker.join(0.2 / len(workers))
        if time.monotonic() > told + TOLD_EVERY_S:
            told = time.monotonic()
            done = sum(1 for _ in folder.glob("universe-*.h5"))
            print(f"edge {recipe.edge}: {done} of {recipe.universes} universes", file=sys.stderr, flush=True)
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("making the universes has failed; the reason stands above")


def _share(recipe: Recipe, folder: Path, rank: int, processes: int) -> None:
    torch.set_num_threads(1)
    for stage in job_of(recipe, folder).stages():
        work(folder, stage, (rank, processes))
