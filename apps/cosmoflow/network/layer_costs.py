"""The layers by which a step's time is reported: their names, and the cost of each in a step. No torch."""

from __future__ import annotations

from collections.abc import Iterator

from apps.cosmoflow.cost import COMPUTE_BYTES
from apps.cosmoflow.network.architecture import blocks, network_of
from augment.model.cost import by_layer
from augment.model.network import Convolution, Dense, Network
from saih.app import Layer, Point


def names(network: Network) -> Iterator[str]:
    """Yield a name for each layer with weights and each pool, in order: block 1 convolution, block 1 pool, dense 1.

    In blocks of several convolutions these are numbered: block 1 convolution 1.
    """
    for number, block in enumerate(blocks(network), 1):
        convolutions = sum(isinstance(layer, Convolution) for layer in block)
        yield from (f"block {number} convolution{f' {i + 1}' if convolutions > 1 else ''}" for i in range(convolutions))
        yield f"block {number} pool"
    dense = sum(isinstance(layer, Dense) for layer in network.layers)
    yield from (f"dense {i + 1}" for i in range(dense))


def layers_of(point: Point) -> tuple[Layer, ...]:
    """Return the operations and bytes of each layer in a step of one rank, with the point's batch and precision.

    The formulas are those of `augment.model.cost`.
    """
    network, batch = network_of(point), point.run.batch
    costs = by_layer(network, batch, COMPUTE_BYTES[point.run.precision])
    return tuple(
        Layer(name, batch * cost.forward_flop, batch * cost.training_flop, cost.forward_bytes, cost.training_bytes)
        for name, cost in zip(names(network), costs, strict=True)
    )
