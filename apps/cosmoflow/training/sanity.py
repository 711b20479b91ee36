"""Checks of a step's results: four questions, each of which some faulty set-up answers with no.

- Is the loss a finite number, and every parameter too?
- Do all ranks have the same parameters? They must: they began alike and applied the same mean gradient.
- Does the first block, in the precision and execution of the run, agree with float64 on the CPU?
- If its output is so large that 32-bit indices may overflow, does it agree with itself, computed in slabs? Libraries
  have been seen to fail there, and could as well be wrong silently.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from apps.cosmoflow.network.architecture import compared_edge
from apps.cosmoflow.network.module import volumes_of
from apps.cosmoflow.training.precision import BLOCK_TOLERANCE, autocast
from augment.model.network import Network
from saih.app import Execution

LARGE_NUMBERS = 2**30
"""A block whose convolution gives more numbers than this is also computed in slabs."""
SLAB_NUMBERS = 2**27


@dataclass(frozen=True)
class Findings:
    """One rank's answers; small, so that they can be gathered on all ranks."""

    loss: float
    finite: bool
    checksum: int
    block_error: float
    slab_error: float = 0.0


def checksum(tensors: Iterable[Tensor]) -> int:
    """Return CRC-32 of the tensors' bytes, in logical order."""
    crc = 0
    for tensor in tensors:
        crc = zlib.crc32(tensor.detach().cpu().contiguous().numpy().tobytes(), crc)
    return crc


def block_error(
    block: nn.Module, executed: Callable[[Tensor], Tensor], net: Network, precision: str, device: torch.device
) -> float:
    """Return the RMS difference of the first block as `executed` from `block` in float64 on a CPU, relative to the RMS.

    The input is random counts of a small edge. The float64 copy has the current parameters.
    """
    edge = compared_edge(net)
    generator = torch.Generator().manual_seed(1)
    counts = torch.poisson(torch.ones(1, edge, edge, edge, net.channels), generator=generator).to(torch.int16)
    with torch.no_grad():
        exact = copy.deepcopy(block).to("cpu", torch.float64)(volumes_of(counts).double())
        with autocast(precision, device.type):
            output = executed(volumes_of(counts.to(device))).cpu().double()
    return float((output - exact).square().mean().sqrt() / exact.square().mean().sqrt())


def tolerance(block: nn.Module, precision: str) -> float:
    """Return the largest allowed error: rounding errors of convolutions are independent, so they add up as squares."""
    return float(BLOCK_TOLERANCE[precision] * _convolutions(block) ** 0.5)


def _convolutions(block: nn.Module) -> int:
    return sum(isinstance(layer, nn.Conv3d) for layer in block.modules())


def slab_error(
    block: nn.Module, executed: Callable[[Tensor], Tensor], net: Network, run: Execution, device: torch.device
) -> float:
    """Return the RMS difference of a whole batch's first block from the same in slabs, relative to the RMS; 0 if small.

    A slab is a part of the first axis with a margin on either side as wide as the reach of the block's convolutions;
    the margins are cut off again. Blocks of at most `LARGE_NUMBERS` numbers are not checked.
    """
    convolutions = [layer for layer in block.modules() if isinstance(layer, nn.Conv3d)]
    channels = max(layer.out_channels for layer in convolutions)
    plane = run.batch * channels * net.edge**2
    if plane * net.edge <= LARGE_NUMBERS:
        return 0.0
    counts = torch.randint(0, 4, (run.batch, *(net.edge,) * 3, net.channels), dtype=torch.int16, device=device)
    volumes = volumes_of(counts)
    halo = len(convolutions) + len(convolutions) % 2  # even, as pooling takes voxels in pairs
    thick = 2 * max(1, SLAB_NUMBERS // plane // 2)
    squares = torch.zeros(2, dtype=torch.float64, device=device)
    with torch.no_grad(), autocast(run.precision, device.type):
        whole = executed(volumes)
        for begin in range(0, net.edge, thick):
            first, last = max(0, begin - halo), min(net.edge, begin + thick + halo)
            slab = block(volumes[:, :, first:last])[:, :, (begin - first) // 2 :][:, :, : thick // 2].double()
            part = whole[:, :, begin // 2 : begin // 2 + slab.shape[2]].double()
            squares += torch.stack([(part - slab).square().sum(), slab.square().sum()])
    return float((squares[0] / squares[1]).sqrt())


def doubt(findings: Sequence[Findings], precision: str, allowed: float) -> str | None:
    """Return why the work of these ranks cannot be believed, or None; `allowed` is the `tolerance` of their errors."""
    for rank, finding in enumerate(findings):
        if not finding.finite:
            return f"rank {rank}: the loss is {finding.loss}, or a parameter is not finite"
        if finding.checksum != findings[0].checksum:
            return f"rank {rank} holds other parameters or momentum than rank 0: the replicas have diverged"
        if not finding.block_error <= allowed:
            return (
                f"rank {rank}: the first block in {precision} is off by {finding.block_error:.1e} of its RMS from "
                f"float64; allowed: {allowed:.1g}"
            )
        if not finding.slab_error <= allowed:
            return (
                f"rank {rank}: the first block of a whole batch is off by {finding.slab_error:.1e} of its RMS from the "
                f"same computed in slabs; allowed: {allowed:.1g}"
            )
    return None
