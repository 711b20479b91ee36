"""The peak of a training step, against what autograd keeps and by hand; test_cosmoflow_cost has whole steps."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings

from augment.model.memory import tensors_up_to, training_peak_bytes
from augment.model.memory_steps import CUDA, block_bytes, steps
from augment.model.network import Convolution, Dense, Flatten, LeakyReLU, MaxPool, Network
from augment.model.torch_weights import module_of
from tests.unit.test_grow_model import networks

LEAKY = LeakyReLU(0.3)


def kept_for_backward(network: Network, batch: int, number_bytes: int = 4) -> int:
    """Bytes of the distinct memories that autograd saves in a forward pass, float32 weights apart."""
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
    lower = torch.autocast("cpu", torch.bfloat16, enabled=number_bytes == 2)
    with lower, torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module(x)
    return sum(saved.values())


@pytest.mark.parametrize("number_bytes", [4, 2])
@settings(max_examples=25, deadline=None, derandomize=True)
@given(network=networks())
def test_never_less_than_what_autograd_keeps_on_a_cpu(number_bytes: int, network: Network) -> None:
    held = sum(p.numel() for p in module_of(network).parameters()) * 8
    kept = kept_for_backward(network, 3, number_bytes)
    assert training_peak_bytes(network, 3, number_bytes, device="cpu") >= held + kept * 0.99


def blocks(*sizes: int) -> int:
    """What a GPU's allocator takes for these tensors, at most."""
    return sum(block_bytes(size, CUDA) for size in sizes)


def test_blocks_of_a_gpu() -> None:
    """512 bytes at least, and beyond 1 MiB up to 1 MiB is left with a tensor."""
    mebibyte = 2**20
    assert [block_bytes(size, CUDA) for size in (0, 1, 512, 513, mebibyte)] == [0, 512, 512, 1024, mebibyte]
    assert block_bytes(mebibyte + 1, CUDA) == 2 * mebibyte + 512
    assert block_bytes(mebibyte + 1, "cpu") == mebibyte + 1


def test_by_hand() -> None:
    """One convolution whose activations outweigh all else: its output three times, at the LeakyReLU on the way back.

    Or, if more, where the gradient of its weights is computed from float32 copies of its input and output's gradient.
    """
    network = Network(1, 32, (Convolution(1, 16), LEAKY, MaxPool(), Flatten(), Dense(16 * 16**3, 2)))
    volume, y = 4 * 32**3, 4 * 16 * 32**3
    convolution, dense = 4 * 16 * 28, 4 * 2 * (16 * 16**3 + 1)
    held = 2 * blocks(convolution, dense) + blocks(dense)  # with the dense layer's gradient
    at_leaky = blocks(volume, y, y, y)
    at_weights = blocks(volume, y, convolution, volume + y)
    assert training_peak_bytes(network, 1) == held + max(at_leaky, at_weights)


def test_what_a_gpu_takes_of_a_convolution_in_16_bit() -> None:
    """Four channels are padded to eight; the gradient of the weights takes float32 copies of what it reads."""
    network = Network(4, 32, (Convolution(4, 8), LEAKY, MaxPool(), Flatten(), Dense(8 * 16**3, 2)))
    volume, numbers = 2 * 4 * 32**3, 8 * 32**3
    convolution, dense = 8 * (4 * 27 + 1), 2 * (8 * 16**3 + 1)
    held = 2 * blocks(4 * convolution, 4 * dense) + blocks(4 * dense)
    at_weights = blocks(volume, 2 * numbers, 2 * convolution, 2 * convolution, 4 * (4 * 32**3 + numbers))
    assert training_peak_bytes(network, 1, 2) == held + at_weights
    deep = Network(4, 32, (Convolution(4, 8), LEAKY, Convolution(8, 8), LEAKY, MaxPool(), Flatten(), Dense(32768, 2)))
    padded, not_padded = (step.scratch_bytes for step in steps(deep, 3, 2, CUDA) if isinstance(step.layer, Convolution))
    assert (padded, not_padded) == (3 * 2 * 8 * 32**3, 0)


def test_all_small_tensors_together() -> None:
    network = Network(1, 32, (Convolution(1, 16), LEAKY, MaxPool(), Flatten(), Dense(16 * 16**3, 2)))
    everything = tensors_up_to(2**40, network, 1, device="cpu")
    y = 4 * 16 * 32**3
    assert tensors_up_to(y - 1, network, 1, device="cpu") <= everything - 3 * y
    assert everything > training_peak_bytes(network, 1, device="cpu") - 12 * (16 * 28 + 2 * (16 * 16**3 + 1))


def test_pools_of_a_cpu_by_hand() -> None:
    """In lower precision the pool's input is there twice, in float32 too, and its gradient is float32."""
    network = Network(1, 32, (Convolution(1, 16), LEAKY, MaxPool(), Flatten(), Dense(16 * 16**3, 2)))
    voxels, numbers = 32**3, 16 * 32**3
    convolution, dense = 16 * 28, 2 * (16 * 16**3 + 1)
    weights = (
        8 * (convolution + dense) + 2 * convolution + 4 * dense
    )  # momentum too, the copy in use, the gradient made
    at_pool = 2 * voxels + (2 + 4) * numbers + numbers // 8 * (8 + 4) + 4 * numbers
    assert training_peak_bytes(network, 2, 2, device="cpu") == weights + 2 * at_pool


def test_torchs_own_convolution_by_hand() -> None:
    """One sample with few channels: 27 numbers a voxel while the convolution runs, and copies to its layout."""
    network = Network(1, 32, (Convolution(1, 4), LEAKY, MaxPool(), Flatten(), Dense(4 * 16**3, 2)))
    voxels, convolution, dense = 32**3, 4 * 28, 2 * (4 * 16**3 + 1)
    weights = 12 * (convolution + dense)  # with the gradients
    at_convolution = 4 * voxels + 4 * 4 * voxels + 4 * (27 + 1) * voxels + 4 * convolution
    assert training_peak_bytes(network, 1, device="cpu") == weights + at_convolution
    assert training_peak_bytes(network, 2, device="cpu") < training_peak_bytes(network, 1, device="cpu")


def test_gradients_in_buckets() -> None:
    """Buckets hold them from the beginning; a layer's own goes as soon as it is copied."""
    network = Network(1, 4, (Flatten(), Dense(64, 512), LEAKY, Dense(512, 4)))
    first, last = 64 * 512 + 512, 512 * 4 + 4
    alone, buckets = (training_peak_bytes(network, 1, device="cpu", in_buckets=each) for each in (False, True))
    assert buckets - alone == 4 * first  # the first layer's own, beside the buckets
    assert alone == 12 * (first + last) + 4 * (64 + 512)


def test_input_and_lower_precision_are_told() -> None:
    network = Network(1, 8, (Convolution(1, 2), LEAKY, MaxPool(), Flatten(), Dense(128, 2)))
    assert training_peak_bytes(network, 1, held_bytes=1000) == training_peak_bytes(network, 1) + 1000
    wide = Network(8, 32, (Convolution(8, 16), LEAKY, MaxPool(), Flatten(), Dense(16 * 16**3, 2)))
    assert training_peak_bytes(wide, 64, 2) < training_peak_bytes(wide, 64, 4)
