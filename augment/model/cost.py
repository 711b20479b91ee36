"""The cost of a network at any size, in closed form, layer by layer. No torch.

FLOPs. A multiply-add is two; convolutions and dense layers count, as is usual, with the zeros of the padding:

    convolution   2 kernel^d channels_in channels_out voxels          dense   2 channels_in channels_out

Backward does a layer's forward work twice, for the gradient of its weights and that of its input; but the gradient of
the network's input is not needed, so

    training = 3 forward - (forward of the first layer with weights)

Memory traffic. The least that must pass between the device's memory and its arithmetic if layers run one after the
other, nothing larger than a layer stays in cache, and operations on single numbers (LeakyReLU, dropout, tanh) are fused
with the layer before them. With X and Y the bytes of a layer's input and output volumes of the batch, W those of its
weights, I those of a pool's indices:

    layer with weights   forward  X + W + Y      backward  X + W + Y + dY, dX (but for the first) and dW
    pool                 forward  X + Y + I      backward  dY + I + dX
    optimiser            reads weights, gradients and momentum, writes weights and momentum: 5 per parameter, in fp32

Y once more in backward is the sign that a following LeakyReLU needs. Intensity is FLOPs over bytes: below the ratio of
the device's rate to its bandwidth a layer cannot reach the rate (Williams, Waterman & Patterson 2009, CACM 52(4), 65).
"""

from __future__ import annotations

from dataclasses import dataclass

from augment.model.network import Convolution, Layer, LeakyReLU, MaxPool, Network, Shape, Weighted

FLOAT_BYTES = 4
INDEX_BYTES = 8  # of a pool: the index of the largest voxel, int64 in torch
OPTIMISER_PASSES = 5


@dataclass(frozen=True)
class LayerCost:
    """The cost of one layer with weights, or a pool: FLOPs of one sample, bytes of one step with a batch."""

    layer: Layer
    before: Shape
    after: Shape
    parameters: int
    forward_flop: int
    training_flop: int
    forward_bytes: int
    training_bytes: int

    @property
    def name(self) -> str:
        """The layer in a word or two."""
        if isinstance(self.layer, Convolution):
            return f"convolution {self.layer.kernel}"
        return f"pool {self.layer.size}" if isinstance(self.layer, MaxPool) else "dense"


def parameters_of(layer: Weighted, dimensions: int) -> int:
    """Return the number of weights and biases of a layer."""
    taps = layer.kernel**dimensions if isinstance(layer, Convolution) else 1
    return layer.channels_out * (layer.channels_in * taps + 1)


def parameters(network: Network) -> int:
    """Return the number of trained parameters."""
    return sum(parameters_of(layer, network.dimensions) for _, layer in network.weighted())


def forward_flop(network: Network) -> int:
    """Return the FLOPs of one sample's forward pass."""
    return sum(cost.forward_flop for cost in by_layer(network))


def training_flop(network: Network) -> int:
    """Return the FLOPs of one sample's forward and backward pass."""
    return sum(cost.training_flop for cost in by_layer(network))


def training_bytes(network: Network, batch: int = 1, number_bytes: int = FLOAT_BYTES) -> int:
    """Return the least bytes moved in one step of training with `batch` samples, the optimiser's included.

    A report's least traffic is that of the operations as they ran: it also has activations, changes of type and copies,
    as far as they were not fused into kernels.
    """
    optimiser = OPTIMISER_PASSES * FLOAT_BYTES * parameters(network)
    return optimiser + sum(cost.training_bytes for cost in by_layer(network, batch, number_bytes))


def by_layer(network: Network, batch: int = 1, number_bytes: int = FLOAT_BYTES) -> tuple[LayerCost, ...]:
    """Return the costs of layers with weights and pools; `number_bytes`: of a number in the computing precision."""
    costs: list[LayerCost] = []
    steps = list(network.shapes())
    for place, (layer, before, after) in enumerate(steps):
        volumes = [batch * number_bytes * shape.channels * shape.voxels for shape in (before, after)]
        if isinstance(layer, Weighted):
            first = not any(isinstance(other.layer, Weighted) for other in costs)
            signed = place + 1 < len(steps) and isinstance(steps[place + 1][0], LeakyReLU)
            costs.append(_weighted(layer, before, after, network.dimensions, volumes, number_bytes, first, signed))
        elif isinstance(layer, MaxPool):
            moved = sum(volumes) + batch * INDEX_BYTES * after.channels * after.voxels
            costs.append(LayerCost(layer, before, after, 0, 0, 0, moved, 2 * moved))
    return tuple(costs)


def _weighted(
    layer: Weighted,
    before: Shape,
    after: Shape,
    dimensions: int,
    volumes: list[int],
    number_bytes: int,
    first: bool,
    signed: bool,
) -> LayerCost:
    x, y = volumes
    count = parameters_of(layer, dimensions)
    flop = 2 * (count - layer.channels_out) * after.voxels
    weights = number_bytes * count
    forward = x + weights + y
    backward = 2 * weights + x + y * (1 + signed) + x * (not first)
    return LayerCost(layer, before, after, count, flop, (2 if first else 3) * flop, forward, forward + backward)
