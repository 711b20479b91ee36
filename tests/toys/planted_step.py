"""The step of the planted toy, in torch; planted.py says what it does."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor, nn

from saih.app import Context, Point, Ran
from tests.toys import planted_cost
from tests.toys.planted import ARRAYS, MIB
from tests.toys.planted_input import MB, Nothing, Thread, Unwaited

Source = Thread | Unwaited | Nothing
LEARNING_RATE = 1e-6
INPUTS = ("reads_mb", "inflate_mb", "parse_kb", "copies_mb")
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
        self.summed = torch.randn(numbers(self.point), device=device)
        self.hoard = torch.ones(MB * size["hoard_mb"] // 4, device=device)
        copied = MB * size["copies_mb"]
        self.there = torch.empty(copied, dtype=torch.uint8, device=device)
        self.here = torch.empty(copied, dtype=torch.uint8, pin_memory=True).random_() if copied else self.there
        self.aside = torch.cuda.Stream(device) if copied else None


class Step:
    """Steps on this rank: a `saih.app.Work`. Its variants share `tensors`, and lack some of what is planted.

    ``meet``: whether the ranks do, as they must where there are several. ``waits``: whether the steps wait for what is
    copied; without, it goes to a place that nobody looks at, on a stream of its own.
    """

    def __init__(
        self, context: Context, point: Point, tensors: Tensors, source: Source, meet: bool, waits: bool = True
    ) -> None:
        self._context, self._point, self._tensors, self.source = context, point, tensors, source
        self._meet, self._waits = meet, waits
        self._late = point.size["late"] if context.rank == 1 else 0
        self._copied: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def run(self, n: int) -> Ran:
        own, source, region = self._tensors, self.source, self._context.region
        with source.reading():
            for _ in range(n):
                with region("input"):
                    source.next()
                    if self._point.size["copies_mb"]:
                        self._copy()
                with region("forward"):
                    y = self._forward()
                with region("backward"):
                    y.backward(own.gradient)
                    if self._meet:
                        self._reduce()
                with region("optimiser"):
                    own.optimiser.step()
                    own.optimiser.zero_grad(set_to_none=True)
            with region("input"):
                source.stop()
        self._y = y.detach()
        copied, self._copied = self._copied, []
        return Ran(n * self._point.run.batch, finish=partial(self._finish, n, copied))

    def _finish(self, n: int, copied: Sequence[tuple[torch.cuda.Event, torch.cuda.Event]]) -> Ran:
        """What the steps cost. Copies that are waited for are on the stream that computes, which does nothing else."""
        source = self.source
        source.settle()
        seconds = sum(begin.elapsed_time(end) for begin, end in copied) / 1000
        phases = source.collect() | {"h2d_s": seconds, "copy_wait_s": seconds if self._waits else 0.0}
        samples = n * self._point.run.batch
        return Ran(samples, phases, n * source.read_bytes, storage_bytes=source.fetched())

    def without(self, part: str) -> Step | None:
        if part == "input" and any(self._point.size[dial] for dial in INPUTS):
            return self.lacking(dict.fromkeys(INPUTS, 0))
        if part == "input_wait" and any(self._point.size[dial] for dial in INPUTS):
            source = Unwaited(self.source) if isinstance(self.source, Thread) else self.source
            return Step(self._context, self._point, self._tensors, source, self._meet, waits=False)
        if part == "communication" and self._meet:
            return Step(self._context, self._point, self._tensors, self.source, meet=False)
        return None

    def lacking(self, dials: Mapping[str, int]) -> Step:
        """The same with these dials turned back."""
        point = replace(self._point, size={**self._point.size, **dials})
        source = source_of(point) if set(dials) & set(INPUTS) else self.source
        return Step(self._context, point, self._tensors, source, self._meet)

    def layers(self) -> dict[str, nn.Module]:
        own = self._tensors
        products = {f"product {i + 1}": layer for i, layer in enumerate(own.products)}
        return products | {f"pass {i + 1}": each for i, each in enumerate(own.passes)}

    def check(self) -> str | None:
        if "folder" in self._point.data:
            planted_cost.keep(self._context, self._point, self)
        return None if bool(self._y.isfinite().all()) else "a product is not finite"

    def close(self) -> None:
        self.source.close()
        self.__dict__.pop("_tensors", None)

    def _forward(self) -> Tensor:
        own, size = self._tensors, self._point.size
        y = own.x
        for layer in own.products[: size["products"]]:
            y = layer(y)
        for each in own.passes[: size["passes"]]:
            each(next(own.arrays))
        for _ in range(size["calls"]):
            own.number.neg_()
        with torch.no_grad():
            for _ in range(self._late):
                torch.mm(own.x, own.products[0].weight)
        return y

    def _reduce(self) -> None:
        """The largest of all ranks' numbers: sums moves as much, but would soon be infinite."""
        dist.all_reduce(self._tensors.summed[: numbers(self._point)], op=dist.ReduceOp.MAX)

    def _copy(self) -> None:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        with nullcontext() if self._waits else torch.cuda.stream(self._tensors.aside):
            begin.record()
            self._tensors.there.copy_(self._tensors.here, non_blocking=True)
            end.record()
        self._copied.append((begin, end))


def numbers(point: Point) -> int:
    """How many the ranks all-reduce in a step."""
    return max(1, MB * point.size["sums_mb"] // 4)


def source_of(point: Point) -> Thread | Nothing:
    return Thread(point) if any(point.size[dial] for dial in ("reads_mb", "inflate_mb", "parse_kb")) else Nothing()


def build(context: Context, point: Point) -> Step:
    if context.device != "cpu":
        torch.backends.cuda.matmul.allow_tf32 = point.run.precision == "tf32"
    return Step(context, point, Tensors(context, point), source_of(point), meet=context.size > 1)
