"""The table of datasheets: dense, sourced, matched by full names, and in keeping with what the chips are made of."""

import pytest

from saih.peaks.datasheets import DATASHEETS, PRECISIONS, ROWS, bandwidth, datasheet

MHZ = 1e6


def peak(name, precision, memory_gib=None):
    return datasheet(name, precision, memory_gib and int(memory_gib * 2**30)).get("flop_per_s")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.names[0]} {row.memory_gib:g} GB")
def test_a_row_is_whole(row):
    assert any(maker in row.source for maker in ("NVIDIA ", "AMD ", "Intel "))
    assert any(word in row.source for word in ("datasheet", "data sheet", "brief", "table"))
    assert set(row.flop_per_s) <= set(PRECISIONS)
    assert not set(row.flop_per_s) & set(row.missing)
    assert row.flop_per_s or row.missing
    assert all(1e12 < figure < 1e16 for figure in row.flop_per_s.values())
    assert 1e11 < row.memory_bytes_per_s < 1e13
    assert 4 <= row.memory_gib <= 512


def test_name_and_memory_tell_every_row_from_every_other():
    keys = [(name, row.memory_gib) for row in ROWS for name in row.names]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_question_has_a_figure_with_its_source_or_a_reason(precision):
    for name, rows in DATASHEETS.items():
        for row in rows:
            found = datasheet(name, precision, int(row.memory_gib * 2**30))
            assert set(found) in ({"flop_per_s", "source"}, {"why"}), name
            assert all(found.values()), name


# units, FLOPs of each at a clock, boost clock: NVIDIA's architecture white papers (SMs; FP32 cores x 2; tensor cores'
# dense rate), AMD's CDNA ISA guides and white papers (compute units), Intel's Xe-HPC overview (Xe cores)
CHIPS = [
    ("Tesla P100-SXM2-16GB", "fp32", 56, 128, 1480),
    ("Tesla P100-SXM2-16GB", "fp16", 56, 256, 1480),
    ("Tesla P100-PCIE-16GB", "fp32", 56, 128, 1303),
    ("Tesla V100-SXM2-16GB", "fp32", 80, 128, 1530),
    ("Tesla V100-SXM2-32GB", "fp16", 80, 1024, 1530),
    ("Tesla V100-PCIE-16GB", "fp16", 80, 1024, 1370),
    ("Tesla V100S-PCIE-32GB", "fp32", 80, 128, 1601),
    ("Tesla T4", "fp32", 40, 128, 1590),
    ("Tesla T4", "fp16", 40, 1024, 1590),
    ("NVIDIA A100-SXM4-80GB", "fp32", 108, 128, 1410),
    ("NVIDIA A100-SXM4-80GB", "tf32", 108, 1024, 1410),
    ("NVIDIA A100 80GB PCIe", "bf16", 108, 2048, 1410),
    ("NVIDIA A30", "bf16", 56, 2048, 1440),
    ("NVIDIA A40", "bf16", 84, 1024, 1740),
    ("NVIDIA A10", "fp32", 72, 256, 1695),
    ("NVIDIA L40S", "fp32", 142, 256, 2520),
    ("NVIDIA L40S", "bf16", 142, 1024, 2520),
    ("NVIDIA H100 80GB HBM3", "fp32", 132, 256, 1980),
    ("NVIDIA H100 80GB HBM3", "tf32", 132, 2048, 1830),
    ("NVIDIA H200", "bf16", 132, 4096, 1830),
    ("NVIDIA H100 PCIe", "fp32", 114, 256, 1755),
    ("NVIDIA H100 PCIe", "bf16", 114, 4096, 1620),
    ("AMD Instinct MI100", "fp32", 120, 256, 1502),
    ("AMD Instinct MI100", "fp16", 120, 1024, 1502),
    ("AMD Instinct MI100", "bf16", 120, 512, 1502),
    ("AMD Instinct MI210", "bf16", 104, 1024, 1700),
    ("AMD Instinct MI250", "fp16", 104, 1024, 1700),
    ("AMD Instinct MI250X", "fp32", 110, 256, 1700),
    ("AMD Instinct MI250X", "bf16", 110, 1024, 1700),
    ("AMD Instinct MI300A", "bf16", 228, 2048, 2100),
    ("AMD Instinct MI300X", "fp32", 304, 256, 2100),
    ("AMD Instinct MI300X", "tf32", 304, 1024, 2100),
    ("AMD Instinct MI325X", "fp16", 304, 2048, 2100),
    ("AMD Instinct MI350X", "bf16", 256, 4096, 2200),
    ("AMD Instinct MI355X", "fp32", 256, 256, 2400),
    ("AMD Instinct MI355X", "bf16", 256, 4096, 2400),
]


@pytest.mark.parametrize(("name", "precision", "units", "flop_per_clock", "mhz"), CHIPS)
def test_a_peak_is_units_times_flops_times_clock(name, precision, units, flop_per_clock, mhz):
    assert peak(name, precision) == pytest.approx(units * flop_per_clock * mhz * MHZ, rel=0.015)


@pytest.mark.parametrize(("gib", "stacks"), [(128, 2), (64, 1)])
def test_a_max_1550_is_two_devices_or_one_as_its_memory_tells(gib, stacks):
    name = "Intel(R) Data Center GPU Max 1550"
    for precision, flop_per_clock in {"fp32": 256, "tf32": 2048, "bf16": 4096}.items():
        of_cores = stacks * 64 * flop_per_clock * 1600 * MHZ  # 64 Xe cores a stack
        assert peak(name, precision, gib) == pytest.approx(of_cores, rel=0.01)
    assert "several devices" in datasheet(name, "fp32")["why"]


# bits of the memory's bus, and bits a second of each
BUSES = [
    ("Tesla P40", 384, 7.2e9),
    ("Tesla V100-SXM2-32GB", 4096, 1.754e9),
    ("Tesla T4", 256, 10e9),
    ("NVIDIA A100-SXM4-40GB", 5120, 2.43e9),
    ("NVIDIA A30", 3072, 2.43e9),
    ("NVIDIA A40", 384, 14.5e9),
    ("NVIDIA A10", 384, 12.5e9),
    ("NVIDIA L40S", 384, 18e9),
    ("NVIDIA L4", 192, 12.5e9),
    ("NVIDIA H100 80GB HBM3", 5120, 5.23e9),
    ("AMD Instinct MI100", 4096, 2.4e9),
    ("AMD Instinct MI250X", 4096, 3.2e9),
    ("AMD Instinct MI300X", 8192, 5.2e9),
    ("AMD Instinct MI325X", 8192, 6e9),
    ("AMD Instinct MI355X", 8192, 8e9),
]


@pytest.mark.parametrize(("name", "bits", "bits_per_s"), BUSES)
def test_a_bandwidth_is_the_buss_width_times_its_rate(name, bits, bits_per_s):
    assert bandwidth(name)["memory_bytes_per_s"] == pytest.approx(bits / 8 * bits_per_s, rel=0.03)


# what the datasheets print "with sparsity"
SPARSE_TFLOPS = [
    ("NVIDIA A100-SXM4-40GB", {"tf32": 312, "bf16": 624}),
    ("NVIDIA H100 80GB HBM3", {"tf32": 989, "fp16": 1979}),
    ("NVIDIA H100 NVL", {"tf32": 835, "bf16": 1671}),
    ("NVIDIA L40S", {"tf32": 366, "bf16": 733}),
    ("NVIDIA L4", {"tf32": 120, "bf16": 242}),
    ("NVIDIA B200", {"bf16": 4500}),
    ("AMD Instinct MI300X", {"tf32": 1307.4, "bf16": 2614.9}),
]


@pytest.mark.parametrize(("name", "sparse"), SPARSE_TFLOPS)
def test_peaks_are_dense(name, sparse):
    for precision, tflops in sparse.items():
        assert peak(name, precision) == pytest.approx(tflops / 2 * 1e12, rel=0.02)


def test_since_ampere_bf16_is_twice_tf32_and_equals_fp16():
    both = [row for row in ROWS if "tf32" in row.flop_per_s]
    assert len(both) > 15
    for row in both:
        assert row.flop_per_s["bf16"] / row.flop_per_s["tf32"] == pytest.approx(2, rel=0.03)
        assert row.flop_per_s["bf16"] == row.flop_per_s["fp16"]


def test_cards_and_modules_of_one_name_differ():
    assert peak("Tesla V100-PCIE-16GB", "fp16") < peak("Tesla V100-SXM2-16GB", "fp16")
    assert peak("NVIDIA H100 PCIe", "bf16") < peak("NVIDIA H100 NVL", "bf16") < peak("NVIDIA H100 80GB HBM3", "bf16")


@pytest.mark.parametrize(
    "name", ["NVIDIA A100", "NVIDIA H100", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", "nvidia h200", "", "AMD EPYC"]
)
def test_only_a_full_name_is_known(name):
    assert "no datasheet peak is listed" in datasheet(name, "bf16")["why"]
    assert "no datasheet peak is listed" in bandwidth(name)["why"]


@pytest.mark.parametrize(("name", "gib"), [("AMD Instinct MI300X", 24), ("NVIDIA H200", 35), ("NVIDIA A40", 96)])
def test_a_part_of_a_device_does_not_get_the_wholes_figures(name, gib):
    for found in (datasheet(name, "bf16", gib * 2**30), bandwidth(name, gib * 2**30)):
        assert "a part of one, or another device" in found["why"]


# total_memory as drivers report it
@pytest.mark.parametrize(
    ("name", "memory_bytes"),
    [
        ("NVIDIA H100 80GB HBM3", 85_024_112_640),
        ("NVIDIA H200", 150_754_820_096),
        ("NVIDIA A100-SXM4-40GB", 42_405_855_232),
        ("Tesla V100-SXM2-16GB", 16_945_512_448),
        ("NVIDIA GH200 144G HBM3e", 153_008_209_920),
        ("Tesla T4", 15_828_320_256),
        ("Intel(R) Data Center GPU Max 1550", 68_702_699_520),
        ("AMD Instinct MI250X", 68_702_699_520),
    ],
)
def test_memory_as_reported_fits_the_row(name, memory_bytes):
    assert datasheet(name, "fp32", memory_bytes)["flop_per_s"] > 0
    assert bandwidth(name, memory_bytes)["memory_bytes_per_s"] > 0


@pytest.mark.parametrize(
    ("name", "precision", "why"),
    [
        ("Tesla V100-SXM2-32GB", "bf16", "has no datapath for bf16"),
        ("AMD Instinct MI355X", "tf32", "has no datapath for tf32"),
        ("Tesla P40", "fp16", "64th"),
        ("NVIDIA B200", "fp32", "documents differ"),
        ("AMD Instinct MI250X/MI250", "bf16", "one name"),
        ("GAUDI3", "fp32", "publishes no figure"),
    ],
)
def test_a_missing_precision_says_why(name, precision, why):
    assert why in datasheet(name, precision)["why"]


def test_what_two_devices_of_a_name_share_is_known():
    assert bandwidth("AMD Instinct MI50/MI60", 16 * 2**30)["memory_bytes_per_s"] == 1024e9
    assert "one name" in datasheet("AMD Instinct MI50/MI60", "fp16", 16 * 2**30)["why"]
