"""NVIDIA's accelerators since 2016.

From Ampere on, datasheets print figures "with sparsity", twice the dense ones; the dense ones are listed here. FP32 is
that of the ordinary cores, since the tensor cores take TF32 at most; without TF32 they take FP16. PCIe cards have rows
of their own: they clock lower than modules of the same name.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from saih.peaks.row import G, Row, T

_SPARSE = "the printed figures with sparsity halved"


def _tensor(fp32: float, tf32: float, half: float) -> dict[str, float]:
    """Return TFLOP/s since Ampere, with BF16 and FP16 equally fast."""
    return {"fp32": fp32 * T, "tf32": tf32 * T, "bf16": half * T, "fp16": half * T}


def _pascal_to_turing() -> Iterator[Row]:
    p100 = "NVIDIA Tesla P100 datasheet"
    sxm, pcie = {"fp32": 10.6 * T, "fp16": 21.2 * T}, {"fp32": 9.3 * T, "fp16": 18.7 * T}
    yield Row(("Tesla P100-SXM2-16GB",), sxm, 732 * G, 16, f"{p100}, NVLink")
    yield Row(("Tesla P100-PCIE-16GB",), pcie, 732 * G, 16, f"{p100}, PCIe")
    yield Row(("Tesla P100-PCIE-12GB",), pcie, 549 * G, 12, f"{p100}, PCIe, 12 GB")
    slow = {"fp16": "FP16 runs at a 64th of the FP32 rate, and the datasheet gives no figure"}
    yield Row(("Tesla P40",), {"fp32": 12 * T}, 346 * G, 24, "NVIDIA Tesla P40 datasheet", slow)
    yield Row(("Tesla P4",), {"fp32": 5.5 * T}, 192 * G, 8, "NVIDIA Tesla P4 datasheet", slow)
    v100 = "NVIDIA V100 datasheet"
    for gib in (16, 32):
        sxm, pcie = {"fp32": 15.7 * T, "fp16": 125 * T}, {"fp32": 14 * T, "fp16": 112 * T}
        yield Row((f"Tesla V100-SXM2-{gib}GB",), sxm, 900 * G, gib, f"{v100}, SXM2")
        yield Row((f"Tesla V100-PCIE-{gib}GB",), pcie, 900 * G, gib, f"{v100}, PCIe")
    v100s = {"fp32": 16.4 * T, "fp16": 130 * T}
    yield Row(("Tesla V100S-PCIE-32GB",), v100s, 1134 * G, 32, f"{v100}, V100S PCIe")
    # its datasheet prints 300 GB/s, its product brief 320: 256 bits at 10 Gbit/s
    yield Row(("Tesla T4",), {"fp32": 8.1 * T, "fp16": 65 * T}, 320 * G, 16, "NVIDIA T4 datasheet and product brief")


def _ampere() -> Iterator[Row]:
    a100 = _tensor(19.5, 156, 312)
    source = "NVIDIA A100 datasheet, dense"
    yield Row(("NVIDIA A100-SXM4-40GB", "A100-SXM4-40GB"), a100, 1555 * G, 40, f"{source}, SXM4")
    yield Row(("NVIDIA A100-SXM4-80GB", "A100-SXM4-80GB"), a100, 2039 * G, 80, f"{source}, SXM4")
    yield Row(("NVIDIA A100-PCIE-40GB", "A100-PCIE-40GB"), a100, 1555 * G, 40, f"{source}, PCIe")
    yield Row(("NVIDIA A100 80GB PCIe",), a100, 1935 * G, 80, f"{source}, PCIe")
    yield Row(("NVIDIA A30",), _tensor(10.3, 82, 165), 933 * G, 24, "NVIDIA A30 datasheet, dense")
    yield Row(("NVIDIA A40",), _tensor(37.4, 74.8, 149.7), 696 * G, 48, "NVIDIA A40 datasheet, dense")
    yield Row(("NVIDIA A10",), _tensor(31.2, 62.5, 125), 600 * G, 24, "NVIDIA A10 datasheet, dense")
    yield Row(("NVIDIA A16",), _tensor(4.5, 9, 17.9), 200 * G, 16, "NVIDIA A16 datasheet, dense, one of its four GPUs")
    yield Row(("NVIDIA A2",), _tensor(4.5, 9, 18), 200 * G, 16, "NVIDIA A2 datasheet, dense")


def _ada_and_hopper() -> Iterator[Row]:
    yield Row(("NVIDIA L4",), _tensor(30.3, 60, 121), 300 * G, 24, f"NVIDIA L4 datasheet, {_SPARSE}")
    yield Row(("NVIDIA L40",), _tensor(90.5, 90.5, 181.05), 864 * G, 48, "NVIDIA L40 datasheet, dense")
    yield Row(("NVIDIA L40S",), _tensor(91.6, 183, 362.05), 864 * G, 48, "NVIDIA L40S datasheet, dense")
    sxm, pcie, nvl = _tensor(67, 494.5, 989), _tensor(51, 378, 756.5), _tensor(60, 417.5, 835.5)
    h100 = f"NVIDIA H100 datasheet, {_SPARSE}"
    yield Row(("NVIDIA H100 80GB HBM3",), sxm, 3350 * G, 80, f"{h100}, SXM5")
    yield Row(("NVIDIA H100 PCIe",), pcie, 2000 * G, 80, f"{h100}, PCIe")
    yield Row(("NVIDIA H100 NVL",), nvl, 3900 * G, 94, f"{h100}, NVL, one card")
    h200 = f"NVIDIA H200 datasheet, {_SPARSE}"
    yield Row(("NVIDIA H200",), sxm, 4800 * G, 141, f"{h200}, SXM")
    yield Row(("NVIDIA H200 NVL",), nvl, 4800 * G, 141, f"{h200}, NVL")
    # 120 and 480 GB are those of the Grace processor beside it
    gh200 = f"NVIDIA GH200 datasheet, {_SPARSE}"
    yield Row(("NVIDIA GH200 120GB", "NVIDIA GH200 480GB"), sxm, 4000 * G, 96, f"{gh200}, HBM3")
    yield Row(("NVIDIA GH200 144G HBM3e",), sxm, 4900 * G, 144, f"{gh200}, HBM3e")


def _blackwell() -> Iterator[Row]:
    unclear = {"fp32": "NVIDIA's documents differ: 75 and 80 TFLOP/s"}
    hgx, superchip = {"bf16": 2250 * T, "fp16": 2250 * T}, {"tf32": 1250 * T, "bf16": 2500 * T, "fp16": 2500 * T}
    rounded = {**unclear, "tf32": "NVIDIA's documents differ: 1100 and 1125 TFLOP/s"}
    source = f"NVIDIA Blackwell architecture technical brief, {_SPARSE}"
    yield Row(("NVIDIA B200",), hgx, 8000 * G, 180, f"{source}, HGX B200", rounded)
    yield Row(("NVIDIA B300 SXM6 AC",), hgx, 8000 * G, 288, f"{source}, HGX B300", rounded)
    yield Row(("NVIDIA GB200",), superchip, 8000 * G, 186, f"{source}, GB200 NVL72, one GPU", unclear)
    yield Row(("NVIDIA GB300",), superchip, 8000 * G, 288, f"{source}, GB300 NVL72, one GPU", unclear)


ROWS = tuple(chain(_pascal_to_turing(), _ampere(), _ada_and_hopper(), _blackwell()))
