"""A toy whose network grows: two dense layers and what lies between, described for `saih augment model`."""

from typing import ClassVar

from augment.model import cost, memory
from augment.model.network import Dense, LeakyReLU, Network
from saih.app import Cost, Dial, InputError, Point
from tests.toys.toy import Toy

INPUTS = 6
MOST = 4096


class Perceptron(Toy):
    name = "perceptron"
    dials: ClassVar = {
        "width": Dial("hidden features", minimum=1),
        "depth": Dial("hidden layers", default=1, minimum=1),
    }

    def resolve_data(self, data):
        return dict(data)

    def validate(self, point: Point) -> None:
        for name, value in point.size.items():
            if value > MOST:
                raise InputError(f"size.{name} = {value}: must be at most {MOST}")

    def network(self, point: Point) -> Network:
        width, depth = point.size["width"], point.size["depth"]
        layers, features = [], INPUTS
        for hidden in [2 * width] * (depth - 1) + [width]:
            layers += [Dense(features, hidden), LeakyReLU(0.1)]
            features = hidden
        return Network(INPUTS, 1, (*layers, Dense(features, 1)), dimensions=1)

    def module(self, point: Point):
        from augment.model.torch_weights import module_of

        return module_of(self.network(point))

    def cost(self, point: Point) -> Cost:
        network = self.network(point)
        forward, training = cost.forward_flop(network), cost.training_flop(network)
        held = memory.training_peak_bytes(network, point.run.batch)
        return Cost(training, forward, cost.parameters(network), 4 * INPUTS, held)


APP = Perceptron()
