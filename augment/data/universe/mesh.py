"""Particles and mesh: painting mass on a mesh, and reading fields off it, by clouds in cells.

A particle is a cube as wide as a mesh cell. Each of the 8 nodes around it receives the part of its mass in that node's
cell, and the particle reads a field as the mean of those nodes with the same weights ("CIC"; Hockney & Eastwood 1988,
Computer Simulation Using Particles, chapter 5):

    weight = product over x, y, z of   1 - d (lower node)  or  d (upper node),   d = position - lower node, in cells

One particle starts on each node, in the order of the nodes, so its place is known from its displacement. Displacements
by whole cells are added to the start as whole numbers: far from the origin no digit is lost.

Meshes here are *padded*: a last node along each axis stands for the first, so the 8 nodes around any particle have
fixed distances in memory and nothing wraps.

Mass is painted in whole numbers, 2^16 units a particle, because integers add up to the same sum in any order: neither
the number of threads nor the order of a GPU's threads changes a bit. A particle's shares are rounded one from the
other, so that they add up to 2^16 exactly; each is within 3 units of its weight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import torch
from torch.nn import functional

UNITS = 2.0**16  # of mass in a particle; float32 represents every number and difference here exactly


def batch_particles(device: torch.device) -> int:
    """Return the number of particles in a batch: as many as fit a CPU's caches, or fill a GPU."""
    return 2**16 if device.type == "cpu" else 2**22


def each_batch(work: Callable[[slice], None], edge: int, device: torch.device) -> None:
    """Call work(lines) for every batch of lines: on a CPU, in torch's number of threads.

    Each of these threads computes alone. Torch would divide every operation among all threads instead, which then wait
    for one another hundreds of times a step; on cores that other programs use too, that made steps 30 times slower.
    """
    parts = list(batches(edge, device))
    threads = min(torch.get_num_threads() if device.type == "cpu" else 1, len(parts))
    if threads == 1:
        for lines in parts:
            work(lines)
        return
    torch_threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=_compute_alone) as pool:
            for _ in pool.map(work, parts):
                pass
    finally:
        torch.set_num_threads(torch_threads)  # the default of later threads has changed too


def _compute_alone() -> None:
    torch.get_num_threads()  # the first call in a thread sets the default, and must precede the next line
    torch.set_num_threads(1)


def batches(edge: int, device: torch.device) -> Iterator[slice]:
    """Return slices that divide the edge^2 lines of particles into batches."""
    lines = max(1, batch_particles(device) // edge)
    return (slice(first, min(first + lines, edge**2)) for first in range(0, edge**2, lines))


def paint(displacement: torch.Tensor) -> torch.Tensor:
    """Return the mass at every node, int32 (edge, edge, edge), in UNITS; a node holds up to 32767 particles.

    displacement: float32 (edge^2, edge, 3), in cells, of the particles that started on the nodes
    """
    edge = displacement.shape[1]
    mass = torch.zeros((edge + 1) ** 3, dtype=torch.int32, device=displacement.device)
    one_at_a_time = Lock()

    def add(lines: slice) -> None:
        node, fraction = _nodes(displacement[lines], lines.start)
        shares = _shares(fraction)
        with one_at_a_time:
            for offset, share in zip(_offsets(edge), shares, strict=True):
                mass[offset:].index_add_(0, node, share)

    each_batch(add, edge, displacement.device)
    return _folded(mass.view((edge + 1,) * 3))


def read(field: torch.Tensor, displacement: torch.Tensor, first_line: int) -> torch.Tensor:
    """Return the field at each particle of a batch of lines, (lines, edge, components).

    field: padded, (edge + 1, edge + 1, edge + 1, components)
    displacement: float32 (lines, edge, 3), of the lines from first_line on
    """
    edge = displacement.shape[1]
    node, fraction = _nodes(displacement, first_line)
    nodes = node[:, None] + torch.tensor(_offsets(edge), dtype=node.dtype, device=node.device)
    found: torch.Tensor = functional.embedding_bag(
        nodes, field.view(-1, field.shape[-1]), per_sample_weights=_weights(fraction), mode="sum"
    )
    return found.view(*displacement.shape[:2], -1)


def pad(field: torch.Tensor) -> None:
    """Copy the first planes of a padded field (edge + 1, edge + 1, edge + 1, ...) to the last ones."""
    for axis in range(3):
        field.select(axis, -1).copy_(field.select(axis, 0))


def wrapped(cells: torch.Tensor, first_line: int) -> torch.Tensor:
    """Turn displacements by whole cells into cells of the periodic box: float32 (lines, edge, 3), in place."""
    lines, edge = cells.shape[:2]
    start = torch.arange(first_line, first_line + lines, device=cells.device)
    for axis, place in enumerate((start // edge, start % edge)):
        cells[..., axis] += place.to(cells.dtype)[:, None]
    cells[..., 2] += torch.arange(edge, dtype=cells.dtype, device=cells.device)
    # Exact: a quotient of whole numbers below 2^24 rounds to a whole number only if it is one.
    return cells.sub_((cells / edge).floor_().mul_(edge))


def index_type(edge: int) -> torch.dtype:
    """Return the smallest type that numbers edge^3 nodes."""
    return torch.int32 if edge**3 <= 2**31 else torch.int64


def _nodes(displacement: torch.Tensor, first_line: int) -> tuple[torch.Tensor, torch.Tensor]:
    # The lowest of the 8 padded nodes around each particle, and the particle's distance from it: (n,), (3, n).
    pitch = displacement.shape[1] + 1
    lower = displacement.floor()
    fraction = (displacement - lower).view(-1, 3).t().contiguous()
    x, y, z = wrapped(lower, first_line).view(-1, 3).to(index_type(pitch)).unbind(-1)
    return x.mul(pitch).add_(y).mul_(pitch).add_(z), fraction


def _offsets(edge: int) -> list[int]:
    # From the lowest of 8 padded nodes to each of them.
    pitch = edge + 1
    return [(x * pitch + y) * pitch + z for x in (0, 1) for y in (0, 1) for z in (0, 1)]


def _weights(fraction: torch.Tensor) -> torch.Tensor:
    # Of the 8 nodes around each particle, (n, 8), in the order of _offsets.
    x, y, z = fraction
    weights = torch.empty((len(x), 8), dtype=fraction.dtype, device=fraction.device)
    across = [i * j for i in (1 - x, x) for j in (1 - y, y)]
    for place, (ij, k) in enumerate((ij, k) for ij in across for k in (1 - z, z)):
        torch.mul(ij, k, out=weights[:, place])
    return weights


def _shares(fraction: torch.Tensor) -> list[torch.Tensor]:
    # The mass is split along x, the parts along y, theirs along z, and no split loses any: int32 (n,), 8 times.
    x, y, z = fraction
    upper = (x * UNITS).round_()
    across = [part for half in (UNITS - upper, upper) for part in _split(half, y)]
    return [part.to(torch.int32) for quarter in across for part in _split(quarter, z)]


def _split(mass: torch.Tensor, fraction: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    upper = (mass * fraction).round_()
    return mass - upper, upper


def _folded(mass: torch.Tensor) -> torch.Tensor:
    # Out of a padded mesh: the mass in the last planes belongs to the first.
    for axis in range(3):
        mass.select(axis, 0).add_(mass.select(axis, -1))
    return mass[:-1, :-1, :-1]
