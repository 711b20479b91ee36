"""The workspace of oneDNN while a CPU computes a convolution, as an upper bound. No torch.

For the gradient of the weights every thread sums in float32 on its own, with channels rounded up to blocks of 16; in
lower precision it also reorders a sample's input and gradient, padding included, so that pairs of voxels are adjacent.
The weights are reordered once. So with t threads, V voxels of a sample with their padding, W weights and I, O channels
(rounded up), b bytes of a number:

    b W + t (4 W + b (I + O) V)      the second term of the bracket in lower precision only

An upper bound as observed with oneDNN 3.12 on AVX-512: threads that share a sample by channels take less. Other
processors have other kernels.
"""

from __future__ import annotations

from augment.model.cost import FLOAT_BYTES
from augment.model.network import Convolution, Network, Shape

BLOCK_CHANNELS = 16
SMALL_BYTES = 2**18
"""Memory of a layer beyond the formula: barriers, batches of small products; 40 kB seen at 4 threads."""


def cpu_workspace_bytes(network: Network, number_bytes: int, threads: int) -> int:
    """Return the most that one convolution takes besides its tensors, on `threads` threads; see above."""
    return SMALL_BYTES + max(
        (
            _of_convolution(layer, before, network.dimensions, number_bytes, threads)
            for layer, before, _ in network.shapes()
            if isinstance(layer, Convolution)
        ),
        default=0,
    )


def _of_convolution(layer: Convolution, before: Shape, dimensions: int, number_bytes: int, threads: int) -> int:
    channels_in, channels_out = (
        -(-c // BLOCK_CHANNELS) * BLOCK_CHANNELS for c in (layer.channels_in, layer.channels_out)
    )
    weights: int = channels_in * channels_out * layer.kernel**dimensions
    of_a_thread = FLOAT_BYTES * weights
    if number_bytes < FLOAT_BYTES:
        of_a_thread += number_bytes * (channels_in + channels_out) * (before.edge + layer.kernel - 1) ** dimensions
    return number_bytes * weights + threads * of_a_thread
