"""What does a larger problem buy? The error on unseen universes against edge and width, with what training cost.

    python -m benchmarks.science_per_cost [--device cuda] [--edges 16 32] [--widths 0.125 0.25] [--out FILE]

Universes are simulated at one edge, and the smaller ones see the same particles in wider voxels. Every size is
trained in the same way: as often through the universes, with the same batch, learning rate and symmetries, once for
each seed; the cheapest size comes first. Beside them what power spectra alone tell of the same unseen universes, and
what a constant does. FLOPs are the algorithm's; joules are the GPU board's, by the driver's counter. Prints a line a
size, and one of JSON at the end; --out has all trainings done so far, also where the minutes end first.
"""

from __future__ import annotations

import argparse
import statistics

import torch

from apps.cosmoflow.network.architecture import describe
from apps.cosmoflow.training.optimizer import KerasSGD
from augment.model.cost import parameters, training_flop
from benchmarks import learning
from benchmarks.learning_sets import Universes
from benchmarks.learning_study import Row, Study, parser, tell
from benchmarks.spending import Deadline, spending


def study(data: Universes, width: float, seed: int, given: argparse.Namespace, deadline: Deadline) -> Row:
    """One training: errors on unseen universes, and what it cost. Raises OutOfTime."""
    torch.manual_seed(seed)
    network = describe(data.edge, width)
    net = learning.network_of(network, seed, given.dropout, given.device)

    def rate(epoch: float) -> float:
        return learning.learning_rate(given.peak_lr, epoch / given.epochs)

    optimizer = KerasSGD(net.parameters(), rate(0))
    learning.warm_up(net, data, given.batch)
    with spending(given.device) as spent:
        losses = learning.train(net, optimizer, data, range(given.epochs), rate, given.batch, seed, deadline.check)
    return {
        "edge": data.edge,
        "width": width,
        "seed": seed,
        "parameters": parameters(network),
        "flop": given.epochs * learning.samples_an_epoch(data, given.batch) * training_flop(network),
        **spent.figures(),
        "loss_last_epoch": round(losses[-1], 4),
        "mae_unseen": learning.errors_unseen(net, data, given.batch),
    }


def told(rows: list[Row]) -> str:
    """The trainings of one size in a line."""
    first = rows[0]
    errors = {name: [row["mae_unseen"][name] for row in rows] for name in ("sigma8", "omega_m")}
    words = ", ".join(f"{name} {statistics.mean(x):.3f} ({min(x):.3f} to {max(x):.3f})" for name, x in errors.items())
    seconds = statistics.mean(row["seconds"] for row in rows)
    return f"edge {first['edge']} width {first['width']:g}: {words}; {first['flop']:.3g} FLOP, {seconds:.0f} s"


def sizes(given: argparse.Namespace) -> list[tuple[int, float]]:
    """Edges and widths, the cheapest training first."""
    pairs = [(edge, width) for edge in given.edges for width in given.widths]
    return sorted(pairs, key=lambda pair: training_flop(describe(*pair)))


def run(found: Study) -> None:
    """All trainings, the cheapest size first. Raises OutOfTime."""
    given = found.given
    by_edge = found.universes(given.edges)
    for edge, width in sizes(given):
        tell(told([found.keep(study(by_edge[edge], width, seed, given, found.deadline)) for seed in given.seeds]))


def main() -> None:
    asked = parser(__doc__, epochs=40)
    asked.add_argument("--edges", type=int, nargs="+", default=[16, 32])
    asked.add_argument("--widths", type=float, nargs="+", default=[0.125, 0.25])
    given = asked.parse_args()
    Study("science_per_cost", given).run(run)


if __name__ == "__main__":
    main()
