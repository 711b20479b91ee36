"""One universe, from its cosmology to the counts that a network reads.

Gaussian noise becomes a linear density field (lpt.initial_modes), the field displaces particles (lpt.displacements)
until a = 0.1, a particle mesh moves them on (cola.evolve), and the particles are counted at each redshift
(counts.count_particles). All redshifts are moments of one run.

The chain is that of github.com/NERSC/cosmoflow-sims. docs/physics.md describes its checks and its validity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from augment.data.recipe import REDSHIFTS, STEPS
from augment.data.universe.cola import START, evolve, lpt_displacement, schedule
from augment.data.universe.cosmology import Cosmology
from augment.data.universe.counts import count_particles
from augment.data.universe.fourier import to_grid
from augment.data.universe.lpt import displacements, initial_modes
from augment.data.universe.memory import check_memory

ALONE_EDGE = 64  # up to this, one thread computes a universe

Progress = Callable[[int, int], None]


def simulate(
    cosmology: Cosmology,
    edge: int,
    box_mpc_h: float,
    redshifts: Sequence[float] = REDSHIFTS,
    seed: int = 1,
    device: str | torch.device = "cpu",
    steps: int = STEPS,
    progress: Progress | None = None,
) -> NDArray[np.int16]:
    """Return particle counts of one periodic universe, int16 (edge, edge, edge, redshifts); the mean is exactly 1.

    steps: from a = 0.1 to a = 1, equally long in a; some are divided so that every redshift is hit. 0: 2LPT alone.
    progress: called with (steps done, steps in all)

    The same arguments give the same bytes on one device, whatever the number of threads. Devices differ by rounding: a
    particle on a voxel's border may count in the neighbour. Channels come last, so a view permuted to (C, D, H, W) is
    channels_last_3d at no cost. Raises DataError if a count exceeds int16, or before the start if the device has less
    free memory than memory.memory_bytes.
    """
    check_memory(edge, redshifts, steps, device)
    counts = np.empty((edge, edge, edge, len(redshifts)), dtype=np.int16)
    scale_factors = [1 / (1 + z) for z in redshifts]
    with _threads(edge):
        for a, moved in _moments(cosmology, edge, box_mpc_h, seed, device, sorted(set(scale_factors)), steps, progress):
            at_a = count_particles(moved).cpu().numpy()
            for channel in (i for i, each in enumerate(scale_factors) if each == a):
                counts[..., channel] = at_a
    return counts


def initial_density(
    cosmology: Cosmology, edge: int, box_mpc_h: float, seed: int = 1, device: str | torch.device = "cpu"
) -> NDArray[np.float32]:
    """Return the linear density contrast today from which `simulate` starts, float32 (edge, edge, edge), mean zero."""
    modes = initial_modes(cosmology, edge, box_mpc_h, seed, device)
    return np.asarray(to_grid(modes).cpu().numpy(), dtype=np.float32)


def _moments(
    cosmology: Cosmology,
    edge: int,
    box_mpc_h: float,
    seed: int,
    device: str | torch.device,
    wanted: list[float],
    steps: int,
    progress: Progress | None,
) -> Iterator[tuple[float, torch.Tensor]]:
    # Ascending scale factors with the displacements in cells, (edge^2, edge, 3).
    by_lpt = [a for a in wanted if a <= START or steps == 0]
    by_cola = wanted[len(by_lpt) :]
    report = _reporter(progress, len(by_lpt) + len(schedule(by_cola, steps)) - 1)
    psi = displacements(initial_modes(cosmology, edge, box_mpc_h, seed, device), box_mpc_h)
    psi1, psi2 = (each.permute(1, 2, 3, 0).view(edge**2, edge, 3).mul_(edge / box_mpc_h) for each in psi)
    for a in by_lpt:
        yield a, lpt_displacement(cosmology, psi1, psi2, a)
        report()
    if by_cola:
        yield from zip(by_cola, evolve(cosmology, psi1, psi2, by_cola, steps, report), strict=True)


@contextmanager
def _threads(edge: int) -> Iterator[None]:
    # Threads that share operations as small as these spend more time waiting than computing: at 64^3 two were no
    # faster than one on idle cores, and at 32^3 ten times slower on busy ones. Ranks use cores better.
    before = torch.get_num_threads()
    try:
        if edge <= ALONE_EDGE:
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before)


def _reporter(progress: Progress | None, total: int) -> Callable[[], None]:
    done = 0

    def report() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    return report
