"""The settings of each precision.

fp32  IEEE single precision everywhere; TF32 off, although cuDNN's convolutions have it on by default
tf32  the same program with TF32 allowed in convolutions and matrix products (CUDA only)
bf16  autocast: convolutions and dense layers in bfloat16, weights and loss in float32
fp16  the same in float16, with the loss scaled against underflow (torch.amp.GradScaler)
"""

from __future__ import annotations

import torch

from saih.app import InputError

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}

BLOCK_TOLERANCE = {"fp32": 1e-5, "tf32": 4e-3, "bf16": 3e-2, "fp16": 4e-3}
"""RMS error of the first block relative to its RMS: about ten times the error from the number of mantissa bits."""


def switch(precision: str, device: torch.device) -> None:
    """Set torch's global switches, for the rest of the process. Raises InputError for TF32 on a CPU."""
    if precision == "tf32" and device.type != "cuda":
        raise InputError("run.precision = tf32: needs a CUDA device; allowed on a CPU: fp32, bf16, fp16")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True  # shapes never change within a point


def autocast(precision: str, device_type: str) -> torch.autocast:
    """Return the context in which the network runs."""
    dtype = AUTOCAST.get(precision)
    return torch.autocast(device_type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)
