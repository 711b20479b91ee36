"""What the studies of learning share: universes on the device, training with symmetries, errors on unseen universes.

Network, initialisation, loss and optimiser are the application's own. Unlike the reference: a peak learning rate of
its own that goes up in a line and down in a cosine, and at every step a random symmetry of the periodic cube (shifts,
mirrors, swapped axes).
"""

from __future__ import annotations

import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from apps.cosmoflow.dataset import VALIDATION_FRACTION
from apps.cosmoflow.model import CosmoFlow, volumes_of
from apps.cosmoflow.optimizer import KerasSGD
from augment.data.making.make import make
from augment.data.recipe import Recipe
from augment.data.storage.reader import SampleReader
from augment.data.storage.store import split
from augment.data.universe.cosmology import LABEL_NAMES

WARMUP = 0.1  # of all steps


@dataclass(frozen=True)
class Universes:
    """Counts int16 (n, E, E, E, R) and labels (n, 4) on the device, of universes to train on and of unseen ones."""

    counts: Tensor
    labels: Tensor
    unseen_counts: Tensor
    unseen_labels: Tensor


def universes(recipe: Recipe, folder: Path, device: str) -> Universes:
    """The recipe's universes, made in `folder` unless they are there."""

    def progress(done: int, total: int) -> None:
        if done % 64 == 0 or done == total:
            print(f"edge {recipe.edge}: {done} of {total} universes", file=sys.stderr, flush=True)

    found = make(recipe, folder, device, progress=progress)
    train, unseen = split(found.universe, VALIDATION_FRACTION)
    reader = SampleReader(found)
    counts = np.empty((found.samples, *found.header.sample_shape), np.int16)
    for sample in range(found.samples):
        reader.read(sample, counts[sample])
    reader.close()
    labels = torch.from_numpy(found.labels)
    parts = [(torch.from_numpy(counts[side]).to(device), labels[side].to(device)) for side in (train, unseen)]
    return Universes(*parts[0], *parts[1])


def learning_rate(peak: float, progress: float) -> float:
    """Up in a line, down in a cosine; progress from 0 to 1."""
    if progress < WARMUP:
        return peak * (0.1 + 0.9 * progress / WARMUP)
    return peak * (0.001 + 0.5 * (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP))))


def symmetric(counts: Tensor, rng: np.random.Generator) -> Tensor:
    """The same universes seen otherwise: counts (B, E, E, E, R) shifted, mirrored and with axes swapped."""
    edge = counts.shape[1]
    axes = (1, 2, 3)
    counts = counts.roll([int(shift) for shift in rng.integers(0, edge, 3)], axes)
    counts = counts.flip([axis for axis in axes if rng.integers(2)])
    return counts.permute(0, *(1 + int(axis) for axis in rng.permutation(3)), 4).contiguous()


def train(
    net: CosmoFlow,
    optimizer: KerasSGD,
    data: Universes,
    epochs: range,
    rate: Callable[[float], float],
    batch: int,
    seed: int = 1,
    told: Callable[[int, float], None] = lambda epoch, loss: None,
) -> list[float]:
    """The mean loss of each of these epochs; rate(epoch, with its fraction) is the learning rate."""
    net.train()
    steps = len(data.counts) // batch
    losses = []
    for epoch in epochs:
        rng = np.random.default_rng([seed, epoch])
        order = torch.from_numpy(rng.permutation(len(data.counts))).to(data.counts.device)
        total = torch.zeros((), device=data.counts.device)
        for step in range(steps):
            optimizer.set_lr(rate(epoch + step / steps))
            chosen = order[step * batch : (step + 1) * batch]
            loss = nn.functional.mse_loss(net(volumes_of(symmetric(data.counts[chosen], rng))), data.labels[chosen])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            total += loss.detach()
        losses.append(float(total) / steps)
        told(epoch, losses[-1])
    return losses


def predict(net: CosmoFlow, counts: Tensor, batch: int) -> Tensor:
    """Labels (n, 4) without dropout."""
    net.eval()
    with torch.no_grad():
        return torch.cat([net(volumes_of(part)) for part in counts.split(batch)])


def mean_absolute_errors(predictions: Tensor, labels: Tensor) -> dict[str, float]:
    """By name of the label."""
    errors = (predictions - labels).abs().mean(0)
    return {name: round(float(error), 4) for name, error in zip(LABEL_NAMES, errors, strict=True)}


def of_a_constant(data: Universes) -> dict[str, float]:
    """Errors on unseen universes of the best constant: the median of what was seen."""
    return mean_absolute_errors(data.labels.median(0).values.expand_as(data.unseen_labels), data.unseen_labels)


class Spent:
    """Seconds and, where the GPU's driver counts them, joules of the whole board."""

    seconds = 0.0
    joules: float | None = None


@contextmanager
def spending(device: str) -> Iterator[Spent]:
    """What the work within takes; the device has finished at both ends."""
    counter, spent = _energy_counter(device), Spent()
    _synchronise(device)
    begin, begin_j = time.perf_counter(), counter()
    yield spent
    _synchronise(device)
    end_j = counter()
    spent.seconds = time.perf_counter() - begin
    spent.joules = None if begin_j is None or end_j is None else end_j - begin_j


def _synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def _energy_counter(device: str) -> Callable[[], float | None]:
    if not device.startswith("cuda"):
        return lambda: None
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(torch.device(device).index or 0)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:  # no package, no driver, a device without the counter: then it is not measured
        return lambda: None
    return lambda: float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000


def machine(device: str) -> dict[str, Any]:
    """What the figures belong to."""
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return {
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
        "cpu": cpu.partition(":")[2].strip() or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "tf32_convolutions": bool(torch.backends.cudnn.allow_tf32) and device.startswith("cuda"),
    }
