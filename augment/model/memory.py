"""The most memory that a training step holds at once, in closed form. No torch.

A step is followed tensor by tensor, as autograd keeps and frees them. Forward keeps what backward will need: the
input of every layer with weights, the output of every LeakyReLU (which works in place) and the indices of every pool.
Backward goes back through them; a gradient lives until the layer before has its own. The largest sum on the way is
the peak. With Y the output of the first convolution that is often at its LeakyReLU on the way back, when all later
activations are gone: its output, the gradient that comes in and the one that goes out, 3 Y.

Held throughout: weights and momentum in fp32, in lower precision also a copy of the weights; their gradients from
backward on. Not in it: what a library takes as workspace for a layer, and what the allocator keeps in reserve.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from augment.model.cost import FLOAT_BYTES, INDEX_BYTES, parameters, parameters_of
from augment.model.network import Dropout, Flatten, Layer, LeakyReLU, MaxPool, Network, Shape, Tanh, Weighted


def training_peak_bytes(network: Network, batch: int, number_bytes: int = FLOAT_BYTES, held_bytes: int = 0) -> int:
    """Largest sum of tensors in a step with momentum; `held_bytes` is what is held besides, such as the counts.

    number_bytes: of a number in the precision computed with, 4 or 2; weights, gradients and momentum are fp32.
    """
    count = parameters(network)
    ledger = _Ledger(held_bytes + 2 * FLOAT_BYTES * count + (number_bytes * count if number_bytes < FLOAT_BYTES else 0))
    steps = [
        _Step(layer, batch * number_bytes * _numbers(before), batch * number_bytes * _numbers(after), _numbers(after))
        for layer, before, after in network.shapes()
    ]
    memories = _forward(ledger, steps, batch)
    _backward(ledger, steps, memories, network.dimensions)
    return ledger.peak


@dataclass(frozen=True)
class _Step:
    layer: Layer
    before_bytes: int
    after_bytes: int
    after_numbers: int


@dataclass
class _Ledger:
    """What is held, by whom each volume is still needed, and the most that ever was held."""

    held: int
    peak: int = 0
    sizes: list[int] = field(default_factory=list)
    needed: list[int] = field(default_factory=list)

    def take(self, size: int) -> int:
        """A new tensor that one holder needs; its number."""
        self.sizes.append(size)
        self.needed.append(1)
        self.held += size
        self.peak = max(self.peak, self.held)
        return len(self.sizes) - 1

    def keep(self, tensor: int) -> None:
        """One more holder."""
        self.needed[tensor] += 1

    def drop(self, tensor: int) -> None:
        """One holder less; without any the memory is free."""
        self.needed[tensor] -= 1
        if not self.needed[tensor]:
            self.held -= self.sizes[tensor]


def _forward(ledger: _Ledger, steps: list[_Step], batch: int) -> list[list[int]]:
    """For each layer, what it keeps for backward."""
    now = ledger.take(steps[0].before_bytes)
    kept: list[list[int]] = []
    for step in steps:
        saved: list[int] = []
        after = now
        if isinstance(step.layer, Weighted | MaxPool):
            saved.append(now)
        if isinstance(step.layer, Weighted | MaxPool | Dropout | Tanh):
            after = ledger.take(step.after_bytes)
        own = _kept_besides(step, batch)
        if own:
            saved.append(ledger.take(own))
        if isinstance(step.layer, LeakyReLU | Tanh):
            saved.append(after)
        for tensor in saved:
            ledger.keep(tensor)
        if own:
            ledger.drop(saved[-1])  # only backward knows it
        if after != now:
            ledger.drop(now)
        now = after
        kept.append(saved)
    ledger.drop(now)
    return kept


def _kept_besides(step: _Step, batch: int) -> int:
    """Bytes of what a layer makes for backward alone: a pool's indices, a dropout's mask."""
    if isinstance(step.layer, MaxPool):
        return batch * INDEX_BYTES * step.after_numbers
    return step.after_bytes if isinstance(step.layer, Dropout) else 0


def _backward(ledger: _Ledger, steps: list[_Step], kept: list[list[int]], dimensions: int) -> None:
    first = next((i for i, step in enumerate(steps) if isinstance(step.layer, Weighted)), 0)
    gradient = ledger.take(steps[-1].after_bytes)
    for i in range(len(steps) - 1, first - 1, -1):
        step = steps[i]
        if isinstance(step.layer, Flatten):
            continue  # a view
        if isinstance(step.layer, Weighted):
            ledger.take(FLOAT_BYTES * parameters_of(step.layer, dimensions))
        before = ledger.take(step.before_bytes if i > first else 0)
        ledger.drop(gradient)
        for tensor in kept[i]:
            ledger.drop(tensor)
        gradient = before


def _numbers(shape: Shape) -> int:
    return shape.channels * shape.voxels
