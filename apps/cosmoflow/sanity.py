"""Can a step be believed? Three questions, each of which some broken set-up answers with no.

- Is the loss a finite number, and every parameter too?
- Do all ranks hold the same parameters? They must: they began alike and applied the same mean gradient.
- Does the first block, in the precision and execution of the run, agree with float64 on the CPU?
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from apps.cosmoflow.architecture import Architecture
from apps.cosmoflow.model import volumes_of
from apps.cosmoflow.precision import BLOCK_TOLERANCE, autocast

CROP_EDGE = 16


@dataclass(frozen=True)
class Findings:
    """One rank's answers; small, so that all ranks can know all of them."""

    loss: float
    finite: bool
    checksum: int
    block_error: float


def checksum(tensors: Iterable[Tensor]) -> int:
    """CRC-32 of the tensors' bytes, in logical order."""
    crc = 0
    for tensor in tensors:
        crc = zlib.crc32(tensor.detach().cpu().contiguous().numpy().tobytes(), crc)
    return crc


def block_error(
    block: nn.Module, executed: Callable[[Tensor], Tensor], net: Architecture, precision: str, device: torch.device
) -> float:
    """RMS difference of the first block as `executed` from `block` in float64 on the CPU, relative to the RMS.

    The input is random counts of a small edge. It takes the float64 copy from the parameters as they are.
    """
    edge = min(net.edge, CROP_EDGE)
    generator = torch.Generator().manual_seed(1)
    counts = torch.poisson(torch.ones(1, edge, edge, edge, net.redshifts), generator=generator).to(torch.int16)
    with torch.no_grad():
        exact = copy.deepcopy(block).to("cpu", torch.float64)(volumes_of(counts).double())
        with autocast(precision, device.type):
            found = executed(volumes_of(counts.to(device))).cpu().double()
    return float((found - exact).square().mean().sqrt() / exact.square().mean().sqrt())


def doubt(findings: Sequence[Findings], precision: str) -> str | None:
    """Why the work of these ranks cannot be believed, or None."""
    for rank, found in enumerate(findings):
        if not found.finite:
            return f"rank {rank}: the loss is {found.loss}, or a parameter is not finite"
        if found.checksum != findings[0].checksum:
            return f"rank {rank} holds other parameters or momentum than rank 0: the replicas have diverged"
        if not found.block_error <= BLOCK_TOLERANCE[precision]:
            return (
                f"rank {rank}: the first block in {precision} is off by {found.block_error:.1e} of its RMS from "
                f"float64; allowed: {BLOCK_TOLERANCE[precision]:.0e}"
            )
    return None
