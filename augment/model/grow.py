"""From one network to a larger one of the same plan, by deepening and then widening, with the function preserved.

The plan is the part that `widen` and `deepen` leave unchanged: the input, the pools, the flattening, the output.
Blocks, the stretches between pools and flattening, are compared one by one: each may gain layers and channels, and lose
none. A larger edge is another plan (it adds a block with its pool) and no such growth.
"""

from __future__ import annotations

from collections.abc import Sequence

from augment.errors import DataError
from augment.model.deepen import deepen
from augment.model.network import Flatten, LeakyReLU, MaxPool, Network, Weighted
from augment.model.weights import LayerWeights
from augment.model.widen import Grown, widen


def grow(network: Network, target: Network, weights: Sequence[LayerWeights] | None = None, seed: int = 1) -> Grown:
    """Return `target`, with weights of the same function as `network` if those of `network` are given.

    A block is deepened at its last layer with a LeakyReLU after it. Raises DataError if `target` is not of the same
    plan, or is smaller somewhere.
    """
    grown = Grown(network, None if weights is None else tuple(weights))
    for number, missing in _missing(network, target):
        for _ in range(missing):
            grown = deepen(grown.network, number, grown.weights)
            number += 1
    for number, (_, layer) in enumerate(target.weighted()[:-1]):
        had = grown.network.weighted()[number][1].channels_out
        if layer.channels_out != had:
            grown = widen(grown.network, number, layer.channels_out, grown.weights, seed)
    if grown.network != target:
        raise DataError(f"growing leads to {_short(grown.network)}, not to {_short(target)}: another plan")
    return grown


def _missing(network: Network, target: Network) -> list[tuple[int, int]]:
    """Return (layer to deepen, layers that its block lacks), from the output to the input, so that numbers hold."""
    blocks, wanted = _blocks(network), _blocks(target)
    if len(blocks) != len(wanted):
        raise DataError(f"the target has {len(wanted)} blocks, the network {len(blocks)}: another plan")
    lacking = []
    for place, ((had, last), (wants, _)) in enumerate(zip(blocks, wanted, strict=True)):
        if wants < had or (wants > had and last is None):
            raise DataError(f"block {place}: has {had} layers with weights, the target {wants}: it can only grow")
        if last is not None:
            lacking.append((last, wants - had))
    return lacking[::-1]


def _blocks(network: Network) -> list[tuple[int, int | None]]:
    """Return for each block its number of layers with weights, and its last layer with a LeakyReLU after it."""
    counted: list[tuple[int, int | None]] = [(0, None)]
    number = -1
    for layer, after in zip(network.layers, [*network.layers[1:], None], strict=True):
        count, last = counted[-1]
        if isinstance(layer, Weighted):
            number += 1
            counted[-1] = (count + 1, number if isinstance(after, LeakyReLU) else last)
        if isinstance(layer, MaxPool | Flatten):
            counted.append((0, None))
    return counted


def _short(network: Network) -> str:
    channels = [layer.channels_out for _, layer in network.weighted()]
    return f"edge {network.edge} and channels {channels}"
