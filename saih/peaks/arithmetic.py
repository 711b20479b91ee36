"""The measured ceiling of arithmetic: the best of a set of matrix products and 3D convolutions in one precision.

It is what this machine gives a library's best kernels: random data, and all ranks at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from saih.measure import Ranks
from saih.peaks.timing import best, repeats

if TYPE_CHECKING:
    import torch


LONGEST_RUN = 3
"""Times the seconds that an operation is given. Sizes are for processors with many cores, and for those that have the
precision; one that emulates it would need minutes for the set."""


@dataclass(frozen=True)
class Operation:
    """One operation of the set: its name, its FLOPs, and what does it once."""

    name: str
    flop: int
    run: Callable[[], Any]


def measure(ranks: Ranks, precision: str, seconds_each: float) -> dict[str, Any]:
    """The ceiling of a device in ``precision`` while all ranks run, with the operations it is the best of.

    {"flop_per_s" of the best operation's fastest repeat, a device, "median_flop_per_s", "spread_percent" from there
    down to its median, "best": its name, "entries": the same of each, "left_out": names of those that would have taken
    longer than `LONGEST_RUN` x ``seconds_each`` a run by the best rate so far}.
    """
    makers = _makers(ranks.device, precision)
    entries: list[dict[str, Any]] = []
    left_out: list[str] = []
    with _datapath(precision):
        for done, make in enumerate(makers):
            ranks.progress(f"measuring the {precision} ceiling", done, len(makers))
            operation = make()
            fastest = max((entry["flop_per_s"] for entry in entries), default=math.inf)
            if operation.flop > LONGEST_RUN * seconds_each * fastest:
                left_out.append(operation.name)
                continue
            rate = best("flop_per_s", operation.flop, repeats(operation.run, ranks, seconds_each))
            entries.append({"name": operation.name, **rate})
    highest = max(entries, key=lambda entry: entry["flop_per_s"])
    return {"precision": precision} | highest | {"best": highest["name"], "entries": entries, "left_out": left_out}


@contextmanager
def _datapath(precision: str) -> Iterator[None]:
    """TF32 is used for ``precision`` tf32 and for no other; afterwards all is as it was."""
    import torch

    settings: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [each.allow_tf32 for each in settings]
    for each in settings:
        each.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        for each, was in zip(settings, before, strict=True):
            each.allow_tf32 = was


def _makers(device: str, precision: str) -> list[Callable[[], Operation]]:
    """The set, each made when its turn comes so that only one is in memory: sizes that fill the kind of device."""
    import torch

    types = {"bf16": torch.bfloat16, "fp16": torch.float16}
    dtype = types.get(precision, torch.float32)
    on_gpu = device.startswith("cuda")
    products = (4096, 8192) if on_gpu else (1024, 2048)
    volumes = ((8, 64, 64), (8, 128, 64), (8, 256, 32), (8, 512, 32)) if on_gpu else ((4, 32, 32), (4, 64, 16))
    return [
        *(partial(_product, n, device, dtype) for n in products),
        *(partial(_convolution, *volume, device, dtype) for volume in volumes),
    ]


def _product(n: int, device: str, dtype: torch.dtype) -> Operation:
    import torch

    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    return Operation(f"matrix product {n} x {n} x {n}", 2 * n**3, lambda: torch.mm(a, b))


def _convolution(batch: int, channels: int, edge: int, device: str, dtype: torch.dtype) -> Operation:
    import torch

    layout = torch.channels_last_3d
    x = torch.randn(batch, channels, edge, edge, edge, device=device).to(dtype, memory_format=layout)
    w = torch.randn(channels, channels, 3, 3, 3, device=device).to(dtype, memory_format=layout)
    flop = 2 * batch * edge**3 * channels**2 * 27
    name = f"conv3d k3, {channels} channels, {edge}^3, batch {batch}"
    return Operation(name, flop, lambda: torch.nn.functional.conv3d(x, w, padding=1))
