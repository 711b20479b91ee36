"""The network, its optimiser and its learning rate, against hand-made references."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from apps.cosmoflow.network.architecture import blocks, describe
from apps.cosmoflow.network.module import make, volumes_of
from apps.cosmoflow.training.optimizer import KerasSGD, learning_rate


@pytest.mark.parametrize(
    ("edge", "depth", "shapes"),
    [
        (16, 1, [(16, 8), (32, 4)]),
        (24, 2, [(16, 12), (32, 6)]),
        (48, 1, [(16, 24), (32, 12), (64, 6)]),
    ],
)
def test_shapes(edge: int, depth: int, shapes: list[tuple[int, int]]) -> None:
    """Channels and edge after each block."""
    net = make(describe(edge, 0.5, depth), seed=1)
    volumes = volumes_of(torch.ones(2, edge, edge, edge, 4, dtype=torch.int16))
    for block, (channels, after) in zip(net.blocks, shapes, strict=True):
        volumes = block(volumes)
        assert volumes.shape == (2, channels, after, after, after)
        assert volumes.is_contiguous(memory_format=torch.channels_last_3d)
        assert sum(isinstance(layer, nn.Conv3d) for layer in block) == depth


def test_channels_stop_at_sixteen_times_the_first_block() -> None:
    filters = [block[0].channels_out for block in blocks(describe(512, 0.5))]
    assert filters == [16, 32, 64, 128, 256, 256, 256]


def test_forward_is_the_written_network() -> None:
    """Layer by layer, written out with torch's functions, in Keras's order of flattening."""
    net = make(describe(16, 1 / 16), seed=3).double().eval()
    counts = torch.randint(0, 5, (2, 16, 16, 16, 4), dtype=torch.int16)
    x = torch.log(1 + counts.double()).permute(0, 4, 1, 2, 3)
    f = nn.functional
    for block in net.blocks:
        x = f.max_pool3d(f.leaky_relu(f.conv3d(x, block[0].weight, block[0].bias, padding=1), 0.3), 2)
    x = x.permute(0, 2, 3, 4, 1).reshape(2, -1)
    dense = [layer for layer in net.head if isinstance(layer, nn.Linear)]
    for layer in dense[:2]:
        x = f.leaky_relu(x @ layer.weight.T + layer.bias, 0.3)
    expected = 1.2 * torch.tanh(x @ dense[2].weight.T + dense[2].bias)
    torch.testing.assert_close(net(volumes_of(counts).double()), expected, rtol=0, atol=1e-6)
    assert [layer.p for layer in net.head if isinstance(layer, nn.Dropout)] == [0.5, 0.5]


def test_volumes_are_channels_last_without_a_copy_of_the_layout() -> None:
    counts = torch.randint(0, 9, (2, 8, 8, 8, 4), dtype=torch.int16)
    volumes = volumes_of(counts)
    assert volumes.shape == (2, 4, 8, 8, 8)
    assert volumes.dtype == torch.float32
    assert volumes.is_contiguous(memory_format=torch.channels_last_3d)
    assert volumes[1, 2, 3, 4, 5].item() == pytest.approx(math.log1p(counts[1, 3, 4, 5, 2].item()))


def test_initialisation_is_kerass() -> None:
    """Glorot uniform within its bound and filling it, zero biases; the seed decides all."""
    net = make(describe(32, 1.0), seed=7)
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv3d | nn.Linear)]
    for layer in layers:
        if isinstance(layer, nn.Conv3d):
            fans = 27 * (layer.in_channels + layer.out_channels)
        else:
            fans = layer.in_features + layer.out_features
        bound = math.sqrt(6 / fans)
        largest = layer.weight.detach().abs().max().item()
        assert 0.97 * bound < largest <= bound
        spread = layer.weight.detach().std().item()
        assert spread == pytest.approx(bound / math.sqrt(3), rel=0.1)
        assert layer.bias.detach().count_nonzero() == 0
    same, other = make(describe(32, 1.0), seed=7), make(describe(32, 1.0), seed=8)
    assert torch.equal(net.head[1].weight, same.head[1].weight)
    assert not torch.equal(net.head[1].weight, other.head[1].weight)


def test_sgd_is_kerass_while_the_rate_changes() -> None:
    """m = 0.9 m + lr g; p = p - m, by hand."""
    parameter = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = KerasSGD([parameter], lr=0.1)
    expected, velocity = [1.0, -2.0], [0.0, 0.0]
    rates = (0.1, 0.1, 0.02, 0.5, 0.005, 1.0)
    gradients = ((1, 2), (-1, 3), (0.5, 0), (2, 2), (0, 0), (1, 1))
    for lr, gradient in zip(rates, gradients, strict=True):
        optimizer.set_lr(lr)
        parameter.grad = torch.tensor(gradient, dtype=torch.float32)
        optimizer.step()
        velocity = [0.9 * m + lr * g for m, g in zip(velocity, gradient, strict=True)]
        expected = [p - m for p, m in zip(expected, velocity, strict=True)]
        torch.testing.assert_close(parameter.detach(), torch.tensor(expected), rtol=1e-6, atol=1e-7)


def test_sgd_survives_a_first_step_that_the_loss_scaler_skips() -> None:
    parameter = nn.Parameter(torch.tensor([1.0]))
    optimizer = KerasSGD([parameter], lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    for gradient in (math.inf, 1.0):
        scaler.scale(parameter.sum() * gradient).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    assert parameter.item() == pytest.approx(1 - 0.1)


def test_sgd_refuses_a_rate_that_would_lose_its_velocity() -> None:
    optimizer = KerasSGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    with pytest.raises(ValueError, match="must be above 0"):
        optimizer.set_lr(0.0)


@pytest.mark.parametrize(
    ("epoch", "global_batch", "rate"),
    [
        (0, 64, 0.001),
        (3, 64, 0.001),
        (0, 512, 0.001),
        (1, 512, 0.001 + 0.007 / 4),
        (3, 512, 0.001 + 0.007 * 3 / 4),
        (4, 512, 0.008),
        (31, 512, 0.008),
        (32, 512, 0.002),
        (63, 512, 0.002),
        (64, 512, 0.001),
        (500, 512, 0.001),
        (0, 16, 0.001),
        (2, 16, 0.000625),
        (4, 16, 0.00025),
    ],
)
def test_learning_rate(epoch: int, global_batch: int, rate: float) -> None:
    assert learning_rate(epoch, global_batch) == pytest.approx(rate)
