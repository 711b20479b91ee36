"""More channels with the same function (Net2WiderNet: Chen, Goodfellow & Shlens 2016, arXiv:1511.05641).

Every new channel j replicates an old one, g(j), with its kernel and bias, so it has the same values. The next layer
with weights reads channel j with a fraction of its former weight for g(j):

    kernel'[j] = kernel[g(j)]      next'[:, j] = f(j) next[:, g(j)]      sum of f over the replicas of a channel = 1

The layers between (LeakyReLU, max-pool, dropout in evaluation, flattening) treat channels alike, so the sum in the next
layer is the old one. In exact arithmetic this holds for any input; in floating point to rounding.

The fractions are random and unequal. With equal ones all replicas would get equal gradients and stay replicas for ever;
with unequal ones the gradients differ from the first step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from augment.errors import DataError
from augment.model.network import Flatten, Layer, Network, Shape
from augment.model.weights import LayerWeights, Weights, check


@dataclass(frozen=True)
class Grown:
    """A larger network and, if weights were given, its weights with the same function."""

    network: Network
    weights: Weights | None = None


def widen(
    network: Network, layer: int, channels_out: int, weights: Sequence[LayerWeights] | None = None, seed: int = 1
) -> Grown:
    """Widen weighted layer `layer` (counted from 0) to `channels_out` channels; keep the function if weights are given.

    Raises DataError for a layer that does not exist or is the last (its channels are the output), for fewer channels
    than it has, and for weights of another network. Optimiser state is not carried over: start with a new one.
    """
    first, second = _pair(network, layer)
    had = network.weighted()[layer][1].channels_out
    if channels_out < had:
        raise DataError(f"layer {layer}: has {had} channels and cannot shrink to {channels_out}")
    wider = _described(network, first, second, channels_out)
    if weights is None:
        return Grown(wider)
    old = list(check(network, weights))
    random = np.random.default_rng([seed, layer])
    origin = np.concatenate([np.arange(had), random.integers(had, size=channels_out - had)])
    fraction = _fractions(origin, random)
    old[layer] = LayerWeights(old[layer].kernel[origin], old[layer].bias[origin])
    origin, fraction = _through(_between(network, first, second), origin, fraction, had)
    kernel = old[layer + 1].kernel
    scale = fraction.astype(kernel.dtype).reshape(1, -1, *(1,) * (kernel.ndim - 2))
    old[layer + 1] = LayerWeights(kernel[:, origin] * scale, old[layer + 1].bias)
    return Grown(wider, check(wider, old))


def _pair(network: Network, layer: int) -> tuple[int, int]:
    """Return the places of this weighted layer and of the next. Raises DataError if there are none."""
    places = [place for place, _ in network.weighted()]
    if not 0 <= layer < len(places) - 1:
        raise DataError(f"layer {layer}: must be from 0 to {len(places) - 2}; the last layer's channels are the output")
    return places[layer], places[layer + 1]


def _between(network: Network, first: int, second: int) -> list[tuple[Layer, Shape]]:
    """Return the layers between two places, each with its input shape."""
    return [(layer, before) for layer, before, _ in network.shapes()][first + 1 : second]


def _described(network: Network, first: int, second: int, channels_out: int) -> Network:
    voxels = [shape.voxels for layer, shape in _between(network, first, second) if isinstance(layer, Flatten)]
    reads = channels_out * (voxels[0] if voxels else 1)  # after one Flatten there is one voxel
    weighted = dict(network.weighted())
    changed: dict[int, Layer] = {
        first: replace(weighted[first], channels_out=channels_out),
        second: replace(weighted[second], channels_in=reads),
    }
    return replace(network, layers=tuple(changed.get(i, layer) for i, layer in enumerate(network.layers)))


def _fractions(origin: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.float64]:
    """Return random shares (channels,), which sum to 1 over the replicas of a channel."""
    shares = random.uniform(0.5, 1.5, len(origin))
    fractions: NDArray[np.float64] = shares / np.bincount(origin, shares)[origin]
    return fractions


def _through(
    between: list[tuple[Layer, Shape]], origin: NDArray[np.int64], fraction: NDArray[np.float64], had: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return origins and fractions of the next layer's inputs: of features, if the channels were flattened."""
    for layer, shape in between:
        if isinstance(layer, Flatten):
            voxels = np.arange(shape.voxels)
            if layer.channels_last:  # feature = voxel * channels + channel
                return (voxels[:, None] * had + origin).ravel(), np.tile(fraction, shape.voxels)
            return (origin[:, None] * shape.voxels + voxels).ravel(), np.repeat(fraction, shape.voxels)
    return origin, fraction
