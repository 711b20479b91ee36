"""The machine's ceilings: quoted from datasheets, and measured with matrix products and 3D convolutions.

Datasheet figures are dense: a sparse figure is twice as high and no dense work reaches it. A device that is not listed
has no datasheet peak; nothing is guessed. The measured ceiling is the best rate of a set of operations in the same
precision on random data, with all ranks running at once: what this machine gives a library's best kernels.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from saih.measure import Ranks

if TYPE_CHECKING:
    import torch

T = 1e12
_H100 = {"fp32": 67 * T, "tf32": 494.5 * T, "bf16": 989 * T, "fp16": 989 * T}
_A100 = {"fp32": 19.5 * T, "tf32": 156 * T, "bf16": 312 * T, "fp16": 312 * T}
_V100 = {"fp32": 15.7 * T, "fp16": 125 * T}

DATASHEETS: dict[str, tuple[dict[str, float], str]] = {
    "NVIDIA H100 80GB HBM3": (_H100, "NVIDIA H100 datasheet, SXM5, dense"),
    "NVIDIA H200": (_H100, "NVIDIA H200 datasheet, SXM, dense"),
    "NVIDIA A100-SXM4-40GB": (_A100, "NVIDIA A100 datasheet, SXM4, dense"),
    "NVIDIA A100-SXM4-80GB": (_A100, "NVIDIA A100 datasheet, SXM4, dense"),
    "Tesla V100-SXM2-16GB": (_V100, "NVIDIA V100 datasheet, SXM2"),
    "Tesla V100-SXM2-32GB": (_V100, "NVIDIA V100 datasheet, SXM2"),
}
"""Device name as the driver reports it, in full -> peak FLOP/s by precision, and the source."""


def datasheet(device_name: str, precision: str) -> dict[str, Any]:
    """{"flop_per_s", "source"} of a device's dense peak on the datapath of ``precision``, or {"why"} there is none."""
    if device_name not in DATASHEETS:
        return {"why": f"no datasheet peak is listed for {device_name}"}
    peaks, source = DATASHEETS[device_name]
    if precision not in peaks:
        return {"why": f"{device_name} has no datapath for {precision}"}
    return {"flop_per_s": peaks[precision], "source": source}


@dataclass(frozen=True)
class Operation:
    """One operation of the set: its name, its FLOPs, and what does it once."""

    name: str
    flop: int
    run: Callable[[], Any]


def measure(ranks: Ranks, precision: str, seconds_each: float) -> dict[str, Any]:
    """The ceiling of a device in ``precision`` while all ranks run, with the operations it is the best of.

    {"flop_per_s" of the best operation's fastest repeat, a device, "spread_percent" from there down to its median,
    "best": its name, "entries": the same of each}.
    """
    makers = _makers(ranks.device, precision)
    entries = []
    for done, make in enumerate(makers):
        ranks.progress(f"measuring the {precision} ceiling", done, len(makers))
        entries.append(_rate(make(), ranks, seconds_each))
    best = max(entries, key=lambda entry: entry["flop_per_s"])
    return {"precision": precision} | best | {"best": best["name"], "entries": entries}


def _rate(operation: Operation, ranks: Ranks, seconds: float) -> dict[str, Any]:
    once_s = [_time(operation, 1, ranks) for _ in range(3)][-1]
    n = max(1, round(seconds / 8 / once_s))
    rates = [operation.flop * n / _time(operation, n, ranks) for _ in range(8)]
    fastest = max(rates)
    spread = 100 * (1 - statistics.median(rates) / fastest)
    return {"name": operation.name, "flop_per_s": fastest, "spread_percent": spread}


def _time(operation: Operation, n: int, ranks: Ranks) -> float:
    """Seconds of the slowest rank for ``n`` repeats begun together."""
    ranks.synchronise()
    ranks.barrier()
    start = time.perf_counter()
    for _ in range(n):
        operation.run()
    ranks.synchronise()
    return float(max(ranks.gather(time.perf_counter() - start)))


def _makers(device: str, precision: str) -> list[Callable[[], Operation]]:
    """The set, each made when its turn comes so that only one is in memory: sizes that fill the kind of device."""
    import torch

    types = {"bf16": torch.bfloat16, "fp16": torch.float16}
    dtype = types.get(precision, torch.float32)
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
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
