"""AMD's accelerators since 2017.

From the MI100 on, FP32 is that of the matrix cores, which the libraries' products use; the vector units reach half of
it up to the MI200 series. An MI250 or MI250X is two devices, each with half of the module's figures. TF32 exists in the
MI300 series only. Memory is printed by AMD in GB of 2^30 bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from saih.peaks.row import G, Row, T


def _vega() -> Iterator[Row]:
    mi25 = {"fp32": 12.3 * T, "fp16": 24.6 * T}
    yield Row(("Radeon Instinct MI25",), mi25, 484 * G, 16, "AMD Radeon Instinct MI25 datasheet")
    two = "the driver has one name for the MI50 and the MI60, which differ"
    missing = {"fp32": two, "fp16": two}
    for gib in (16, 32):
        yield Row(("AMD Instinct MI50/MI60",), {}, 1024 * G, gib, "AMD Radeon Instinct MI50, MI60 datasheets", missing)


def _cdna_1_and_2() -> Iterator[Row]:
    mi100 = {"fp32": 46.1 * T, "bf16": 92.3 * T, "fp16": 184.6 * T}
    yield Row(("AMD Instinct MI100",), mi100, 1228.8 * G, 32, "AMD Instinct MI100 data sheet, matrix")
    mi210 = {"fp32": 45.3 * T, "bf16": 181 * T, "fp16": 181 * T}
    yield Row(("AMD Instinct MI210",), mi210, 1638.4 * G, 64, "AMD Instinct MI210 data sheet, matrix")
    half = "AMD Instinct MI200 series data sheet, matrix, half of a module"
    mi250 = {"fp32": 90.5 / 2 * T, "bf16": 362.1 / 2 * T, "fp16": 362.1 / 2 * T}
    yield Row(("AMD Instinct MI250",), mi250, 1638.4 * G, 64, f"{half} (MI250)")
    mi250x = {"fp32": 95.7 / 2 * T, "bf16": 383 / 2 * T, "fp16": 383 / 2 * T}
    yield Row(("AMD Instinct MI250X",), mi250x, 1638.4 * G, 64, f"{half} (MI250X)")
    two = "the driver has one name for the MI250X and the MI250, which differ"
    either = {"fp32": two, "bf16": two, "fp16": two}
    yield Row(("AMD Instinct MI250X/MI250",), {}, 1638.4 * G, 64, f"{half} (either)", either)


def _cdna_3_and_4() -> Iterator[Row]:
    mi300a = {"fp32": 122.6 * T, "tf32": 490.3 * T, "bf16": 980.6 * T, "fp16": 980.6 * T}
    yield Row(("AMD Instinct MI300A",), mi300a, 5300 * G, 128, "AMD Instinct MI300A data sheet, dense")
    mi300x = {"fp32": 163.4 * T, "tf32": 653.7 * T, "bf16": 1307.4 * T, "fp16": 1307.4 * T}
    yield Row(("AMD Instinct MI300X",), mi300x, 5300 * G, 192, "AMD Instinct MI300X data sheet, dense")
    yield Row(("AMD Instinct MI325X",), mi300x, 6000 * G, 256, "AMD Instinct MI325X data sheet, dense")
    mi350x = {"fp32": 144.2 * T, "bf16": 2306.9 * T, "fp16": 2306.9 * T}
    yield Row(("AMD Instinct MI350X",), mi350x, 8000 * G, 288, "AMD Instinct MI350X data sheet, dense")
    mi355x = {"fp32": 157.3 * T, "bf16": 2516.6 * T, "fp16": 2516.6 * T}
    yield Row(("AMD Instinct MI355X",), mi355x, 8000 * G, 288, "AMD Instinct MI355X data sheet, dense")


ROWS = tuple(chain(_vega(), _cdna_1_and_2(), _cdna_3_and_4()))
