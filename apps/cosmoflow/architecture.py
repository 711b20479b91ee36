"""Dials -> layers: what CosmoFlow is at a size, without torch.

The reference (mlcommons/hpc, cosmoflow/models/cosmoflow.py; configs/cosmo.yaml), at edge 128, width 1, depth 1:

    counts (128, 128, 128, 4) -> log1p
    5 blocks: convolution 3x3x3 "same" with bias -> LeakyReLU(0.3) -> max-pool 2    channels 32, 64, 128, 256, 512
    flatten -> 128 -> LeakyReLU -> dropout 0.5 -> 64 -> LeakyReLU -> dropout 0.5 -> 4 -> tanh x 1.2

Beyond it: the channels double a block, but at most to 16 times the first block's (512 for 32 filters). Of the `depth`
convolutions of a block the first changes the channels and the others keep them, each followed by its LeakyReLU.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from apps.cosmoflow.data import redshifts
from apps.cosmoflow.dials import BASE_FILTERS, block_count
from saih.app import Point

KERNEL = 3
MOST_DOUBLINGS = 4
HIDDEN_FEATURES = (128, 64)
LABELS = 4
LEAKY_SLOPE = 0.3
DROPOUT = 0.5
OUTPUT_SCALE = 1.2


@dataclass(frozen=True)
class Convolution:
    """KERNEL^3 convolution with bias that keeps the edge."""

    channels_in: int
    channels_out: int

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.channels_out * (self.channels_in * KERNEL**3 + 1)

    def macs(self, edge: int) -> int:
        """Multiply-adds of one sample with `edge` voxels a side; the padding's zeros count."""
        return self.channels_out * self.channels_in * KERNEL**3 * edge**3


@dataclass(frozen=True)
class Block:
    """Convolutions at `edge` voxels a side, then a pool that halves it."""

    edge: int
    convolutions: tuple[Convolution, ...]

    @property
    def channels_out(self) -> int:
        """Channels that leave the block."""
        return self.convolutions[-1].channels_out


@dataclass(frozen=True)
class Dense:
    """Fully connected layer with bias."""

    features_in: int
    features_out: int

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.features_out * (self.features_in + 1)

    @property
    def macs(self) -> int:
        """Multiply-adds of one sample."""
        return self.features_out * self.features_in


@dataclass(frozen=True)
class Architecture:
    """A CosmoFlow of one size: input (edge, edge, edge, redshifts), output the cosmology's LABELS."""

    edge: int
    redshifts: int
    blocks: tuple[Block, ...]
    dense: tuple[Dense, ...]

    @property
    def parameters(self) -> int:
        """Trained numbers in all."""
        return sum(c.parameters for c in self.convolutions()) + sum(d.parameters for d in self.dense)

    def convolutions(self) -> tuple[Convolution, ...]:
        """Every convolution, from the input on."""
        return tuple(convolution for block in self.blocks for convolution in block.convolutions)


def describe(edge: int, width: float = 1.0, depth: int = 1, redshifts: int = 4) -> Architecture:
    """The layers at these dials, which must be legal (see `apps.cosmoflow.dials.validate`)."""
    base = round(BASE_FILTERS * width)
    blocks: list[Block] = []
    channels = redshifts
    for i in range(block_count(edge)):
        filters = base * 2 ** min(i, MOST_DOUBLINGS)
        first, others = Convolution(channels, filters), Convolution(filters, filters)
        blocks.append(Block(edge >> i, (first,) + (others,) * (depth - 1)))
        channels = filters
    features = (channels * (edge >> len(blocks)) ** 3, *HIDDEN_FEATURES, LABELS)
    dense = tuple(Dense(a, b) for a, b in pairwise(features))
    return Architecture(edge, redshifts, tuple(blocks), dense)


def architecture_of(point: Point) -> Architecture:
    """The layers at a legal point."""
    size = point.size
    return describe(int(size["edge"]), float(size["width"]), int(size["depth"]), redshifts(point))
