"""The processor's name. Arm's processors have none in /proc/cpuinfo, but numbers that tell them apart."""

from __future__ import annotations

import platform
from pathlib import Path

NAMES = ("model name", "cpu model", "cpu", "uarch")
"""Keys of /proc/cpuinfo that hold a name: x86, MIPS and LoongArch, POWER, RISC-V."""
NUMBERS = ("CPU implementer", "CPU part", "CPU variant")
"""Of Arm: the fields of MIDR_EL1 (Arm Architecture Reference Manual)."""


def processor_name(root: Path = Path("/")) -> str:
    """As "AMD EPYC 7763" or "aarch64, implementer 0x41, part 0xd40, variant 0x1"; at least the architecture."""
    try:
        lines = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    pairs = [(key.strip(), value.strip()) for key, colon, value in (line.partition(":") for line in lines) if colon]
    for name in NAMES:
        for key, value in pairs:
            if key == name and value and not value.isdigit():
                return value
    numbers = [f"{key.removeprefix('CPU ')} {_values(pairs, key)}" for key in NUMBERS if _values(pairs, key)]
    return ", ".join([platform.machine(), *numbers, *_board(root)])


def _values(pairs: list[tuple[str, str]], key: str) -> str:
    """Join the values of all cores: some chips have cores of several kinds."""
    return "/".join(dict.fromkeys(value for name, value in pairs if name == key))


def _board(root: Path) -> list[str]:
    """The board's first compatible name of the device tree, where there is one."""
    try:
        text = (root / "proc/device-tree/compatible").read_bytes().decode("ascii", "replace")
    except OSError:
        return []
    return [text.split("\0")[0]] if text else []
