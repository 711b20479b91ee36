"""What does a larger problem buy? The error on unseen universes against edge and width, with what training cost.

    python -m benchmarks.science_per_cost [--device cuda] [--edges 32 64 128] [--widths 0.25 0.5 1] [--out FILE]

Every size is trained in the same way on the same universes (one box in finer cells): as often through them, with the
same batch, learning rate and symmetries, once for each seed. FLOPs are the algorithm's; joules are the GPU board's,
by the driver's counter. Prints a line a size, and one of JSON at the end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from apps.cosmoflow.architecture import describe
from apps.cosmoflow.model import make
from apps.cosmoflow.optimizer import KerasSGD
from augment.data.recipe import Recipe
from augment.model.cost import parameters, training_flop
from benchmarks import learning


def study(data: learning.Universes, edge: int, width: float, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """One training: errors on unseen universes, and what it cost."""
    torch.manual_seed(seed)
    network = describe(edge, width)
    net = make(network, seed).to(given.device)
    rate = lambda epoch: learning.learning_rate(given.peak_lr, epoch / given.epochs)  # noqa: E731
    optimizer = KerasSGD(net.parameters(), rate(0))
    with learning.spending(given.device) as spent:
        losses = learning.train(net, optimizer, data, range(given.epochs), rate, given.batch, seed)
    samples = given.epochs * (len(data.counts) // given.batch) * given.batch
    errors = learning.mean_absolute_errors(learning.predict(net, data.unseen_counts, given.batch), data.unseen_labels)
    return {
        "edge": edge,
        "width": width,
        "seed": seed,
        "parameters": parameters(network),
        "flop": samples * training_flop(network),
        "seconds": round(spent.seconds, 2),
        "joules": None if spent.joules is None else round(spent.joules, 1),
        "loss_last_epoch": round(losses[-1], 4),
        "mae_unseen": errors,
    }


def told(rows: list[dict[str, Any]]) -> str:
    """The trainings of one size in a line."""
    first = rows[0]
    errors = {name: [row["mae_unseen"][name] for row in rows] for name in ("sigma8", "omega_m")}
    words = ", ".join(f"{name} {statistics.mean(x):.3f} ({min(x):.3f} to {max(x):.3f})" for name, x in errors.items())
    seconds = statistics.mean(row["seconds"] for row in rows)
    return f"edge {first['edge']} width {first['width']:g}: {words}; {first['flop']:.3g} FLOP, {seconds:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--edges", type=int, nargs="+", default=[32])
    parser.add_argument("--widths", type=float, nargs="+", default=[0.125, 0.25, 0.5])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--universes", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--peak-lr", type=float, default=0.01)
    parser.add_argument("--folder", type=Path, help="keep the universes here, or take them from here")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    given = parser.parse_args()
    recipe = Recipe(universes=given.universes, edge=32, box_mpc_h=128.0)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        for edge in given.edges:
            data = learning.universes(recipe.at(edge), (given.folder or Path(temporary)) / f"edge{edge}", given.device)
            for width in given.widths:
                same = [study(data, edge, width, seed, given) for seed in given.seeds]
                rows += same
                print(told(same), file=sys.stderr, flush=True)
                _write(given, rows, data)
    print(json.dumps(_result(given, rows, data)))


def _result(given: argparse.Namespace, rows: list[dict[str, Any]], data: learning.Universes) -> dict[str, Any]:
    kept = ("universes", "epochs", "batch", "peak_lr")
    return {
        "benchmark": "science_per_cost",
        "machine": learning.machine(given.device),
        **{name: getattr(given, name) for name in kept},
        "unseen_universes": len(data.unseen_labels),
        "mae_unseen_of_a_constant": learning.of_a_constant(data),
        "trainings": rows,
    }


def _write(given: argparse.Namespace, rows: list[dict[str, Any]], data: learning.Universes) -> None:
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(_result(given, rows, data), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
