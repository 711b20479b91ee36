"""The network in torch, from its torch-free description.

Volumes are float32 (B, R, E, E, E) in memory format channels_last_3d, which is the layout of the counts in the file: R
redshifts of a voxel are adjacent, as in TensorFlow. Torch's default layout is several times slower here, on CPUs most
of all.

Initialisation as in Keras, whose defaults the reference uses: kernels uniform within sqrt(6 / (fan_in + fan_out))
(Glorot & Bengio 2010, AISTATS 9, 249), biases zero.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from apps.cosmoflow.network.architecture import blocks
from augment.model.network import Network
from augment.model.torch_weights import modules_of


class CosmoFlow(nn.Module):
    """Volumes (B, R, E, E, E) -> labels (B, 4), each within +-1.2."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        parts = blocks(network)
        self.blocks = nn.Sequential(*(modules_of(block, network.dimensions) for block in parts))
        self.head = modules_of(network.layers[sum(map(len, parts)) :], network.dimensions)

    def forward(self, volumes: Tensor) -> Tensor:
        """Return the predicted labels (B, 4)."""
        prediction: Tensor = self.head(self.blocks(volumes))
        return prediction


def make(network: Network, seed: int, device: torch.device | str = "cpu") -> CosmoFlow:
    """Return a network on `device`, initialised there by `seed` alone: the same on every rank of one kind of device."""
    with torch.device("meta"):  # without memory and without torch's own initialisation, which takes minutes when large
        model = CosmoFlow(network)
    model = model.to_empty(device=device)
    generator = torch.Generator(device).manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.Conv3d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]


def volumes_of(counts: Tensor) -> Tensor:
    """Return log1p of counts int16 (B, E, E, E, R), as float32 (B, R, E, E, E) in channels_last_3d."""
    return counts.to(torch.float32).log1p_().permute(0, 4, 1, 2, 3)
