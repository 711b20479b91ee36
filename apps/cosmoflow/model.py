"""The network in torch, from its torch-free description.

Volumes are float32 (B, R, E, E, E) in memory format channels_last_3d, which is the layout of the counts in the file:
R redshifts of a voxel lie together, as TensorFlow has them too. Torch's default layout is several times slower here,
on CPUs most of all.

Initialisation as in Keras, whose defaults the reference uses: kernels uniform within sqrt(6 / (fan_in + fan_out))
(Glorot & Bengio 2010, AISTATS 9, 249), biases zero.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from apps.cosmoflow.architecture import DROPOUT, KERNEL, LEAKY_SLOPE, OUTPUT_SCALE, Architecture, Block


class CosmoFlow(nn.Module):
    """Volumes (B, R, E, E, E) -> labels (B, 4), each within +-1.2."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(_block(block) for block in architecture.blocks))
        first, second, last = (nn.Linear(dense.features_in, dense.features_out) for dense in architecture.dense)
        self.head = nn.Sequential(
            first, _leaky(), nn.Dropout(DROPOUT), second, _leaky(), nn.Dropout(DROPOUT), last, nn.Tanh()
        )

    def forward(self, volumes: Tensor) -> Tensor:
        """Predicted labels (B, 4)."""
        features = self.blocks(volumes)  # (B, C, e, e, e)
        # Flattened voxel by voxel, as Keras does it; in channels_last_3d this copies nothing.
        prediction: Tensor = self.head(features.permute(0, 2, 3, 4, 1).flatten(1))
        return OUTPUT_SCALE * prediction


def make(architecture: Architecture, seed: int) -> CosmoFlow:
    """A network on the CPU, initialised by `seed` alone: the same on every rank and for every device."""
    model = CosmoFlow(architecture)
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.Conv3d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]


def volumes_of(counts: Tensor) -> Tensor:
    """log1p of counts int16 (B, E, E, E, R), as float32 (B, R, E, E, E) in channels_last_3d."""
    return counts.to(torch.float32).log1p_().permute(0, 4, 1, 2, 3)


def _block(block: Block) -> nn.Sequential:
    layers: list[nn.Module] = []
    for c in block.convolutions:
        layers += [nn.Conv3d(c.channels_in, c.channels_out, KERNEL, padding="same"), _leaky()]
    return nn.Sequential(*layers, nn.MaxPool3d(2))


def _leaky() -> nn.LeakyReLU:
    # In place: backward needs only the sign, which the output keeps, so the input's memory is saved.
    return nn.LeakyReLU(LEAKY_SLOPE, inplace=True)
