"""The growth of a rank's process on a CPU besides tensors and oneDNN's workspace, as an upper bound. No torch.

`peak_mem_bytes` of a CPU is the growth of resident memory, which includes these parts. Unlike the tensors they are not
exact:

    libraries   parts of torch, oneDNN and the C library that the first point of a process loads: 97 to 100 MiB with
                torch 2.13 on x86-64, and 215 MiB with torch's compiler
    holes       the C library keeps freed memory between blocks in use. Blocks beyond 32 MiB (the most that glibc's
                threshold for mmap grows to) are returned to the system at once; smaller tensors leave at most their
                sum, if none takes the place of another
    check       the first block once more in float64, which torch computes from a column for each voxel's neighbourhood
"""

from __future__ import annotations

from apps.cosmoflow.network.architecture import blocks, compared_edge
from augment.model.memory import tensors_up_to
from augment.model.memory_steps import CPU
from augment.model.network import Convolution, Network

LIBRARIES_BYTES = 112 * 2**20
COMPILER_BYTES = 128 * 2**20
MMAP_BYTES = 32 * 2**20
DOUBLE_BYTES = 8


def growth_bytes(network: Network, batch: int, number_bytes: int, compiled: bool) -> int:
    """Return the sum of the three."""
    holes = tensors_up_to(MMAP_BYTES, network, batch, number_bytes, CPU)
    return LIBRARIES_BYTES + (COMPILER_BYTES if compiled else 0) + holes + _check_bytes(network)


def _check_bytes(network: Network) -> int:
    """Return the bytes of the block's largest convolution: columns, input and output, twice if layouts differ."""
    convolutions = [layer for layer in blocks(network)[0] if isinstance(layer, Convolution)]
    dimensions = network.dimensions
    numbers: int = max(
        layer.channels_in * layer.kernel**dimensions + 2 * (layer.channels_in + layer.channels_out)
        for layer in convolutions
    )
    edge: int = compared_edge(network)
    return DOUBLE_BYTES * numbers * int(edge**dimensions)
