"""The peak of a training step, against what autograd really keeps and against peaks measured on GPUs."""

from __future__ import annotations

import torch
from hypothesis import given, settings

from augment.model.memory import training_peak_bytes
from augment.model.network import Convolution, Dense, Flatten, LeakyReLU, MaxPool, Network
from augment.model.torch_weights import module_of
from tests.unit.test_grow_model import networks

LEAKY = LeakyReLU(0.3)


def kept_for_backward(network: Network, batch: int) -> int:
    """Bytes of the distinct memories that autograd saves in a forward pass, weights apart."""
    module = module_of(network).train()
    weights = {p.untyped_storage().data_ptr() for p in module.parameters()}
    saved: dict[int, int] = {}
    tensors = []  # keeps them alive, so that no address is used twice

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            saved[storage.data_ptr()] = storage.nbytes()
            tensors.append(tensor)
        return tensor

    x = torch.ones(batch, network.channels, *(network.edge,) * network.dimensions)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module(x)
    return sum(saved.values())


@settings(max_examples=25, deadline=None, derandomize=True)
@given(networks())
def test_never_less_than_what_autograd_keeps(network: Network) -> None:
    held = sum(p.numel() for p in module_of(network).parameters()) * 8
    assert training_peak_bytes(network, 3) >= held + kept_for_backward(network, 3) * 0.99


def test_by_hand() -> None:
    """One convolution whose activations outweigh all else: its output three times, at the LeakyReLU on the way back."""
    network = Network(1, 32, (Convolution(1, 16), LEAKY, MaxPool(), Flatten(), Dense(16 * 16**3, 2)))
    volume, y = 4 * 32**3, 4 * 16 * 32**3
    parameters = 16 * 28 + 2 * (16 * 16**3 + 1)
    pooled = y // 8
    dense_gradient = 4 * parameters - 4 * 16 * 28
    # At the pool's node the gradients and the indices (8 bytes) are still there; at the LeakyReLU there are 3 Y.
    at_pool = volume + 2 * y + pooled + 2 * pooled
    at_leaky = volume + 3 * y
    assert training_peak_bytes(network, 1) == 8 * parameters + dense_gradient + max(at_pool, at_leaky)


def test_input_and_lower_precision_are_told() -> None:
    network = Network(1, 8, (Convolution(1, 2), LEAKY, MaxPool(), Flatten(), Dense(128, 2)))
    assert training_peak_bytes(network, 1, held_bytes=1000) == training_peak_bytes(network, 1) + 1000
    assert training_peak_bytes(network, 64, 2) < training_peak_bytes(network, 64, 4)
