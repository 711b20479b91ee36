"""The memory of a network's layers in a training step, on each kind of device. No torch.

On both kinds the input is float32, and in lower precision autocast converts the inputs of a convolution or a dense
layer: volumes in another precision, and the weights. A CPU differs in four ways (torch 2.11 to 2.13):

    pools          max_pool3d is on autocast's list of operations that stay in float32 (ATen/autocast_mode.cpp,
                   KERNEL_CPU): its input is copied to float32, its output stays so, and the next layer casts again
    small batches  a float32 convolution of one sample with at most 20,480 channels x edge^2 does not go to oneDNN
                   (ATen/native/Convolution.cpp, use_mkldnn). Torch's own makes a column of every voxel's
                   neighbourhood, channels_in x kernel^d x voxels numbers, and copies its arguments out of
                   channels_last (ATen/native/ConvolutionMM3d.cpp)
    optimiser      the fused SGD copies, one at a time, arrays outside torch's default layout
    dense layers   in lower precision the gradient of their weights is summed in float32 before it is rounded

A GPU differs in three others (torch 2.11, cuDNN 9.19, H100 and H200):

    blocks         the caching allocator gives multiples of 512 bytes, and beyond 1 MiB it leaves up to 1 MiB more with
                   a tensor rather than to split a block for it (c10/cuda/CUDACachingAllocator.cpp, should_split)
    channels       in 16 bit cuDNN pads channels to a multiple of 8 for tensor cores: copies of a convolution's input
                   and output for as long as it runs
    trying out     cuDNN.benchmark runs every algorithm once, each with its workspace. At measured peaks the largest
                   is a float32 copy of the data from which the gradient of a convolution's weights is computed

Volumes and weights of convolutions are assumed to be in channels_last, which is fastest in torch. All of it is an upper
bound: memory that only some shapes take is counted for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from augment.model.cost import FLOAT_BYTES, INDEX_BYTES, parameters_of
from augment.model.network import Convolution, Dropout, Layer, MaxPool, Network, Shape, Weighted

CPU, CUDA = "cpu", "cuda"
OWN_CONVOLUTION_NUMBERS = 20_480
OWN_CONVOLUTION_KERNEL = 3  # larger kernels go to oneDNN always
CUDA_ROUND_BYTES, CUDA_SPLIT_BYTES = 512, 2**20
TENSOR_CORE_CHANNELS = 8  # in 16 bit


@dataclass(frozen=True)
class Step:
    """The memory of one layer, in bytes of the batch.

    before, reads, after   the input volume, the same as the layer reads it (a copy if `casts`), the output volume
    besides                data for backward alone: a pool's indices, a dropout's mask
    lowered, weights       the copy of its weights in lower precision, and their gradient in float32
    scratch                further memory of its kernel, for as long as it runs
    gradient_scratch       the same of the kernel for the gradient of its weights
    """

    layer: Layer
    before_bytes: int
    reads_bytes: int
    after_bytes: int
    casts: bool
    besides_bytes: int
    lowered_bytes: int
    weights_bytes: int
    scratch_bytes: int
    gradient_scratch_bytes: int


def block_bytes(size: int, device: str) -> int:
    """Return the most that the allocator takes for a tensor of `size` bytes."""
    if device == CPU:
        return size
    rounded = -(-size // CUDA_ROUND_BYTES) * CUDA_ROUND_BYTES
    return rounded + (CUDA_SPLIT_BYTES if rounded > CUDA_SPLIT_BYTES else 0)


def steps(network: Network, batch: int, number_bytes: int, device: str) -> Iterator[Step]:
    """Yield the layers in order. number_bytes: of a number in the computation of layers with weights."""
    now, channels_last = FLOAT_BYTES, True
    for layer, before, after in network.shapes():
        reads = _reads(layer, network.dimensions, now, number_bytes, device)
        count = parameters_of(layer, network.dimensions) if isinstance(layer, Weighted) else 0
        reads_bytes, scratch_bytes, gradient_scratch_bytes = batch * reads * _numbers(before), 0, 0
        if device == CPU and isinstance(layer, Convolution):
            own = number_bytes == FLOAT_BYTES and _is_own(layer, before, batch, network.dimensions)
            if own:
                scratch_bytes = batch * reads * layer.kernel**network.dimensions * _numbers(before)
            if own == channels_last:  # input and weights, or input alone, are copied to the other layout
                scratch_bytes += reads_bytes + (FLOAT_BYTES * count if own else 0)
            channels_last = not own
        elif device == CPU and isinstance(layer, Weighted) and number_bytes < FLOAT_BYTES:
            gradient_scratch_bytes = FLOAT_BYTES * count
        elif device == CUDA and isinstance(layer, Convolution):
            scratch_bytes = batch * sum(_padded_bytes(shape, number_bytes) for shape in (before, after))
            gradient_scratch_bytes = batch * FLOAT_BYTES * (_numbers(before) + _numbers(after))
        yield Step(
            layer,
            before_bytes=batch * now * _numbers(before),
            reads_bytes=reads_bytes,
            after_bytes=batch * reads * _numbers(after),
            casts=reads != now,
            besides_bytes=batch * _besides(layer, reads) * _numbers(after),
            lowered_bytes=number_bytes * count if number_bytes < FLOAT_BYTES else 0,
            weights_bytes=FLOAT_BYTES * count,
            scratch_bytes=scratch_bytes,
            gradient_scratch_bytes=gradient_scratch_bytes,
        )
        now = reads


def _reads(layer: Layer, dimensions: int, now: int, number_bytes: int, device: str) -> int:
    """Return the bytes of a number in the layer's input and output; `now`: of those of the incoming volume."""
    if isinstance(layer, Weighted):
        return number_bytes
    if isinstance(layer, MaxPool) and device == CPU and dimensions == 3:
        return FLOAT_BYTES
    return now


def _padded_bytes(shape: Shape, number_bytes: int) -> int:
    """Return the bytes of a copy padded to a number of channels for tensor cores; 0 if none is needed."""
    if number_bytes == FLOAT_BYTES or shape.channels % TENSOR_CORE_CHANNELS == 0:
        return 0
    channels = -(-shape.channels // TENSOR_CORE_CHANNELS) * TENSOR_CORE_CHANNELS
    return number_bytes * channels * shape.voxels


def _is_own(layer: Convolution, before: Shape, batch: int, dimensions: int) -> bool:
    """True if torch uses its own convolution for float32 on a CPU instead of oneDNN's."""
    small = batch * before.channels * before.edge ** min(dimensions, 2) <= OWN_CONVOLUTION_NUMBERS
    return batch == 1 and small and (layer.kernel <= OWN_CONVOLUTION_KERNEL or dimensions == 1)


def _besides(layer: Layer, reads: int) -> int:
    if isinstance(layer, MaxPool):
        return INDEX_BYTES
    return reads if isinstance(layer, Dropout) else 0


def _numbers(shape: Shape) -> int:
    return shape.channels * shape.voxels
