"""Intel's accelerators since 2022.

A Max 1550 has two stacks. The driver lists each as a device, or the module as one, as set up by the user
(ZE_FLAT_DEVICE_HIERARCHY); both have a row, and they differ in memory. FP32 is that of the vector engines, all else
that of the matrix engines (XMX). Of Gaudi, Intel publishes BF16 and FP8.
"""

from __future__ import annotations

from saih.peaks.row import G, Row, T

_MAX = "Intel Data Center GPU Max Series product brief"
_GAUDI = "Intel Gaudi 3, Hot Chips 2024, table of generations"
_UNPUBLISHED = "Intel publishes no figure"
_NO_OTHERS = {"fp32": _UNPUBLISHED, "tf32": _UNPUBLISHED, "fp16": _UNPUBLISHED}
_MODULE = {"fp32": 52.4 * T, "tf32": 419 * T, "bf16": 839 * T, "fp16": 839 * T}
_STACK = {precision: flop_per_s / 2 for precision, flop_per_s in _MODULE.items()}

ROWS = (
    Row(("Intel(R) Data Center GPU Max 1550",), _MODULE, 3276.8 * G, 128, f"{_MAX}, Max 1550"),
    Row(("Intel(R) Data Center GPU Max 1550",), _STACK, 1638.4 * G, 64, f"{_MAX}, Max 1550, one of two stacks"),
    Row(
        ("Intel(R) Data Center GPU Max 1100",),
        {"fp32": 22.2 * T},
        1228.8 * G,
        48,
        f"{_MAX}, Max 1100",
        dict.fromkeys(("tf32", "bf16", "fp16"), "no figure of its matrix engines was found"),
    ),
    Row(("GAUDI",), {"bf16": 60 * T}, 900 * G, 32, _GAUDI, _NO_OTHERS),
    Row(("GAUDI2",), {"bf16": 432 * T}, 2460 * G, 96, _GAUDI, _NO_OTHERS),
    Row(("GAUDI3",), {"bf16": 1835 * T}, 3670 * G, 128, _GAUDI, _NO_OTHERS),
)
