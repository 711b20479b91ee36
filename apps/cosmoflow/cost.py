"""Layers -> the cost of a sample in training, and the memory of a step, in closed form; see `augment.model.cost`."""

from __future__ import annotations

from apps.cosmoflow import process_memory
from apps.cosmoflow.dials import SYNTHETIC
from apps.cosmoflow.input.prefetch import MOST_THREADS, Shape
from apps.cosmoflow.network.architecture import LABELS, network_of
from augment.model.cost import FLOAT_BYTES, forward_flop, parameters, training_flop
from augment.model.memory import training_peak_bytes
from augment.model.memory_steps import CUDA
from augment.model.network import Network
from augment.model.workspace import cpu_workspace_bytes
from saih.app import Cost, Point

COUNT_BYTES = 2  # int16
COMPUTE_BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}
CUBLAS_BYTES = 2 * 33 * 2**20
"""The workspaces of cuBLAS.

On a GPU of Hopper or later each computing thread, forward's and autograd's, has 32 MiB (8 MiB on earlier ones;
ATen/cuda/CublasHandlePool.cpp), in blocks that may be 1 MiB larger. 65 MiB were seen on H100 and H200.
"""
FLUSH_BYTES = 60 * 2**20
"""The buffer for timing compiled kernels.

In the first step compiled kernels are timed in several forms, and between them a buffer of the size of the L2 cache is
written (torch/_inductor/runtime/benchmarking.py): 60 MiB on an H200. A GPU with a larger cache takes more.
"""
VARIANTS_WITHOUT_INPUT = 2
LOSS_NUMBERS = 4 * LABELS + 1
"""Numbers in float32: labels, the prediction, its gradient and, in lower precision, a second prediction; the loss."""


def cost_of(point: Point, device: str = CUDA, cores: int = 1) -> Cost:
    """Return the cost of a legal point; the memory is that of its batch and precision, the rest is the same for all.

    device: "cuda", or "cpu" with `cores` cores a rank.
    """
    network = network_of(point)
    return Cost(
        flop_per_sample=training_flop(network),
        forward_flop_per_sample=forward_flop(network),
        parameters=parameters(network),
        sample_bytes=sample_bytes(network),
        memory_bytes=_memory_bytes(network, point, device),
        workspace_bytes=_workspace_bytes(network, point, device, cores),
    )


def sample_bytes(network: Network) -> int:
    """Return the bytes of one sample's int16 counts."""
    return COUNT_BYTES * network.channels * network.edge**3


def _batches(network: Network, point: Point, device: str) -> int:
    """Return the most batches of counts on the device at once; with an automatic number of threads, an upper bound."""
    if point.run.input == SYNTHETIC:
        return 1
    edge = network.edge
    threads = point.data.get("threads") or MOST_THREADS
    ahead = Shape(point.run.batch, (edge, edge, edge, network.channels)).depth(threads)
    current = 2 if device == CUDA else 1  # the host runs ahead of the GPU, whose current step still needs its batch
    return current + ahead + VARIANTS_WITHOUT_INPUT


def _memory_bytes(network: Network, point: Point, device: str) -> int:
    batch, number_bytes, together = point.run.batch, COMPUTE_BYTES[point.run.precision], point.run.ranks > 1
    held = _batches(network, point, device) * batch * sample_bytes(network) + batch * FLOAT_BYTES * LOSS_NUMBERS
    if together:
        held += FLOAT_BYTES * parameters(network)  # the momentum of the variant without communication
    return training_peak_bytes(network, batch, number_bytes, held, device, in_buckets=together)


def _workspace_bytes(network: Network, point: Point, device: str, cores: int) -> int:
    compiled = point.run.execution == "compiled"
    if device == CUDA:
        return CUBLAS_BYTES + (FLUSH_BYTES if compiled else 0)
    number_bytes = COMPUTE_BYTES[point.run.precision]
    grows = process_memory.growth_bytes(network, point.run.batch, number_bytes, compiled)
    return cpu_workspace_bytes(network, number_bytes, cores) + grows
