"""What physics allows: of cores by their extensions and clock, of GPUs by their datasheet; and what a record keeps."""

import os
import time

import pytest

from saih.peaks import limit as limits
from saih.peaks.highest import ceilings_of, highest
from saih.peaks.limit import limit
from saih.peaks.processor import SHIPPED_HZ, core_limit, highest_clock

H200 = {"device": "NVIDIA H200", "device_kind": "cuda", "device_memory_bytes": 150_109_880_320}


def processor(tmp_path, flags, architecture="x86_64", name="flags", sve=None):
    """What is said of a processor with these extensions, two cores alike."""
    cpuinfo, bytes_ = tmp_path / "cpuinfo", tmp_path / "sve"
    cpuinfo.write_text(f"processor : 0\n{name}\t\t: {flags}\n\nprocessor : 1\n{name}\t\t: {flags}\n")
    if sve:
        bytes_.write_text(f"{sve}\n")
    return core_limit(architecture, cpuinfo, tmp_path / "cpus", bytes_)


@pytest.mark.parametrize(
    ("flags", "fp32", "bf16", "fp16"),
    [
        ("fpu sse sse2", 8, 8, 8),
        ("sse2 avx", 16, 16, 16),  # Sandy Bridge
        ("sse2 avx fma avx2", 32, 32, 32),  # Haswell, Zen 2
        ("sse2 avx fma avx2 avx512f avx512_vnni", 64, 64, 64),  # Ice Lake
        ("sse2 avx fma avx2 avx512f avx512_bf16", 64, 128, 64),  # Zen 4
        ("sse2 avx fma avx512f avx512_bf16 avx512_fp16 amx_bf16 amx_tile", 64, 1024, 128),  # Sapphire Rapids
        ("sse2 avx fma avx512f avx512_bf16 avx512_fp16 amx_bf16 amx_fp16", 64, 1024, 1024),  # Granite Rapids
    ],
)
def test_flop_a_cycle_of_x86(tmp_path, flags, fp32, bf16, fp16):
    assert processor(tmp_path, flags)["flop_per_cycle"] == {"fp32": fp32, "bf16": bf16, "fp16": fp16}


@pytest.mark.parametrize(
    ("flags", "sve", "fp32", "bf16", "fp16"),
    [
        ("fp asimd", None, 32, 32, 32),  # Neoverse N1 has half of it
        ("fp asimd asimdhp bf16 sve", 16, 32, 128, 64),  # Neoverse V2: 4 x 128 bits
        ("fp asimd asimdhp sve", 64, 64, 64, 128),  # A64FX: 2 x 512 bits
        ("fp asimd asimdhp sve", None, 64, 64, 128),  # as wide as any, where nobody tells
    ],
)
def test_flop_a_cycle_of_arm(tmp_path, flags, sve, fp32, bf16, fp16):
    found = processor(tmp_path, flags, "aarch64", "Features", sve)
    assert found["flop_per_cycle"] == {"fp32": fp32, "bf16": bf16, "fp16": fp16}


@pytest.mark.parametrize(
    ("architecture", "flags", "precision", "why"),
    [
        ("riscv64", "v", "fp32", "no bound is known for the architecture riscv64"),
        ("aarch64", "asimd sme", "fp32", "matrix unit (sme) is not published"),
        ("x86_64", "sse2 avx512f amx_bf16 amx_tf32", "bf16", "tile unit (amx_tf32) is not published"),
        ("x86_64", "fpu", "fp32", "lists no vector extension"),
    ],
)
def test_what_nobody_published_has_no_bound_but_a_reason(tmp_path, architecture, flags, precision, why):
    name = "Features" if architecture == "aarch64" else "flags"
    core = processor(tmp_path, flags, architecture, name)
    found = limit({"device_kind": "cpu", "core_limit": core}, precision, 4)
    assert why in found["why"]
    assert "flop_per_s" not in found


def clock(tmp_path, core, driver, khz):
    folder = tmp_path / f"cpu{core}" / "cpufreq"
    folder.mkdir(parents=True)
    (folder / "scaling_driver").write_text(f"{driver}\n")
    (folder / "cpuinfo_max_freq").write_text(f"{khz}\n")


def test_the_clock_is_the_highest_that_a_driver_tells(tmp_path):
    clock(tmp_path, 0, "intel_pstate", 3_900_000)
    clock(tmp_path, 1, "intel_pstate", 4_100_000)
    assert highest_clock(tmp_path, "x86_64") == (4.1e9, "cpuinfo_max_freq")


def test_a_driver_that_may_leave_out_turbo_clocks_is_not_believed(tmp_path):
    clock(tmp_path, 0, "acpi-cpufreq", 2_000_000)
    assert highest_clock(tmp_path, "x86_64") == SHIPPED_HZ["x86_64"]
    assert highest_clock(tmp_path / "none", "aarch64") == SHIPPED_HZ["aarch64"]


def test_a_cpus_limit_is_cores_times_clock_times_flop(tmp_path):
    machine = {"device_kind": "cpu", "device": "x", "core_limit": processor(tmp_path, "sse2 avx fma avx512f")}
    found = limit(machine, "fp32", 8)
    assert found["flop_per_s"] == pytest.approx(8 * 6.2e9 * 64)
    assert found["method"].startswith("8 cores x 6.2 GHz (highest of any x86 processor as shipped")
    assert limit(machine, "tf32", 8) == found
    assert "not recorded" in limit({"device_kind": "cpu", "device": "x"}, "fp32", 8)["why"]  # method 7


def test_this_processor_computes_less_than_its_limit():
    """A product on all cores at hand, as fast as torch's library can."""
    torch = pytest.importorskip("torch")
    found = limit({"device_kind": "cpu", "core_limit": core_limit()}, "fp32", len(os.sched_getaffinity(0)))
    if "why" in found:
        assert found["why"]
        return
    a = torch.rand(1024, 1024)
    start = time.perf_counter()
    for _ in range(5):
        torch.mm(a, a)
    assert 5 * 2 * 1024**3 / (time.perf_counter() - start) < found["flop_per_s"]


def test_a_gpus_limit_is_its_datasheet_at_the_highest_clock():
    found = limit(H200, "bf16", None)
    assert found["flop_per_s"] == pytest.approx(limits.BEYOND_CLOCK * 989e12)
    assert found["flop_per_s"] > 132 * 4096 * 1.98e9  # all units at the highest clock
    assert "no datasheet peak" in limit(H200 | {"device": "Unheard Of"}, "bf16", None)["why"]


def test_clocks_within_the_table_stay_within_the_tolerance():
    """An SM does 16 times as much in BF16 as in FP32 on Hopper, so that the two printed figures tell their clocks."""
    from saih.peaks.datasheets import datasheet

    for name in ("NVIDIA H100 80GB HBM3", "NVIDIA H100 PCIe", "NVIDIA H100 NVL", "NVIDIA H200"):
        fp32, bf16 = (datasheet(name, each)["flop_per_s"] for each in ("fp32", "bf16"))
        assert 1.07 < 16 * fp32 / bf16 < limits.BEYOND_CLOCK


PEAK = {
    "ranks": 2, "precision": "fp32", "best": "product", "flop_per_s": 100.0, "flop_per_s_low": 98.0,
    "flop_per_s_high": 103.0, "interval": "within-run, 95 %", "fastest_flop_per_s": 120.0,
    "median_flop_per_s": 101.0, "repeats": [99.0, 101.0], "settling": {"seconds": 2.04, "repeats": 20},
    "suspect": [{"cause": "clocks", "words": "the cores' clock fell"}],
}  # fmt: skip


def test_a_record_keeps_all_of_the_yardstick():
    core = {"flop_per_cycle": {"fp32": 64}, "extensions": ["avx512f"], "clock_hz": 1e9, "clock_source": "s", "why": {}}
    machine = {"device_kind": "cpu", "device": "x", "core_limit": core}
    memory = {"memory_bytes_per_s": 10.0, "memory_bytes_per_s_low": 9.0, "memory_bytes_per_s_high": 11.0}
    system = {
        "machine": machine,
        "cores_per_rank": 3,
        "peaks": [PEAK | {"ranks": 1, "flop_per_s": 1.0}, PEAK],
        "ceilings": [{"ranks": 2, "memory": memory | {"suspect": [{"cause": "c", "words": "w"}]}}],
    }
    found = highest(system, 2, "fp32")
    assert {name: found[name] for name in found if name.startswith("flop_per_s")} == {
        "flop_per_s": 100.0,
        "flop_per_s_low": 98.0,
        "flop_per_s_high": 103.0,
        "flop_per_s_interval": "within-run, 95 %",
        "flop_per_s_fastest": 120.0,
        "flop_per_s_method": "sustained, total operations over total time of 2 repeats after 2 s of settling: product",
        "flop_per_s_suspect": ["the cores' clock fell"],
        "flop_per_s_limit": 192e9,
        "flop_per_s_limit_method": "3 cores x 1 GHz (s) x 64 FLOP a cycle (avx512f), a generous bound",
    }
    assert (found["memory_bytes_per_s_low"], found["memory_bytes_per_s_suspect"]) == (9.0, ["w"])


OLD = {
    "method_version": 7,
    "machine": H200,
    "peaks": [
        {
            "ranks": 1, "precision": "bf16", "best": "product", "flop_per_s": 804.9e12, "median_flop_per_s": 701.2e12,
            "entries": [
                {"name": "product", "flop_per_s": 804.9e12, "median_flop_per_s": 701.2e12},
                {"name": "conv", "flop_per_s": 736.1e12, "median_flop_per_s": 728.6e12},
            ],
        }
    ],
    "ceilings": [{"ranks": 1, "memory": {"memory_bytes_per_s": 4.38e12, "median_memory_bytes_per_s": 4.38e12}}],
}  # fmt: skip


def test_folders_before_version_8_are_read_with_their_highest_median():
    found = highest(OLD, 1, "bf16")
    assert (found["flop_per_s"], found["flop_per_s_fastest"]) == (728.6e12, 804.9e12)
    assert found["flop_per_s_low"] is found["flop_per_s_high"] is None
    assert "method versions before 8" in found["why"]["flop_per_s_low"]
    assert "a sustained rate was not measured: conv" in found["flop_per_s_method"]
    assert found["flop_per_s_limit"] == pytest.approx(1.16 * 989e12)
    assert set(found["why"]) == {name for name in found if found[name] is None}


def test_an_old_records_ceilings_are_made_anew_and_a_new_ones_are_kept():
    old = {"system": {"ceilings": {"flop_per_s": 804.9e12}, "ranks": [{}]}, "point": {"run": {"precision": "bf16"}}}
    old["point"]["run"]["ranks"] = 1
    assert ceilings_of(old, OLD)["flop_per_s"] == 728.6e12
    assert ceilings_of(old, {})["flop_per_s"] == 804.9e12  # no system.json is left
    new = {"system": {"ceilings": {"flop_per_s": 5.0, "flop_per_s_method": "sustained"}}, "point": old["point"]}
    assert ceilings_of(new, OLD) == new["system"]["ceilings"]
