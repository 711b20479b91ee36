"""Dials -> layers: CosmoFlow's network at a size, without torch.

The reference (mlcommons/hpc, cosmoflow/models/cosmoflow.py; configs/cosmo.yaml), at edge 128, width 1, depth 1:

    counts (128, 128, 128, 4) -> log1p
    5 blocks: convolution 3x3x3 "same" with bias -> LeakyReLU(0.3) -> max-pool 2    channels 32, 64, 128, 256, 512
    flatten -> 128 -> LeakyReLU -> dropout 0.5 -> 64 -> LeakyReLU -> dropout 0.5 -> 4 -> tanh x 1.2

Beyond the reference: the channels C double a block, but at most to 16 times the first block's (512 for 32 filters). A
block of `depth` convolutions, each followed by its LeakyReLU, has 2 C channels inside and C at its end:

    depth 1   in -> C            depth 2   in -> 2 C -> C            depth 3   in -> 2 C -> 2 C -> C

`augment.model.deepen` turns a block of one depth into that of the next: a network can grow in depth with its function
kept.
"""

from __future__ import annotations

from apps.cosmoflow.dials import BASE_FILTERS, block_count
from apps.cosmoflow.input.settings import redshifts
from augment.model.network import Convolution, Dense, Dropout, Flatten, Layer, LeakyReLU, MaxPool, Network, Tanh
from saih.app import Point

KERNEL = 3
MOST_DOUBLINGS = 4
HIDDEN_FEATURES = (128, 64)
LABELS = 4
LEAKY = LeakyReLU(0.3)
DROPOUT = 0.5
OUTPUT_SCALE = 1.2
COMPARED_EDGE, DEEP = 16, 8
"""The first block is compared with float64 at this edge, or with more convolutions than `DEEP` at half of it.

Float64 is slow.
"""


def describe(edge: int, width: float = 1.0, depth: int = 1, redshifts: int = 4) -> Network:
    """Return the layers at these dials, which must be legal (see `apps.cosmoflow.dials.validate`)."""
    base = round(BASE_FILTERS * width)
    layers: list[Layer] = []
    channels = redshifts
    for i in range(block_count(edge)):
        filters = base * 2 ** min(i, MOST_DOUBLINGS)
        for channels_out in [2 * filters] * (depth - 1) + [filters]:
            layers += [Convolution(channels, channels_out, KERNEL), LEAKY]
            channels = channels_out
        layers.append(MaxPool(2))
    features = channels * (edge >> block_count(edge)) ** 3
    layers.append(Flatten(channels_last=True))  # voxel by voxel, as in Keras
    for hidden in HIDDEN_FEATURES:
        layers += [Dense(features, hidden), LEAKY, Dropout(DROPOUT)]
        features = hidden
    return Network(redshifts, edge, (*layers, Dense(features, LABELS), Tanh(OUTPUT_SCALE)))


def blocks(network: Network) -> list[tuple[Layer, ...]]:
    """Return the layers of each block, up to and including its pool."""
    ends = [place + 1 for place, layer in enumerate(network.layers) if isinstance(layer, MaxPool)]
    return [network.layers[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def compared_edge(network: Network) -> int:
    """Return the voxels a side of the cube on which the first block is compared with float64 on a CPU."""
    convolutions = sum(isinstance(layer, Convolution) for layer in blocks(network)[0])
    return min(network.edge, COMPARED_EDGE if convolutions <= DEEP else COMPARED_EDGE // 2)


def network_of(point: Point) -> Network:
    """Return the layers at a legal point."""
    size = point.size
    return describe(int(size["edge"]), float(size["width"]), int(size["depth"]), redshifts(point))
