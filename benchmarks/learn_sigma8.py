"""Does CosmoFlow learn from our universes? Trains it for some minutes and tests it on universes it has never seen.

    python benchmarks/learn_sigma8.py [--universes 512] [--epochs 60] [--out FILE]

A network that only guesses the middle of every label's range is off by 0.5 on average (labels are uniform in [-1, 1]).
The amplitude sigma8 must come out clearly better, or data, network and optimiser do not fit together. The other
labels are reported as they come: in a box this small they are hard to tell apart.

Network, initialisation, loss and optimiser are the application's own. Unlike the reference, so that it ends within
minutes on two cores: edge 32 and width 0.25; batches of 4 at a peak learning rate of 0.01 (the reference's rule would
give 0.00006), which goes down in one cosine; and at every step a random symmetry of the periodic cube (shifts,
mirrors, swapped axes).

Prints one line of JSON at the end; the one kept is results/learn_sigma8.json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from apps.cosmoflow.architecture import describe
from apps.cosmoflow.dataset import VALIDATION_FRACTION
from apps.cosmoflow.model import CosmoFlow, make, volumes_of
from apps.cosmoflow.optimizer import KerasSGD
from augment.data.cosmology import LABEL_NAMES
from augment.data.make import make as make_universes
from augment.data.recipe import Recipe
from augment.data.store import UniverseFile, split

BATCH = 4
PEAK_LR = 0.01
WARMUP = 0.1  # of all steps


def learning_rate(progress: float) -> float:
    """Up in a line, down in a cosine; progress from 0 to 1."""
    if progress < WARMUP:
        return PEAK_LR * (0.1 + 0.9 * progress / WARMUP)
    return PEAK_LR * (0.001 + 0.5 * (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP))))


def symmetric(counts: Tensor, rng: np.random.Generator) -> Tensor:
    """The same universes seen otherwise: counts (B, E, E, E, R) shifted, mirrored and with axes swapped."""
    edge = counts.shape[1]
    axes = (1, 2, 3)
    counts = counts.roll([int(shift) for shift in rng.integers(0, edge, 3)], axes)
    counts = counts.flip([axis for axis in axes if rng.integers(2)])
    return counts.permute(0, *(1 + int(axis) for axis in rng.permutation(3)), 4).contiguous()


def train(net: CosmoFlow, counts: Tensor, labels: Tensor, epochs: int) -> list[float]:
    """The mean loss of every epoch."""
    rng = np.random.default_rng(1)
    optimizer = KerasSGD(net.parameters(), learning_rate(0))
    steps = len(counts) // BATCH
    losses = []
    for epoch in range(epochs):
        order = torch.from_numpy(rng.permutation(len(counts)))
        total = 0.0
        for step in range(steps):
            optimizer.set_lr(learning_rate((epoch + step / steps) / epochs))
            batch = order[step * BATCH : (step + 1) * BATCH]
            loss = nn.functional.mse_loss(net(volumes_of(symmetric(counts[batch], rng))), labels[batch])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            total += loss.item()
        losses.append(total / steps)
        print(f"epoch {epoch + 1} of {epochs}: loss {losses[-1]:.4f}", file=sys.stderr, flush=True)
    return losses


def predict(net: CosmoFlow, counts: Tensor) -> Tensor:
    """Labels (n, 4) without dropout."""
    net.eval()
    with torch.no_grad():
        return torch.cat([net(volumes_of(part)) for part in counts.split(BATCH)])


def mean_absolute_errors(predictions: Tensor, labels: Tensor) -> dict[str, float]:
    return {
        name: round(float(error), 4)
        for name, error in zip(LABEL_NAMES, (predictions - labels).abs().mean(0), strict=True)
    }


def machine() -> dict[str, Any]:
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return {
        "cpu": model.partition(":")[2].strip() or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--universes", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--box-mpc-h", type=float, default=128.0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--file", type=Path, help="keep the universes here, or take them from here")
    parser.add_argument("--out", type=Path, help="also write the line of JSON here")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(1)
    recipe = Recipe(universes=given.universes, edge=32, box_mpc_h=given.box_mpc_h)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        path = make_universes(recipe, given.file or Path(folder) / "universes.h5")
        made_s = time.perf_counter() - begin
        with UniverseFile(path) as file:
            trained, unseen = split(file.universe, VALIDATION_FRACTION)
            counts, labels = torch.from_numpy(file.read(range(file.samples))), torch.from_numpy(file.labels)
    net = make(describe(recipe.edge, given.width), seed=1)
    begin = time.perf_counter()
    losses = train(net, counts[trained], labels[trained], given.epochs)
    trained_s = time.perf_counter() - begin
    constant = labels[trained].median(0).values.expand(len(unseen), -1)
    result = {
        "benchmark": "learn_sigma8",
        "machine": machine(),
        "recipe": {"universes": recipe.universes, "edge": recipe.edge, "box_mpc_h": recipe.box_mpc_h},
        "width": given.width,
        "epochs": given.epochs,
        "batch": BATCH,
        "peak_lr": PEAK_LR,
        "making_s": round(made_s, 1),
        "training_s": round(trained_s, 1),
        "loss_first_epoch": round(losses[0], 4),
        "loss_last_epoch": round(losses[-1], 4),
        "unseen_universes": len(unseen),
        "mae_unseen": mean_absolute_errors(predict(net, counts[unseen]), labels[unseen]),
        "mae_trained": mean_absolute_errors(predict(net, counts[trained]), labels[trained]),
        "mae_unseen_of_a_constant": mean_absolute_errors(constant, labels[unseen]),
    }
    line = json.dumps(result)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(line + "\n", encoding="utf-8")
    print(line)


if __name__ == "__main__":
    main()
