"""The measured ceiling of arithmetic: the best sustained rate of a set of products and convolutions in one precision.

It is the rate of a library's best kernels on this machine for as long as they run: random data, and all ranks at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from saih.peaks.sustained import Operation, WatchedRanks, best_of

if TYPE_CHECKING:
    import torch


LONGEST_RUN = 3
"""The longest single run, as a multiple of the seconds for an operation.

Sizes are for processors with many cores, and with the precision in hardware; one that emulates it would need minutes
for the set.
"""


def measure(ranks: WatchedRanks, precision: str, seconds_each: float) -> dict[str, Any]:
    """Return the ceiling of a device in `precision` while all ranks run: {"precision"} and the result of `best_of`.

    The rate is "flop_per_s". An operation with a single run longer than `LONGEST_RUN` x `seconds_each` is left out.
    """
    with _datapath(precision):
        makers = _makers(ranks.device, precision)
        return {"precision": precision} | best_of("flop_per_s", makers, ranks, seconds_each, LONGEST_RUN * seconds_each)


@contextmanager
def _datapath(precision: str) -> Iterator[None]:
    """Allow TF32 for `precision` tf32 only; the settings are restored afterwards."""
    import torch

    settings: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [setting.allow_tf32 for setting in settings]
    for setting in settings:
        setting.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        for setting, was in zip(settings, before, strict=True):
            setting.allow_tf32 = was


def _makers(device: str, precision: str) -> list[Callable[[], Operation]]:
    """Return the set of operations, in sizes that fill the kind of device; made in turn, so that one is in memory."""
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
