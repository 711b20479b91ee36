"""Layers -> what a sample costs in training, in closed form.

A multiply-add is two FLOPs; only convolutions and dense layers count, as is usual. Backward repeats every layer's
forward work twice, for the gradient of its weights and that of its input, except that nobody needs the gradient of the
network's input:

    forward = 2 MACs,    training = 3 forward - (forward of the first layer)
"""

from __future__ import annotations

from apps.cosmoflow.architecture import Architecture, architecture_of
from saih.app import Cost, Point

COUNT_BYTES = 2  # int16
FLOAT_BYTES = 4
POOL_INDEX_BYTES = 8  # int64: which of eight voxels the pool took
COMPUTE_BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}


def cost_of(point: Point) -> Cost:
    """The cost of a legal point; the memory is that of its precision, the rest is the same for all."""
    net = architecture_of(point)
    return Cost(
        flop_per_sample=training_flop(net),
        forward_flop_per_sample=forward_flop(net),
        parameters=net.parameters,
        sample_bytes=sample_bytes(net),
        state_bytes=3 * FLOAT_BYTES * net.parameters,  # weights, gradients, momentum
        activation_bytes_per_sample=activation_bytes(net, COMPUTE_BYTES[point.run.precision]),
    )


def forward_flop(net: Architecture) -> int:
    """FLOPs of one sample's way to its prediction."""
    convolutions = sum(c.macs(block.edge) for block in net.blocks for c in block.convolutions)
    return 2 * (convolutions + sum(dense.macs for dense in net.dense))


def training_flop(net: Architecture) -> int:
    """FLOPs of one sample's forward and backward pass."""
    return 3 * forward_flop(net) - 2 * net.convolutions()[0].macs(net.edge)


def sample_bytes(net: Architecture) -> int:
    """Bytes of one sample's int16 counts."""
    return COUNT_BYTES * net.redshifts * net.edge**3


def activation_bytes(net: Architecture, compute_bytes: int) -> int:
    """Bytes a sample keeps on the device between forward and backward, with numbers of `compute_bytes` bytes.

    Counted: the int16 counts; log1p of them in the precision of the first convolution; the output of every convolution
    (its LeakyReLU works in place); the output and the int64 indices of every pool. Not counted: the dense layers (some
    kB), autocast's copies of the weights, and what lives only for a moment, such as gradients of activations and
    workspaces. Under autocast on a CPU torch pools in float32 and keeps more than this.
    """
    bytes_ = sample_bytes(net) + compute_bytes * net.redshifts * net.edge**3
    for block in net.blocks:
        voxels = block.edge**3
        bytes_ += compute_bytes * voxels * sum(c.channels_out for c in block.convolutions)
        bytes_ += (compute_bytes + POOL_INDEX_BYTES) * (voxels // 8) * block.channels_out
    return bytes_
