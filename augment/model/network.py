"""A network as data: its layers in order, and the shapes between them. No torch.

A network is a chain: convolutions (stride 1, "same" padding, bias), LeakyReLU, max-pooling, dropout, flattening, dense
layers (bias) and a bounded output. Volumes have `dimensions` axes of `edge` voxels and some channels; after flattening
there are features only, which count as channels of a volume of edge 1.

Layers with weights are numbered separately, from 0: "layer 2" of `widen` is the third with weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from augment.errors import DataError


@dataclass(frozen=True)
class Convolution:
    """A kernel^dimensions convolution with bias that preserves the edge; the kernel is odd, so that it has a centre."""

    channels_in: int
    channels_out: int
    kernel: int = 3


@dataclass(frozen=True)
class Dense:
    """A fully connected layer with bias."""

    channels_in: int
    channels_out: int


@dataclass(frozen=True)
class LeakyReLU:
    """x for x > 0, else slope * x with a slope of at least 0, which is ReLU."""

    slope: float


@dataclass(frozen=True)
class MaxPool:
    """The largest of every size^dimensions voxels."""

    size: int = 2


@dataclass(frozen=True)
class Dropout:
    """Zeroes each number with this probability in training; no effect in evaluation."""

    probability: float


@dataclass(frozen=True)
class Flatten:
    """Volumes to features, voxel by voxel with a voxel's channels adjacent, or channel by channel."""

    channels_last: bool = True


@dataclass(frozen=True)
class Tanh:
    """scale * tanh(x)."""

    scale: float = 1.0


Weighted = Convolution | Dense
Layer = Weighted | LeakyReLU | MaxPool | Dropout | Flatten | Tanh


@dataclass(frozen=True)
class Shape:
    """The volume between two layers: channels, with `edge` voxels along each axis."""

    channels: int
    edge: int
    voxels: int


@dataclass(frozen=True)
class Network:
    """A chain of layers for volumes of `channels` channels and edge^dimensions voxels.

    Raises DataError naming the layer that does not fit the one before it.
    """

    channels: int
    edge: int
    layers: tuple[Layer, ...]
    dimensions: int = 3

    def __post_init__(self) -> None:
        if min(self.channels, self.edge, self.dimensions) < 1:
            raise DataError(f"a network for {self.channels} channels of edge {self.edge}: must be at least 1 each")
        for _ in self.shapes():
            pass

    def shapes(self) -> Iterator[tuple[Layer, Shape, Shape]]:
        """Yield every layer with its input and output shapes."""
        shape = Shape(self.channels, self.edge, self.edge**self.dimensions)
        for place, layer in enumerate(self.layers):
            out = self._after(layer, shape, place)
            yield layer, shape, out
            shape = out

    def weighted(self) -> tuple[tuple[int, Weighted], ...]:
        """Return the layers with weights, each with its place in `layers`."""
        return tuple((i, layer) for i, layer in enumerate(self.layers) if isinstance(layer, Weighted))

    def _after(self, layer: Layer, shape: Shape, place: int) -> Shape:
        if isinstance(layer, Weighted):
            if layer.channels_in != shape.channels:
                raise DataError(f"layer {place}, {layer}: gets {shape.channels} channels")
            if layer.channels_out < 1 or (
                isinstance(layer, Convolution) and (layer.kernel < 1 or layer.kernel % 2 == 0)
            ):
                raise DataError(f"layer {place}, {layer}: must have at least 1 channel out and an odd kernel")
            if isinstance(layer, Dense) and shape.edge != 1:
                raise DataError(f"layer {place}, {layer}: needs Flatten before it")
            return Shape(layer.channels_out, shape.edge, shape.voxels)
        if isinstance(layer, MaxPool):
            if not 1 <= layer.size <= shape.edge:
                raise DataError(f"layer {place}, {layer}: the volume has edge {shape.edge}")
            edge = shape.edge // layer.size
            return Shape(shape.channels, edge, edge**self.dimensions)
        if isinstance(layer, LeakyReLU) and not layer.slope >= 0:
            raise DataError(f"layer {place}, {layer}: the slope must be at least 0")
        if isinstance(layer, Flatten):
            return Shape(shape.channels * shape.voxels, 1, 1)
        return shape
