"""The step of the planted toy, in torch; planted.py says what it does."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor, nn

from saih.app import Context, Point, Ran
from tests.toys.planted import ARRAYS, MIB
from tests.toys.planted_input import MB, Nothing, Thread

LEARNING_RATE = 1e-6
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Pass(nn.Module):
    """One pass over an array, in place: every number read, its sign turned, and written."""

    def forward(self, array: Tensor) -> Tensor:
        return array.neg_()


@dataclass
class Tensors:
    """What a step works on; its variants share it."""

    context: Context
    point: Point
    products: list[nn.Linear] = field(init=False)
    passes: list[Pass] = field(init=False)

    def __post_init__(self) -> None:
        size, device = self.point.size, torch.device(self.context.device)
        n, rows, kind = size["n"], self.point.run.batch * size["n"], {"dtype": DTYPES[self.point.run.precision]}
        self.products = [nn.Linear(n, n, bias=False, device=device, **kind) for _ in range(size["products"])]
        for layer in self.products:
            nn.init.normal_(layer.weight, std=n**-0.5)
        self.passes = [Pass() for _ in range(size["passes"])]
        arrays = [torch.randn(MIB * size["array_mb"] // 4, device=device) for _ in self.passes[:ARRAYS]]
        self.arrays = itertools.cycle(arrays)
        self.x = torch.randn(rows, n, device=device, **kind)
        self.gradient = torch.randn(rows, n, device=device, **kind) / n  # of <y, these numbers>, which is the loss
        self.optimiser = torch.optim.SGD([layer.weight for layer in self.products], lr=LEARNING_RATE, fused=True)
        self.number = torch.ones(1, device=device)
        self.summed = torch.randn(max(1, MB * size["sums_mb"] // 4), device=device)
        self.hoard = torch.ones(MB * size["hoard_mb"] // 4, device=device)
        copied = MB * size["copies_mb"]
        self.there = torch.empty(copied, dtype=torch.uint8, device=device)
        self.here = torch.empty(copied, dtype=torch.uint8, pin_memory=True).random_() if copied else self.there


class Step:
    """Steps on this rank: a `saih.app.Work`. Its variants share `tensors`, and lack input or sums."""

    def __init__(
        self, context: Context, point: Point, tensors: Tensors, source: Thread | Nothing, copies: bool, sums: bool
    ) -> None:
        self._context, self._point, self._tensors, self._source = context, point, tensors, source
        self._copies, self._sums = copies, sums
        self._late = point.size["late"] if context.rank == 1 else 0
        self._copied: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def run(self, n: int) -> Ran:
        own, source, region = self._tensors, self._source, self._context.region
        with source.reading():
            for _ in range(n):
                with region("input"):
                    source.next()
                    if self._copies:
                        self._copy()
                with region("forward"):
                    y = self._forward()
                with region("backward"):
                    y.backward(own.gradient)
                    if self._sums:
                        self._reduce()
                with region("optimiser"):
                    own.optimiser.step()
                    own.optimiser.zero_grad(set_to_none=True)
            with region("input"):
                source.stop()
        self._y = y.detach()
        phases = source.collect() | {"h2d_s": self._copied_s()}
        return Ran(n * self._point.run.batch, phases, n * source.read_bytes)

    def without(self, part: str) -> Step | None:
        own = (self._context, self._point, self._tensors)
        if part == "input" and (self._copies or isinstance(self._source, Thread)):
            return Step(*own, Nothing(), copies=False, sums=self._sums)
        if part == "communication" and self._sums:
            return Step(*own, self._source, self._copies, sums=False)
        return None

    def layers(self) -> dict[str, nn.Module]:
        own = self._tensors
        products = {f"product {i + 1}": layer for i, layer in enumerate(own.products)}
        return products | {f"pass {i + 1}": each for i, each in enumerate(own.passes)}

    def check(self) -> str | None:
        return None if bool(self._y.isfinite().all()) else "a product is not finite"

    def close(self) -> None:
        self._source.close()
        self.__dict__.pop("_tensors", None)

    def _forward(self) -> Tensor:
        own = self._tensors
        y = own.x
        for layer in own.products:
            y = layer(y)
        for each, array in zip(own.passes, own.arrays, strict=False):
            each(array)
        for _ in range(self._point.size["calls"]):
            own.number.neg_()
        with torch.no_grad():
            for _ in range(self._late):
                torch.mm(own.x, own.products[0].weight)
        return y

    def _reduce(self) -> None:
        """The largest of all ranks' numbers: sums moves as much, but would soon be infinite."""
        dist.all_reduce(self._tensors.summed, op=dist.ReduceOp.MAX)

    def _copy(self) -> None:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        self._tensors.there.copy_(self._tensors.here, non_blocking=True)
        end.record()
        self._copied.append((begin, end))

    def _copied_s(self) -> float:
        if self._copied:
            self._copied[-1][1].synchronize()
        copied, self._copied = self._copied, []
        return sum(begin.elapsed_time(end) for begin, end in copied) / 1000


def build(context: Context, point: Point) -> Step:
    size = point.size
    if context.device != "cpu":
        torch.backends.cuda.matmul.allow_tf32 = point.run.precision == "tf32"
    source = Thread(point) if size["reads_mb"] or size["inflate_mb"] else Nothing()
    return Step(context, point, Tensors(context, point), source, size["copies_mb"] > 0, context.size > 1)
