"""A toy in torch: one dense layer, whose gradients ranks sum; it marks its step and names its layer.

``data: {fault: {"8": raise}}``: with n = 8 its last rank fails as soon as the steps are profiled.
"""

from typing import ClassVar

from saih.app import Context, Cost, Dial, InputError, Layer, Point, Ran
from tests.toys.toy import Toy


class Dense(Toy):
    name = "dense"
    dials: ClassVar = {"n": Dial("features", minimum=1)}
    metrics = ()

    def resolve_data(self, data):
        if set(data.get("fault", {}).values()) - {"raise"}:
            raise InputError(f"data.fault = {data['fault']}: must be raise")
        return dict(data)

    def validate(self, point: Point) -> None:
        pass

    def cost(self, point: Point) -> Cost:
        n = point.size["n"]
        return Cost(4 * n * n, 2 * n * n, n * n, 4 * n, 16 * n * n)

    def layers(self, point: Point):
        n, batch = point.size["n"], point.run.batch
        moved = 4 * (n * n + 2 * batch * n)
        return [Layer("dense", 2 * batch * n * n, 4 * batch * n * n, moved, 2 * moved)]

    def prepare(self, context: Context, points):
        return {}

    def build(self, context: Context, point: Point):
        return DenseWork(context, point)


class DenseWork:
    def __init__(self, context, point, communicates=True):
        import torch

        self._torch = torch
        self._context, self._point, self._communicates = context, point, communicates
        self._net = torch.nn.Linear(point.size["n"], point.size["n"], bias=False)
        self._x = torch.rand(point.run.batch, point.size["n"])
        faulty = point.data.get("fault", {}).get(str(point.size["n"])) == "raise"
        self._fails = faulty and context.rank == context.size - 1

    def run(self, n):
        if self._fails and self._torch.autograd._profiler_enabled():
            raise RuntimeError("the toy will not be watched")
        region = self._context.region
        for _ in range(n):
            with region("forward"):
                loss = self._net(self._x).square().mean()
            with region("backward"):
                loss.backward()
                if self._communicates and self._context.size > 1:
                    self._torch.distributed.all_reduce(self._net.weight.grad)
            with region("optimiser"):
                self._net.weight.grad = None
        return Ran(n * self._point.run.batch)

    def layers(self):
        return {"dense": self._net}

    def without(self, part):
        if part != "communication" or self._context.size == 1:
            return None
        return DenseWork(self._context, self._point, communicates=False)

    def check(self):
        return None

    def close(self):
        self._net = None


APP = Dense()
