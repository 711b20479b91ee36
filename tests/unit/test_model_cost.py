"""The closed form of a network's cost, against torch's own counts and counts by hand."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from torch.utils.flop_counter import FlopCounterMode

from augment.model import cost
from augment.model.network import Convolution, Dense, Flatten, LeakyReLU, MaxPool, Network
from augment.model.torch_weights import module_of
from tests.unit.test_grow_model import networks

BATCH = 2
LEAKY = LeakyReLU(0.3)
BY_HAND = Network(1, 4, (Convolution(1, 2), LEAKY, MaxPool(), Flatten(), Dense(16, 3)))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(networks())
def test_flops_and_parameters_are_torchs(network: Network) -> None:
    module = module_of(network).to("meta")
    x = torch.zeros(BATCH, network.channels, *(network.edge,) * network.dimensions, device="meta")
    with FlopCounterMode(display=False) as counter:
        loss = module(x).sum()
        assert counter.get_total_flops() == BATCH * cost.forward_flop(network)
        loss.backward()
    assert counter.get_total_flops() == BATCH * cost.training_flop(network)
    assert sum(p.numel() for p in module.parameters()) == cost.parameters(network)


def test_traffic_by_hand() -> None:
    convolution, pool, dense = cost.by_layer(BY_HAND, batch=2, number_bytes=2)
    x, y, w = 2 * 2 * 64, 2 * 2 * 2 * 64, 2 * 2 * (27 + 1)
    assert convolution.forward_bytes == x + w + y
    assert convolution.training_bytes == (x + w + y) + (x + w + 2 * y + w)  # no gradient of the input, one sign
    pooled, index = 2 * 2 * 2 * 8, 2 * 8 * 2 * 8
    assert (pool.forward_bytes, pool.training_bytes) == (y + pooled + index, 2 * (y + pooled + index))
    x, y, w = 2 * 2 * 16, 2 * 2 * 3, 2 * 3 * 17
    assert dense.training_bytes == (x + w + y) + (x + w + y + w + x)
    assert cost.training_bytes(BY_HAND, 2, 2) == 20 * (56 + 51) + sum(
        layer.training_bytes for layer in (convolution, pool, dense)
    )


def test_a_batch_moves_its_volumes_and_the_weights_once() -> None:
    one, two, three = (cost.training_bytes(BY_HAND, batch) for batch in (1, 2, 3))
    assert three - two == two - one > 0
    assert one > three - two


def test_layers_have_names_and_shapes() -> None:
    assert [layer.name for layer in cost.by_layer(BY_HAND)] == ["convolution 3", "pool 2", "dense"]
    assert [layer.after.edge for layer in cost.by_layer(BY_HAND)] == [4, 2, 1]
