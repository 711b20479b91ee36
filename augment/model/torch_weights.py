"""A network and its weights in torch: the module of a description, and weights out of and into modules.

`weights_of` and `load_weights` accept any module with its convolutions and dense layers in the order of its
description. `module_of` makes one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from augment.errors import DataError
from augment.model.network import Convolution, Dense, Dropout, Flatten, Layer, LeakyReLU, MaxPool, Network, Tanh
from augment.model.weights import LayerWeights, Weights, check

_WEIGHTED = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_POOLS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


class FlattenVoxels(nn.Module):
    """(B, C, e, ..., e) -> (B, features), with the channels of a voxel adjacent; no copy in channels_last."""

    def forward(self, volumes: Tensor) -> Tensor:
        """Return features (B, e^d C)."""
        return volumes.movedim(1, -1).flatten(1)


class ScaledTanh(nn.Module):
    """scale * tanh(x)."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Return a result bounded by +-scale."""
        return self.scale * x.tanh()


def module_of(network: Network) -> nn.Sequential:
    """Return the network as a module: (B, channels, edge, ..., edge) -> (B, outputs), with torch's initialisation."""
    return modules_of(network.layers, network.dimensions)


def modules_of(layers: Sequence[Layer], dimensions: int) -> nn.Sequential:
    """Return a part of a network as a module."""
    return nn.Sequential(*(_module(layer, dimensions) for layer in layers))


def weights_of(module: nn.Module, network: Network) -> Weights:
    """Return copies of the weights of a module's convolutions and dense layers, in their order, on the CPU.

    Raises DataError if they are not those of `network`.
    """
    return check(network, [LayerWeights(_array(m.weight), _array(m.bias)) for m in _weighted(module)])


def load_weights(module: nn.Module, weights: Sequence[LayerWeights]) -> None:
    """Copy weights into a module's convolutions and dense layers. Raises DataError if they do not fit."""
    layers = _weighted(module)
    if len(layers) != len(weights):
        raise DataError(f"weights of {len(weights)} layers: the module has {len(layers)} with weights")
    with torch.no_grad():
        for number, (layer, given) in enumerate(zip(layers, weights, strict=True)):
            assert layer.bias is not None
            if layer.weight.shape != given.kernel.shape:
                shapes = tuple(layer.weight.shape), given.kernel.shape
                raise DataError(f"weights of layer {number} are {shapes[1]}: the module's are {shapes[0]}")
            layer.weight.copy_(torch.from_numpy(given.kernel))
            layer.bias.copy_(torch.from_numpy(given.bias))


def _array(parameter: Tensor | None) -> NDArray[Any]:
    if parameter is None:
        raise DataError("a layer without bias: this description has none")
    array: NDArray[Any] = parameter.detach().cpu().numpy().copy()
    return array


def _weighted(module: nn.Module) -> list[nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear]:
    return [m for m in module.modules() if isinstance(m, _WEIGHTED)]


def _module(layer: Layer, dimensions: int) -> nn.Module:
    match layer:
        case Convolution():
            of_dimensions = _CONVOLUTIONS[dimensions]
            return of_dimensions(layer.channels_in, layer.channels_out, layer.kernel, padding="same")
        case Dense():
            return nn.Linear(layer.channels_in, layer.channels_out)
        case LeakyReLU():
            # In place: backward needs only the sign, which the output keeps, so the input's memory is saved.
            return nn.LeakyReLU(layer.slope, inplace=True)
        case MaxPool():
            return _POOLS[dimensions](layer.size)
        case Dropout():
            return nn.Dropout(layer.probability)
        case Flatten():
            return FlattenVoxels() if layer.channels_last else nn.Flatten()
        case Tanh():
            return ScaledTanh(layer.scale)
