"""The ceilings as text: every part of a GPU machine's, each figure with a unit, each null with its reason."""

import pytest

from saih.peaks import quoted, table

RATE = {"spread_percent": 10.0}
RESULT = {
    "system": {"machine": {"device": "NVIDIA H200", "device_kind": "cuda", "device_memory_bytes": 150_754_820_096}},
    "cores_per_rank": 8,
    "peaks": [
        {
            "precision": "bf16",
            "flop_per_s": 7e14,
            "flop_per_s_low": 6.9e14,
            "flop_per_s_high": 7.1e14,
            **RATE,
            "median_flop_per_s": 7.5e14,
            "fastest_flop_per_s": 7.9e14,
            "best": "matrix product",
            "suspect": [{"cause": "clocks", "words": "rank 0 on n1: the GPU's clock fell by 9 %"}],
        }
    ],
    "ceilings": [
        {
            "ranks": 2,
            "memory": {
                "method": "how memory was",
                "entries": [
                    {"name": "copy, b = a", "memory_bytes_per_s": 4.1e12, "memory_bytes_per_s_low": 4e12, **RATE}
                    | {"memory_bytes_per_s_high": 4.15e12, "fastest_memory_bytes_per_s": 4.2e12},
                    {"name": "in place, a = -a", "median_memory_bytes_per_s": 3.9e12, **RATE},
                ],
            },
            "copies": {
                "method": "how copies were",
                "entries": [
                    {"direction": "h2d", "pinned": pinned, "bytes": 2**20, **RATE}
                    | {"bytes_per_s": 5.5e10, "median_bytes_per_s": 5e10}
                    for pinned in (True, False)
                ],
            },
            "launches": {"entries": [{"name": "round trip", "seconds": 1.25e-5, "median_seconds": 1.5e-5, **RATE}]},
            "allreduce": {
                "entries": [
                    {"ranks": 2, "bytes": 4096, "seconds": 2e-5, **RATE}
                    | {"bus_bytes_per_s": 2.5e8, "median_bus_bytes_per_s": 2e8}
                ],
            },
            "storage": {"read_bytes_per_s": None, "why": "no path was given"},
        }
    ],
}


def test_every_part_has_its_lines():
    printed = table.lines(RESULT | {"datasheet": quoted(RESULT["system"]["machine"], ("fp32", "bf16"))})
    assert printed[0] == "NVIDIA H200, 2 ranks, a device each"
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in printed]
    for line in (
        ["arithmetic, bf16", "700 TFLOP/s", "690 TFLOP/s to 710 TFLOP/s; a burst 790 TFLOP/s; matrix product"],
        ["datasheet, fp32", "67 TFLOP/s", "NVIDIA H200 datasheet, the printed figures with sparsity halved, SXM"],
        ["datasheet, memory", "4.8 TB/s", "NVIDIA H200 datasheet, the printed figures with sparsity halved, SXM"],
        ["memory, in place, a = -a", "3.9 TB/s", "median of short repeats: not among the best"],
        ["memory, copy, b = a", "4.1 TB/s", "4 TB/s to 4.15 TB/s; a burst 4.2 TB/s"],
        ["copies, h2d, pinned, 1 MiB", "55 GB/s", "median 50 GB/s"],
        ["copies, h2d, pageable, 1 MiB", "55 GB/s", "median 50 GB/s"],
        ["launch, round trip", "12.5 us", "median 15 us"],
        ["all-reduce, 2 ranks, 4 KiB", "250 MB/s", "median 200 MB/s; 20 us each"],
        ["storage, read", "unknown", "no path was given"],
        ["memory: how memory was"],
        ["copies: how copies were"],
    ):
        assert line in cells


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.23e13, "B/s", "12.3 TB/s"),
        (999.0, "B/s", "999 B/s"),
        (2e-6, "s", "2 us"),
        (0.0, "s", "0 ns"),
        (4e16, "F", "4e+04 TF"),
    ],
)
def test_quantities_have_prefixes(value, unit, text):
    assert table.quantity(value, unit) == text


def test_sizes_are_powers_of_two():
    assert [table.size(2**exponent) for exponent in (9, 12, 20, 28)] == ["512 B", "4 KiB", "1 MiB", "256 MiB"]


def test_a_suspect_ceiling_says_so():
    told = table.suspect(RESULT)
    assert told == ["suspect: arithmetic, bf16: rank 0 on n1: the GPU's clock fell by 9 %"]


def test_doubts_are_told_a_line_each():
    assert table.doubtful(["a is odd", "b is odd"]) == [
        "must not be believed: a is odd",
        "must not be believed: b is odd",
    ]
