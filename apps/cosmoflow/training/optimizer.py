"""Stochastic gradient descent as in Keras, and the reference's learning-rate rule.

Keras (and so the MLPerf submissions) keeps a velocity in units of the parameters, m = mu m + lr g; p = p - m. Torch
keeps b = mu b + g; p = p - lr b. With m = lr b the two are the same while lr is constant. When lr changes, Keras's m
stays as it is, so b must become b lr_old / lr_new. With this rescaling torch's fused kernel can be used: one pass over
memory, and under GradScaler no synchronisation.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

BASE_LR = 0.001
BASE_BATCH = 64
WARMUP_EPOCHS = 4
DECAY = ((32, 0.25), (64, 0.125))  # from this epoch on, this factor
MOMENTUM = 0.9


class KerasSGD(torch.optim.SGD):
    """SGD with momentum, with Keras's semantics; `lr` changes only by `set_lr`."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float, momentum: float = MOMENTUM) -> None:
        super().__init__(parameters, lr=lr, momentum=momentum, fused=True)
        self._lr = lr
        # By default torch makes these in the first step and, if GradScaler skips that one, leaves them unset.
        for parameter in self.param_groups[0]["params"]:
            self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    def set_lr(self, lr: float) -> None:
        """Set the learning rate of the next steps, above 0. Raises ValueError otherwise."""
        if lr == self._lr:
            return
        if lr <= 0:
            raise ValueError(f"lr = {lr}: must be above 0")
        torch._foreach_mul_(self.velocities(), self._lr / lr)
        self.param_groups[0]["lr"] = self._lr = lr

    def velocities(self) -> list[torch.Tensor]:
        """Return torch's momentum buffers, Keras's m / lr, in the order of the parameters."""
        return [self.state[parameter]["momentum_buffer"] for parameter in self.param_groups[0]["params"]]


def learning_rate(epoch: int, global_batch: int) -> float:
    """Return the rate of `epoch` (from 0) for `global_batch` samples a step over all ranks.

    Linear scaling: the peak is BASE_LR global_batch / BASE_BATCH. Warm-up is by epoch, not by step, and begins at
    BASE_LR itself, even if that is above the peak; the decay counts from the peak. Source: mlcommons/hpc,
    cosmoflow/utils/optimizers.py and configs/cosmo.yaml. One difference: there the factor of epoch 32 applies once
    epoch > 32 (and 64 likewise), so one epoch later than in its configuration.
    """
    peak = BASE_LR * global_batch / BASE_BATCH
    if epoch < WARMUP_EPOCHS:
        return BASE_LR + (peak - BASE_LR) * epoch / WARMUP_EPOCHS
    return peak * next((factor for start, factor in reversed(DECAY) if epoch >= start), 1.0)
