"""The bound of a processor's core: no work can exceed it, and none is expected to reach it.

    FLOP/s of a core <= FLOP a cycle x highest clock

FLOP a cycle follow from the extensions that the kernel lists, as if every core had the fastest units of any processor
with such an extension; a core with one unit instead of two gets the bound of two.

    x86     two fused multiply-add units of full width (Intel 64 and IA-32 Architectures Optimization Reference Manual;
            AMD Software Optimization Guides, Zen 1 to 5): 16 lanes x 2 units x 2 with AVX-512, half of it with AVX and
            FMA; with plain AVX or SSE one unit multiplies while another adds. VDPBF16PS and FP16 lanes double it. An
            AMX tile product of 16 x 16 x 32 BF16 or FP16 takes 16 cycles (same manual): 1024 FLOP a cycle
    Arm     four 128-bit pipes (Arm Neoverse V2 Core Software Optimization Guide) or two as wide as SVE (Fujitsu A64FX
            Microarchitecture Manual: 512 bits), whichever is more; FP16 doubles it; BFMMLA has four times the
            multiply-adds of FP32 in as many bits (Arm Architecture Reference Manual)

If an extension's rate is not published, there is no bound but a reason.
"""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

PROCESSORS = Path("/proc/cpuinfo")
CPUS = Path("/sys/devices/system/cpu")
SVE_BYTES = Path("/proc/sys/abi/sve_default_vector_length")

SHIPPED_HZ = {
    "x86_64": (6.2e9, "highest of any x86 processor as shipped: Intel Core i9-14900KS"),
    "aarch64": (5.0e9, "highest of any Arm processor as shipped: Qualcomm Snapdragon X2 Elite Extreme"),
}
"""Highest clocks for hosts without a driver that reports them, with sources."""
TELL_THE_HIGHEST = ("intel_pstate", "intel_cpufreq", "amd-pstate", "amd-pstate-epp", "cppc_cpufreq")
"""Drivers whose cpuinfo_max_freq includes turbo clocks; others may leave those out."""

X86_LANES = (("avx512f", 64), ("fma", 32), ("avx", 16), ("sse2", 8))
X86_HALF = {"bf16": (("amx_bf16", 1024), ("avx512_bf16", 128)), "fp16": (("amx_fp16", 1024), ("avx512_fp16", 128))}
X86_NEWER = ("amx_tf32", "amx_fp8", "amx_avx512", "amx_movrs")
"""Tile units after Granite Rapids, whose rate is not published."""
SVE_WIDEST_BYTES = 64
"""The widest SVE vectors of any processor so far (A64FX)."""
PRECISIONS = ("fp32", "bf16", "fp16")

Found = tuple[dict[str, int], list[str], dict[str, str]]
"""FLOP a cycle by precision, the extensions that decided, and the reasons for missing figures."""


def core_limit(
    architecture: str | None = None,
    processors: Path = PROCESSORS,
    cpus: Path = CPUS,
    sve_bytes: Path = SVE_BYTES,
) -> dict[str, Any]:
    """Return the bound of a core: FLOP a cycle by precision, and the clock.

    The result is {"flop_per_cycle": {precision: number}, "extensions", "clock_hz", "clock_source", "why": {precision:
    reason}}. "extensions" are those that decided. For an unknown architecture it is {"why": {"fp32": reason, ...}}.
    """
    architecture = architecture or platform.machine()
    flags = _flags(processors)
    if architecture not in SHIPPED_HZ:
        unknown = f"no bound is known for the architecture {architecture}"
        return {"why": dict.fromkeys(PRECISIONS, unknown)}
    per_cycle, extensions, why = _x86(flags) if architecture == "x86_64" else _arm(flags, sve_bytes)
    clock_hz, source = highest_clock(cpus, architecture)
    return {
        "flop_per_cycle": per_cycle,
        "extensions": extensions,
        "clock_hz": clock_hz,
        "clock_source": source,
        "why": why,
    }


def highest_clock(cpus: Path, architecture: str) -> tuple[float, str]:
    """Return the highest clock of any core in Hz, and its source."""
    clocks_khz = []
    for folder in cpus.glob("cpu[0-9]*/cpufreq"):
        try:
            if (folder / "scaling_driver").read_text(encoding="ascii").strip() in TELL_THE_HIGHEST:
                clocks_khz.append(int((folder / "cpuinfo_max_freq").read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue
    return (1e3 * max(clocks_khz), "cpuinfo_max_freq") if clocks_khz else SHIPPED_HZ[architecture]


def _flags(processors: Path) -> set[str]:
    """Return the extensions of any core, in the kernel's names."""
    try:
        lines = processors.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    named = (line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features")))
    return {flag for flags in named for flag in flags}


def _x86(flags: Collection[str]) -> Found:
    wide = _first(X86_LANES, flags)
    if wide is None:
        return _nothing("the kernel lists no vector extension")
    per_cycle, extensions, why = {"fp32": wide[1]}, [wide[0]], {}
    newer = [flag for flag in X86_NEWER if flag in flags]
    for precision, choices in X86_HALF.items():
        extension = _first(choices, flags)
        if newer:
            why[precision] = f"the rate of the processor's tile unit ({newer[0]}) is not published"
            continue
        per_cycle[precision] = max(extension[1] if extension else 0, wide[1])
        extensions += [extension[0]] if extension else []
    return per_cycle, extensions, why


def _arm(flags: Collection[str], sve_bytes: Path) -> Found:
    if "sme" in flags:
        return _nothing("the rate of the processor's matrix unit (sme) is not published")
    if "asimd" not in flags:
        return _nothing("the kernel lists no vector extension")
    bits, extensions = 4 * 128, ["asimd"]
    if "sve" in flags:
        bits, extensions = max(bits, 2 * 8 * _sve_bytes(sve_bytes)), ["asimd", "sve"]
    fp32 = 2 * bits // 32
    half = {"bf16": (4, ("bf16", "svebf16")), "fp16": (2, ("asimdhp",))}
    per_cycle = {"fp32": fp32}
    for precision, (factor, names) in half.items():
        listed = [name for name in names if name in flags]
        per_cycle[precision] = factor * fp32 if listed else fp32
        extensions += listed[:1]
    return per_cycle, extensions, {}


def _sve_bytes(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return SVE_WIDEST_BYTES


def _first(choices: Iterable[tuple[str, int]], flags: Collection[str]) -> tuple[str, int] | None:
    return next((each for each in choices if each[0] in flags), None)


def _nothing(why: str) -> Found:
    return {}, [], dict.fromkeys(PRECISIONS, why)
