"""The weights of a network as arrays: for every weighted layer a kernel and a bias, in order.

    Convolution   kernel (channels_out, channels_in, k, ..., k)    bias (channels_out,)
    Dense         kernel (channels_out, channels_in)               bias (channels_out,)

These are torch's shapes, so a state_dict's tensors can be used unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from augment.errors import DataError
from augment.model.network import Convolution, Network, Weighted


class LayerWeights(NamedTuple):
    """The weights of one layer."""

    kernel: NDArray[Any]
    bias: NDArray[Any]


Weights = tuple[LayerWeights, ...]


def kernel_shape(layer: Weighted, dimensions: int) -> tuple[int, ...]:
    """Return the shape of a layer's kernel."""
    spatial = (layer.kernel,) * dimensions if isinstance(layer, Convolution) else ()
    return (layer.channels_out, layer.channels_in, *spatial)


def check(network: Network, weights: Sequence[LayerWeights]) -> Weights:
    """Return the weights as a tuple, if they are this network's. Raises DataError naming the first that is not."""
    layers = network.weighted()
    if len(weights) != len(layers):
        raise DataError(f"weights of {len(weights)} layers: the network has {len(layers)} with weights")
    for number, ((_, layer), given) in enumerate(zip(layers, weights, strict=True)):
        expected = kernel_shape(layer, network.dimensions), (layer.channels_out,)
        shapes = given.kernel.shape, given.bias.shape
        if shapes != expected:
            raise DataError(f"weights of layer {number} are {shapes}: must be {expected} for {layer}")
        if not np.issubdtype(given.kernel.dtype, np.floating):
            raise DataError(f"weights of layer {number} are {given.kernel.dtype}: must be floating point")
    return tuple(weights)
