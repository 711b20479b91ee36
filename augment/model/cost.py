"""What a network costs at any size, in closed form, layer by layer. No torch.

FLOPs. A multiply-add is two; convolutions and dense layers count, as is usual, the zeros of the padding included:

    convolution   2 kernel^d channels_in channels_out voxels          dense   2 channels_in channels_out

Backward does a layer's forward work twice, for the gradient of its weights and that of its input; but nobody needs the
gradient of the network's input, so

    training = 3 forward - (forward of the first layer with weights)

Memory traffic. The least that must pass between the device's memory and its arithmetic when layers run one after the
other, nothing larger than a layer stays in cache, and what works on single numbers (LeakyReLU, dropout, tanh) is done
by the layer before it while the number is at hand. With X and Y the bytes of a layer's input and output volumes of
the batch, W those of its weights, I those of a pool's indices:

    layer with weights   forward  X + W + Y      backward  X + W + Y + dY, dX (but for the first) and dW
    pool                 forward  X + Y + I      backward  dY + I + dX
    optimiser            reads weights, gradients and momentum, writes weights and momentum: 5 per parameter, in fp32

Y once more in backward is the sign that LeakyReLU needs, where one follows. Intensity is FLOPs over bytes: below the
ratio of the device's rate to its bandwidth a layer cannot reach the rate (Williams, Waterman & Patterson 2009, CACM
52(4), 65).
"""

from __future__ import annotations

from dataclasses import dataclass

from augment.model.network import Convolution, Layer, LeakyReLU, MaxPool, Network, Shape, Weighted

FLOAT_BYTES = 4
INDEX_BYTES = 8  # of a pool: which voxel was the largest, as torch keeps it (int64)
OPTIMISER_PASSES = 5


@dataclass(frozen=True)
class LayerCost:
    """One layer with weights, or a pool: FLOPs of one sample, bytes of one step with a batch."""

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
    """Weights and biases of a layer."""
    taps = layer.kernel**dimensions if isinstance(layer, Convolution) else 1
    return layer.channels_out * (layer.channels_in * taps + 1)


def parameters(network: Network) -> int:
    """Trained numbers in all."""
    return sum(parameters_of(layer, network.dimensions) for _, layer in network.weighted())


def forward_flop(network: Network) -> int:
    """FLOPs of one sample's way through the network."""
    return sum(cost.forward_flop for cost in by_layer(network))


def training_flop(network: Network) -> int:
    """FLOPs of one sample's forward and backward pass."""
    return sum(cost.training_flop for cost in by_layer(network))


def training_bytes(network: Network, batch: int = 1, number_bytes: int = FLOAT_BYTES) -> int:
    """Least bytes moved in one step of training with `batch` samples, the optimiser's included.

    A report's least traffic is that of the operations as they ran: it has activations, changes of type and copies on
    top, as far as no kernel took them along.
    """
    optimiser = OPTIMISER_PASSES * FLOAT_BYTES * parameters(network)
    return optimiser + sum(cost.training_bytes for cost in by_layer(network, batch, number_bytes))


def by_layer(network: Network, batch: int = 1, number_bytes: int = FLOAT_BYTES) -> tuple[LayerCost, ...]:
    """The layers with weights and the pools; `number_bytes` is the size of a number in the precision computed with."""
    found: list[LayerCost] = []
    steps = list(network.shapes())
    for place, (layer, before, after) in enumerate(steps):
        volumes = [batch * number_bytes * shape.channels * shape.voxels for shape in (before, after)]
        if isinstance(layer, Weighted):
            first = not any(isinstance(other.layer, Weighted) for other in found)
            signed = place + 1 < len(steps) and isinstance(steps[place + 1][0], LeakyReLU)
            found.append(_weighted(layer, before, after, network.dimensions, volumes, number_bytes, first, signed))
        elif isinstance(layer, MaxPool):
            moved = sum(volumes) + batch * INDEX_BYTES * after.channels * after.voxels
            found.append(LayerCost(layer, before, after, 0, 0, 0, moved, 2 * moved))
    return tuple(found)


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
