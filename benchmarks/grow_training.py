"""Does training go on through growth? Train, grow the network, train on; against not growing, and being large at once.

    python -m benchmarks.grow_training [--device cuda] [--edge 32] [--to 0.5,1 0.25,2] [--minutes 3] [--out FILE]

The small network is of --width and depth 1, the larger ones of width,depth each. For each seed and larger network:

    grown         small for the first half of the epochs, then grown (function preserved), then large; once for each
                  of --rates-after, by which the learning rate is multiplied once grown
    small         small throughout                               (also: as many epochs as have grown's FLOPs)
    large         large from the start                           (also: as few epochs as have grown's FLOPs)

Each goes once up and down with the learning rate over its own epochs, and begins its optimiser anew at half time, so
that this cannot make the difference. The errors on unseen universes are taken after every epoch, and just before and
just after growth, where they must be the same to rounding. Prints a line a training, and one of JSON at the end; --out
has all trainings done so far, also where the minutes end first.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from apps.cosmoflow.network.architecture import describe
from apps.cosmoflow.network.module import CosmoFlow
from apps.cosmoflow.training.optimizer import KerasSGD
from augment.model.cost import parameters, training_flop
from augment.model.grow import grow
from augment.model.network import Network
from augment.model.torch_weights import load_weights, weights_of
from benchmarks import learning
from benchmarks.learning_sets import Universes
from benchmarks.learning_study import Row, Study, parser, tell
from benchmarks.spending import Deadline, spending


@dataclass(frozen=True)
class Way:
    """A way through so many epochs: with `first` for half of them (rounded down), with `second` for the others."""

    name: str
    target: str  # the larger network that it is compared at, "width,depth"
    first: Network
    second: Network
    epochs: int
    rate_after: float = 1.0  # times the learning rate, once grown

    @property
    def half(self) -> int:
        """The epoch before which the optimiser begins anew and the network grows, if it does."""
        return self.epochs // 2

    @property
    def flop_a_sample(self) -> int:
        """FLOPs of training once with one sample in every epoch."""
        return self.half * training_flop(self.first) + (self.epochs - self.half) * training_flop(self.second)


def ways(small: Network, larger: dict[str, Network], epochs: int, rates_after: Sequence[float]) -> Iterator[Way]:
    """What is compared: at equal epochs, and at FLOPs equal to growing's up to half an epoch."""
    yield Way("small", "", small, small, epochs)
    for name, large in larger.items():
        grown = Way("grown", name, small, large, epochs)
        for rate in rates_after:
            yield grown if rate == 1 else replace(grown, name=f"grown, rate x {rate:g}", rate_after=rate)
        yield Way("large", name, large, large, epochs)
        yield Way("small, equal FLOP", name, small, small, round(grown.flop_a_sample / training_flop(small)))
        yield Way("large, equal FLOP", name, large, large, round(grown.flop_a_sample / training_flop(large)))


def grown(net: CosmoFlow, network: Network, target: Network, seed: int, given: argparse.Namespace) -> CosmoFlow:
    """A larger network that is the same function."""
    weights = grow(network, target, weights_of(net, network), seed).weights
    assert weights is not None
    larger = learning.network_of(target, seed, given.dropout, given.device)
    load_weights(larger, weights)
    return larger


def study(way: Way, data: Universes, seed: int, given: argparse.Namespace, deadline: Deadline) -> Row:
    """One way through its epochs: the errors on unseen universes after each. Raises OutOfTime."""
    torch.manual_seed(seed)
    net = learning.network_of(way.first, seed, given.dropout, given.device)

    def rate(epoch: float) -> float:
        after = way.rate_after if epoch >= way.half else 1.0
        return after * learning.learning_rate(given.peak_lr, epoch / way.epochs)

    curve, losses, at_growth = [], [], None
    learning.warm_up(net, data, given.batch)
    with spending(given.device) as spent:
        for part in (range(way.half), range(way.half, way.epochs)):
            if part.start and way.first != way.second:
                before = learning.predict(net, data, given.batch)
                net = grown(net, way.first, way.second, seed, given)
                at_growth = change(before, learning.predict(net, data, given.batch), data)
            # Anew at half time, whatever the way.
            optimizer = KerasSGD(net.parameters(), rate(part.start))
            for epoch in part:
                once = range(epoch, epoch + 1)
                losses += learning.train(net, optimizer, data, once, rate, given.batch, seed, deadline.check)
                curve.append(learning.errors_unseen(net, data, given.batch))
    return {
        "way": way.name,
        "to": way.target,
        "seed": seed,
        "epochs": way.epochs,
        "parameters": parameters(way.second),
        "flop": learning.samples_an_epoch(data, given.batch) * way.flop_a_sample,
        **spent.figures(),
        "at_growth": at_growth,
        "mae_unseen": curve[-1],
        "loss_by_epoch": [round(loss, 4) for loss in losses],
        "mae_unseen_by_epoch": {name: [errors[name] for errors in curve] for name in ("omega_m", "sigma8")},
    }


def change(before: torch.Tensor, after: torch.Tensor, data: Universes) -> Row:
    """What growth did to predictions and errors on unseen universes, none of it rounded away."""
    errors = [(each - data.unseen_labels).abs().mean(0)[1].item() for each in (before, after)]
    most = (after - before).abs().max().item()
    return {"sigma8_mae_before": errors[0], "sigma8_mae_after": errors[1], "most_a_prediction_changed": most}


def told(row: Row) -> str:
    """A training in a line."""
    errors = ", ".join(f"{name} {row['mae_unseen'][name]:.3f}" for name in ("sigma8", "omega_m"))
    jump = row["at_growth"]
    changed = f"; at growth no prediction changed by more than {jump['most_a_prediction_changed']:.1e}" if jump else ""
    name = f"{row['way']} {row['to']}".strip()
    return f"{name}, seed {row['seed']}: {errors}; {row['flop']:.3g} FLOP, {row['seconds']:.0f} s{changed}"


def run(found: Study) -> None:
    """All trainings, one seed after the other. Raises OutOfTime."""
    given = found.given
    data = found.universes([given.edge])[given.edge]
    larger = {to: describe(given.edge, float(to.split(",")[0]), int(to.split(",")[1])) for to in given.to}
    for seed in given.seeds:
        for way in ways(describe(given.edge, given.width), larger, given.epochs, given.rates_after):
            tell(told(found.keep(study(way, data, seed, given, found.deadline))))


def main() -> None:
    asked = parser(__doc__, epochs=30)
    asked.add_argument("--edge", type=int, default=16)
    asked.add_argument("--width", type=float, default=0.125)
    asked.add_argument("--to", nargs="+", default=["0.25,1", "0.125,2"], help="width,depth of each larger network")
    asked.add_argument("--rates-after", type=float, nargs="+", default=[1.0, 0.25], help="once grown, times the rate")
    given = asked.parse_args()
    Study("grow_training", given).run(run)


if __name__ == "__main__":
    main()
