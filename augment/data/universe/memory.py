"""The memory of a simulation, predicted before its start.

In bytes a voxel (modes of real fields count half as many numbers, of twice the size). While COLA steps there are

    48    psi1, psi2, the displacement and the velocity, three float32 each
    12    the pull on the nodes, three float32, and 1 for its padding
    16    making it: the potential's modes, one component's modes, a half-transformed copy, the component

and while the pull is read, instead of the last, the data of a batch of particles. 2LPT alone has psi1, psi2 and two
displacements, 48, and counts. On the CPU the finished counts of every redshift are in the same memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from augment.data.universe.cola import START
from augment.data.universe.mesh import batch_particles
from augment.errors import DataError
from saih.common.host import memory

_LPT, _COLA, _COLA_READING = 50, 77, 61  # bytes a voxel
_BATCH = 110  # bytes a particle of a batch


def memory_bytes(edge: int, redshifts: Sequence[float], steps: int, device: str | torch.device = "cpu") -> int:
    """Return the peak memory of `simulate` on the device; on a CPU, beyond the memory of the libraries.

    Small meshes may take a fifth more on a CPU, because the allocator keeps freed memory.
    """
    device = torch.device(device)
    counts = 2 * len(redshifts) if device.type == "cpu" else 0
    if steps == 0 or all(1 / (1 + z) <= START for z in redshifts):
        return edge**3 * (_LPT + counts)
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    reading = _COLA_READING * edge**3 + _BATCH * min(edge**3, threads * batch_particles(device))
    return max(_COLA * edge**3, reading) + counts * edge**3


def check_memory(edge: int, redshifts: Sequence[float], steps: int, device: str | torch.device) -> None:
    """Raise DataError if the device has less free memory than a simulation needs."""
    needed, free = memory_bytes(edge, redshifts, steps, device), free_bytes(device)
    if free is not None and needed > free:
        raise DataError(
            f"{edge}^3 particles need {needed / 1e9:.1f} GB, {device} has {free / 1e9:.1f} GB free; "
            "simulate a smaller edge, or fewer cuts"
        )


def free_bytes(device: str | torch.device) -> int | None:
    """Return the memory on the device that can be allocated now; None if the system does not report it."""
    device = torch.device(device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return memory.free_bytes() if device.type == "cpu" else None
