"""The peak memory of a training step, in closed form and from above. No torch.

A step is followed tensor by tensor, as autograd keeps and frees them. Forward keeps the data for backward: the input of
every layer with weights, the output of every LeakyReLU (which works in place), the input of every pool and its indices.
Backward goes back through them; a gradient lives until the layer before has its own. The largest sum on the way is the
peak. With Y the output of the first convolution that is often at its LeakyReLU on the way back, when all later
activations are gone: its output, the incoming gradient and the outgoing one, 3 Y.

In memory throughout: weights and momentum in fp32; their gradients from backward on. The input, float32, is the
caller's until forward ends. Differences between kinds of devices are in `augment.model.memory_steps`. Not included:
memory of libraries besides torch's tensors, and the allocator's reserve.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from augment.model.cost import FLOAT_BYTES
from augment.model.memory_steps import CPU, CUDA, Step, block_bytes, steps
from augment.model.network import Convolution, Dropout, Flatten, LeakyReLU, MaxPool, Network, Tanh, Weighted


def training_peak_bytes(
    network: Network,
    batch: int,
    number_bytes: int = FLOAT_BYTES,
    held_bytes: int = 0,
    device: str = CUDA,
    in_buckets: bool = False,
) -> int:
    """Return the most that tensors take in a step with momentum; `held_bytes` is memory besides, such as the counts.

    number_bytes: of a number in the computing precision, 4 or 2; weights, gradients and momentum are fp32. device:
    "cuda" or "cpu". in_buckets: gradients are copied, layer by layer, into permanent buckets, as by
    DistributedDataParallel with gradient_as_bucket_view.
    """
    return _followed(network, batch, number_bytes, held_bytes, device, in_buckets).peak


def tensors_up_to(
    most_bytes: int, network: Network, batch: int, number_bytes: int = FLOAT_BYTES, device: str = CUDA
) -> int:
    """Return the bytes of all tensors of at most `most_bytes` that a step makes, as if none reused another's memory."""
    sizes = _followed(network, batch, number_bytes, 0, device, False).sizes
    return sum(size for size in sizes if size <= most_bytes)


def _followed(
    network: Network, batch: int, number_bytes: int, held_bytes: int, device: str, in_buckets: bool
) -> _Ledger:
    layers = list(steps(network, batch, number_bytes, device))
    weights = sum(block_bytes(step.weights_bytes, device) for step in layers)
    ledger = _Ledger(device, held_bytes + (3 if in_buckets else 2) * weights)
    _backward(ledger, layers, _forward(ledger, layers), in_buckets)
    if device == CPU:
        ledger.pass_by(max((s.weights_bytes for s in layers if isinstance(s.layer, Convolution)), default=0))
    return ledger


@dataclass
class _Ledger:
    """The memory in use, the number of holders of each volume, and the peak."""

    device: str
    held: int
    peak: int = 0
    sizes: list[int] = field(default_factory=list)
    needed: list[int] = field(default_factory=list)

    def take(self, size: int) -> int:
        """Add a new tensor with one holder; return its number."""
        taken = block_bytes(size, self.device)
        self.sizes.append(taken)
        self.needed.append(1)
        self.held += taken
        self.peak = max(self.peak, self.held)
        return len(self.sizes) - 1

    def pass_by(self, size: int) -> None:
        """Take memory and release it at once."""
        self.drop(self.take(size))

    def keep(self, tensor: int) -> None:
        """Add a holder."""
        self.needed[tensor] += 1

    def drop(self, tensor: int) -> None:
        """Remove a holder; without any the memory is free."""
        self.needed[tensor] -= 1
        if not self.needed[tensor]:
            self.held -= self.sizes[tensor]


def _forward(ledger: _Ledger, layers: list[Step]) -> list[list[int]]:
    """Follow forward; return the tensors that each layer keeps for backward."""
    given = now = block = ledger.take(layers[0].before_bytes)
    ledger.keep(given)
    ledger.keep(block)
    kept: list[list[int]] = []
    for step in layers:
        read = now
        if step.casts:
            read = ledger.take(step.reads_bytes)
        own = [ledger.take(size) for size in (step.lowered_bytes, step.besides_bytes) if size]
        after = read
        if isinstance(step.layer, Weighted | MaxPool | Dropout | Tanh):
            after = ledger.take(step.after_bytes)
        ledger.pass_by(step.scratch_bytes)
        shared = [read] if isinstance(step.layer, Weighted | MaxPool) else []
        if isinstance(step.layer, LeakyReLU | Tanh):
            shared.append(after)
        for tensor in shared:
            ledger.keep(tensor)
        kept.append(own + shared)
        if step.casts:
            ledger.drop(read)
        if isinstance(step.layer, MaxPool):  # the caller of a block holds its input until the block ends
            ledger.keep(after)
            ledger.drop(block)
            block = after
        if after != now:
            ledger.drop(now)
        now = after
    ledger.drop(block)
    ledger.drop(now)
    ledger.drop(given)
    return kept


def _backward(ledger: _Ledger, layers: list[Step], kept: list[list[int]], in_buckets: bool) -> None:
    first = next((i for i, step in enumerate(layers) if isinstance(step.layer, Weighted)), 0)
    gradient = ledger.take(layers[-1].after_bytes)
    for i in range(len(layers) - 1, first - 1, -1):
        step = layers[i]
        if isinstance(step.layer, Flatten):
            continue  # a view
        before = ledger.take(step.reads_bytes if i > first else 0)
        weights = ledger.take(step.lowered_bytes or step.weights_bytes)
        ledger.pass_by(max(step.scratch_bytes, step.gradient_scratch_bytes))
        ledger.drop(gradient)
        for tensor in kept[i]:
            ledger.drop(tensor)
        if step.lowered_bytes:
            lowered, weights = weights, ledger.take(step.weights_bytes)
            ledger.drop(lowered)
        if in_buckets:
            ledger.drop(weights)
        gradient = before
        if step.casts and i > first:
            gradient = ledger.take(step.before_bytes)
            ledger.drop(before)
