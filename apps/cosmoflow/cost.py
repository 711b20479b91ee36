"""Layers -> what a sample costs in training, and what a step must hold, in closed form; see `augment.model.cost`."""

from __future__ import annotations

from apps.cosmoflow.architecture import network_of
from apps.cosmoflow.dials import SYNTHETIC
from apps.cosmoflow.prefetch import MOST_THREADS, Shape
from augment.model.cost import forward_flop, parameters, training_flop
from augment.model.memory import training_peak_bytes
from augment.model.memory_steps import CUDA
from augment.model.network import Network
from augment.model.workspace import cpu_workspace_bytes
from saih.app import Cost, Point

COUNT_BYTES = 2  # int16
COMPUTE_BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}
LIBRARY_WORKSPACE_BYTES = 64 * 2**20
"""What cuBLAS and cuDNN were seen to hold besides torch's tensors, on H100 and H200 with torch 2.11."""


def cost_of(point: Point, device: str = CUDA, cores: int = 1) -> Cost:
    """The cost of a legal point; the memory is that of its batch and precision, the rest is the same for all.

    device: "cuda", or "cpu" with so many cores a rank.
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
    """Bytes of one sample's int16 counts."""
    return COUNT_BYTES * network.channels * network.edge**3


def _batches_ahead(network: Network, point: Point) -> int:
    """Batches of counts that wait on the device; where the number of threads is automatic, at most these."""
    if point.run.input == SYNTHETIC:
        return 0
    edge = network.edge
    threads = point.data.get("threads") or MOST_THREADS
    return Shape(point.run.batch, (edge, edge, edge, network.channels)).depth(threads)


def _memory_bytes(network: Network, point: Point, device: str) -> int:
    batch, number_bytes = point.run.batch, COMPUTE_BYTES[point.run.precision]
    batches = 1 + _batches_ahead(network, point)
    if device == CUDA and point.run.input != SYNTHETIC:
        batches += 1  # the host runs ahead of the GPU, where the step before still needs its own
    held = batches * batch * sample_bytes(network)
    return training_peak_bytes(network, batch, number_bytes, held, device, in_buckets=point.run.ranks > 1)


def _workspace_bytes(network: Network, point: Point, device: str, cores: int) -> int:
    if device == CUDA:
        return LIBRARY_WORKSPACE_BYTES
    return cpu_workspace_bytes(network, COMPUTE_BYTES[point.run.precision], cores)
