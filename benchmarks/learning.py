"""What the studies of learning share: training with symmetries, and errors on unseen universes.

Network, initialisation, loss and optimiser are the application's own. Unlike the reference: a peak learning rate of
our own that goes up in a line and down in a cosine, at every step a random symmetry of the periodic cube (shifts,
mirrors, swapped axes), and, where asked for, inputs of mean 0 and variance 1 and another dropout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from apps.cosmoflow.network.module import CosmoFlow, make
from apps.cosmoflow.training.optimizer import KerasSGD
from augment.data.universe.cosmology import LABEL_NAMES
from augment.model.network import Network
from benchmarks.learning_sets import Universes

WARMUP = 0.1  # of all steps


def learning_rate(peak: float, progress: float) -> float:
    """Up in a line, down in a cosine; progress from 0 to 1."""
    if progress < WARMUP:
        return peak * (0.1 + 0.9 * progress / WARMUP)
    return peak * (0.001 + 0.5 * (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP))))


def symmetric(seen: Tensor, rng: np.random.Generator) -> Tensor:
    """The same universes seen otherwise: (B, E, E, E, R) shifted, mirrored and with axes swapped."""
    edge = seen.shape[1]
    axes = (1, 2, 3)
    seen = seen.roll([int(shift) for shift in rng.integers(0, edge, 3)], axes)
    seen = seen.flip([axis for axis in axes if rng.integers(2)])
    return seen.permute(0, *(1 + int(axis) for axis in rng.permutation(3)), 4).contiguous()


def channels_first(seen: Tensor) -> Tensor:
    """(B, E, E, E, R) as the network wants it, (B, R, E, E, E) in channels_last_3d, at no cost."""
    return seen.permute(0, 4, 1, 2, 3)


def network_of(network: Network, seed: int, dropout: float, device: str) -> CosmoFlow:
    """The application's network on the device, with another probability of dropout."""
    net = make(network, seed)
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = dropout
    return net.to(device)


def train(
    net: CosmoFlow,
    optimizer: KerasSGD,
    data: Universes,
    epochs: range,
    rate: Callable[[float], float],
    batch: int,
    seed: int,
    tick: Callable[[], None] = lambda: None,
) -> list[float]:
    """The mean loss of each of these epochs; rate(epoch, with its fraction) is the learning rate.

    tick is called before every step; what it raises ends training.
    """
    net.train()
    steps = len(data.counts) // batch
    losses = []
    for epoch in epochs:
        rng = np.random.default_rng([seed, epoch])
        order = torch.from_numpy(rng.permutation(len(data.counts))).to(data.counts.device)
        total = torch.zeros((), device=data.counts.device)
        for step in range(steps):
            tick()
            optimizer.set_lr(rate(epoch + step / steps))
            chosen = order[step * batch : (step + 1) * batch]
            seen = channels_first(symmetric(data.inputs[chosen], rng))
            loss = nn.functional.mse_loss(net(seen), data.labels[chosen])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            total += loss.detach()
        losses.append(float(total) / steps)
    return losses


def warm_up(net: CosmoFlow, data: Universes, batch: int) -> None:
    """Forward and backward once, so that what libraries do the first time is no part of what is timed after it."""
    some = slice(0, batch)
    loss = nn.functional.mse_loss(net(channels_first(data.inputs[some])), data.labels[some])
    loss.backward()  # type: ignore[no-untyped-call]
    net.zero_grad(set_to_none=True)


def samples_an_epoch(data: Universes, batch: int) -> int:
    """How many samples an epoch trains on: whole batches only."""
    return len(data.counts) // batch * batch


def predict(net: CosmoFlow, data: Universes, batch: int) -> Tensor:
    """Labels (n, 4) of the unseen universes, without dropout, in full single precision."""
    net.eval()
    with torch.no_grad(), _without_tf32():
        parts = data.unseen_inputs.split(batch)  # type: ignore[no-untyped-call]
        return torch.cat([net(channels_first(part)) for part in parts])


@contextmanager
def _without_tf32() -> Iterator[None]:
    # TF32 keeps 3 digits: growth would seem to change the function.
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def mean_absolute_errors(predictions: Tensor, labels: Tensor) -> dict[str, float]:
    """By name of the label."""
    errors = (predictions - labels).abs().mean(0)
    return {name: round(float(error), 4) for name, error in zip(LABEL_NAMES, errors, strict=True)}


def errors_unseen(net: CosmoFlow, data: Universes, batch: int) -> dict[str, float]:
    """Mean absolute errors on the unseen universes, by name of the label."""
    return mean_absolute_errors(predict(net, data, batch), data.unseen_labels)


def of_a_constant(data: Universes) -> dict[str, float]:
    """Errors on unseen universes of the best constant: the median of what was seen."""
    return mean_absolute_errors(data.labels.median(0).values.expand_as(data.unseen_labels), data.unseen_labels)
