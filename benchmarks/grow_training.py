"""Does training go on through growth? Train, grow the network, train on; against not growing, and being large at once.

    python -m benchmarks.grow_training [--device cuda] [--edge 32] [--out FILE]

Three ways through the same number of epochs, for each seed:

    grown   small for the first half, then grown (function preserved), then large
    small   small throughout
    large   large from the start

All begin their optimiser anew at half time, so that this cannot make the difference.

The error on unseen universes just before and just after growth must be the same to rounding. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from apps.cosmoflow.architecture import describe
from apps.cosmoflow.model import CosmoFlow, make
from apps.cosmoflow.optimizer import KerasSGD
from augment.data.recipe import Recipe
from augment.model.cost import training_flop
from augment.model.grow import grow
from augment.model.network import Network
from augment.model.torch_weights import load_weights, weights_of
from benchmarks import learning


def grown(net: CosmoFlow, network: Network, target: Network, seed: int) -> CosmoFlow:
    """A larger network that is the same function."""
    weights = grow(network, target, weights_of(net, network), seed).weights
    assert weights is not None
    larger = make(target, seed).to(next(net.parameters()).device)
    load_weights(larger, weights)
    return larger


def study(way: str, data: learning.Universes, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """One way through all epochs: the error on unseen universes after each."""
    torch.manual_seed(seed)
    small = describe(given.edge, given.width, given.depth)
    large = describe(given.edge, given.to_width, given.to_depth)
    network = large if way == "large" else small
    net = make(network, seed).to(given.device)
    half = given.epochs // 2
    mae: list[float] = []
    rate = lambda epoch: learning.learning_rate(given.peak_lr, epoch / given.epochs)  # noqa: E731
    flop = 0
    jump = None
    with learning.spending(given.device) as spent:
        for part in (range(half), range(half, given.epochs)):
            if way == "grown" and part.start:
                before = sigma8(net, data, given.batch)
                net, network = grown(net, network, large, seed), large
                jump = sigma8(net, data, given.batch) - before
            optimizer = KerasSGD(net.parameters(), rate(part.start))  # anew at half time, whatever the way
            for epoch in part:
                learning.train(net, optimizer, data, range(epoch, epoch + 1), rate, given.batch, seed)
                mae.append(round(sigma8(net, data, given.batch), 4))
            flop += len(part) * (len(data.counts) // given.batch) * given.batch * training_flop(network)
    errors = learning.mean_absolute_errors(learning.predict(net, data.unseen_counts, given.batch), data.unseen_labels)
    print(f"{way} seed {seed}: sigma8 {errors['sigma8']}, {spent.seconds:.0f} s", file=sys.stderr, flush=True)
    return {
        "way": way,
        "seed": seed,
        "flop": flop,
        "seconds": round(spent.seconds, 2),
        "sigma8_mae_jump_at_growth": jump,
        "sigma8_mae_by_epoch": mae,
        "mae_unseen": errors,
    }


def sigma8(net: CosmoFlow, data: learning.Universes, batch: int) -> float:
    """Mean absolute error of sigma8's label on unseen universes."""
    found = learning.predict(net, data.unseen_counts, batch)[:, 1]
    return float((found - data.unseen_labels[:, 1]).abs().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--edge", type=int, default=32)
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--depth", type=int, default=1)
    parser.add_argument("--to-width", type=float, default=0.25)
    parser.add_argument("--to-depth", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--universes", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--peak-lr", type=float, default=0.01)
    parser.add_argument("--folder", type=Path, help="keep the universes here, or take them from here")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    given = parser.parse_args()
    recipe = Recipe(universes=given.universes, edge=32, box_mpc_h=128.0).at(given.edge)
    with tempfile.TemporaryDirectory() as temporary:
        data = learning.universes(recipe, (given.folder or Path(temporary)) / f"edge{given.edge}", given.device)
    rows = [study(way, data, seed, given) for seed in given.seeds for way in ("grown", "small", "large")]
    kept = ("edge", "width", "depth", "to_width", "to_depth", "universes", "epochs", "batch", "peak_lr")
    result = {
        "benchmark": "grow_training",
        "machine": learning.machine(given.device),
        **{name: getattr(given, name) for name in kept},
        "unseen_universes": len(data.unseen_labels),
        "mae_unseen_of_a_constant": learning.of_a_constant(data),
        "trainings": rows,
    }
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
