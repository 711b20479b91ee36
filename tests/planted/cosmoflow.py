"""Points of CosmoFlow beside the planted ones: nothing is planted, and what they are bound by is known in part only."""

from __future__ import annotations

from typing import Any

from tests.planted.plants import launched

OUTSIDE = (
    "input (storage)", "input (decode)", "input (copy)", "input (contention)", "input", "communication", "straggler",
    "capacity",
)  # fmt: skip
"""What lies outside the step itself: with input held in memory and one rank none of it may be named."""

EXPECTED = {"tiny-batch": "host", "wide": "compute"}
"""What a GPU is bound by at the two ends: its host, where kernels are short, and arithmetic in wide layers."""


def cosmoflow(device: str, max_s: float, repeats: int = 1) -> list[dict[str, Any]]:
    """Configurations; input held in memory. On a GPU from a tiny batch (launches) to a wide network (arithmetic)."""
    if device == "cpu":
        return [_config("cosmoflow", device, max_s, repeats, {"edge": [16, 32], "width": 0.5, "depth": 1}, 4)]
    return [
        _config("tiny-batch", device, max_s, repeats, {"edge": 32, "width": 0.5, "depth": 1}, 1),
        _config("wide", device, max_s, repeats, {"edge": 64, "width": 8, "depth": 1}, 8),
    ]


def _config(name: str, device: str, max_s: float, repeats: int, size: dict[str, Any], batch: int) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": name,
        "app": "cosmoflow",
        "size": size,
        "run": {"batch": batch, "precision": "fp32" if device == "cpu" else "bf16", "input": "synthetic"},
        "sweep": {"repeats": repeats},
        "measure": {"target_percent": 1, "max_s": max_s},
        "limits": {"point_timeout_s": 120},
        "launch": launched(device),
    }
