"""With how many bits products in fp32 are really computed here: a switch somewhere may have them use fewer.

TF32 keeps 10 bits of a factor's mantissa, bfloat16 7, fp32 23. A product with an identity gives its other factor
back, rounded to what the arithmetic keeps; the largest relative difference is half of its last bit. So it is seen what
flags and variables do (NVIDIA_TF32_OVERRIDE, torch's allow_tf32, oneDNN's fpmath mode), whatever they are called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

EDGE = 512
"""Of the matrices: large enough for the kernels that large products use."""
CHANNELS, SIDE = 32, 16
"""Of the convolution's samples."""


def errors(device: str) -> dict[str, float]:
    """{"matrix_product_error", "convolution_error"}: largest relative difference from the exact result."""
    import torch

    with torch.no_grad(), torch.autocast(device.partition(":")[0], enabled=False):
        generator = torch.Generator("cpu").manual_seed(1)
        fp32: Any = {"dtype": torch.float32, "device": "cpu"}  # whatever types and devices the application prefers
        factor = (torch.rand(EDGE, EDGE, generator=generator, **fp32) + 1).to(device)
        samples = (torch.rand(2, CHANNELS, SIDE, SIDE, SIDE, generator=generator, **fp32) + 1).to(device)
        kernel = torch.zeros(CHANNELS, CHANNELS, 3, 3, 3, **fp32)
        kernel[range(CHANNELS), range(CHANNELS), 1, 1, 1] = 1
        kernel, identity = kernel.to(device), torch.eye(EDGE, **fp32).to(device)
        return {
            "matrix_product_error": _error(factor, lambda x: x @ identity),
            "convolution_error": _error(samples, lambda x: torch.nn.functional.conv3d(x, kernel, padding=1)),
        }


def _error(exact: Any, product: Callable[[Any], Any]) -> float:
    return float(((product(exact) - exact).abs() / exact).max())
