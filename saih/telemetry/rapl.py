"""Energy of CPU packages and their memory, from RAPL's counters as Linux shows them under /sys/class/powercap.

A zone is a folder intel-rapl:N (a package, or the whole platform: "psys") or intel-rapl:N:M (a part of package N) with
the files `name`, `energy_uj` (microjoules, counting up, back to 0 at `max_energy_range_uj`) and the latter. The kernel
has AMD processors under the same names. Source: Documentation/power/powercap/powercap.rst of the Linux kernel.

Packages and "dram" are added: a package's counter lacks its memory. "core" and "uncore" lie within the package and
would count twice; "psys" contains the packages and is told apart. The folders intel-rapl-mmio:N count the same packages
by another way and are left out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from saih.telemetry.readings import Unreadable, growth, read_number, read_text

ROOT = Path("/sys/class/powercap")
MOST_W = 2000.0
"""More than any zone draws: a counter that fell has wrapped if that means no more than this; else it was reset."""
SHORTEST_S = 1.0
"""Counters move in steps, so that two readings closer together than this may differ by as much."""


class Zone:
    """One counter, unwound where it wrapped at its known range; one that was reset cannot be read any more."""

    def __init__(self, folder: Path) -> None:
        """Raises Unreadable."""
        self.name = read_text(folder / "name")
        self._file = folder / "energy_uj"
        self._range_uj = read_number(folder / "max_energy_range_uj")
        self._last_s, self._last_uj = time.monotonic(), self._read_uj()
        self._sum_uj = 0.0

    def joules(self) -> float:
        """Since this object was made. Raises Unreadable."""
        now_s, now_uj = time.monotonic(), self._read_uj()
        wrapped = now_uj < self._last_uj and self._may_have_wrapped(now_s, now_uj)
        before_uj = self._last_uj - (self._range_uj if wrapped else 0)
        self._sum_uj += growth(f"{self._file} (microjoules)", before_uj, now_uj)
        self._last_s, self._last_uj = now_s, now_uj
        return self._sum_uj / 1e6

    def _may_have_wrapped(self, now_s: float, now_uj: int) -> bool:
        """True if the zone can have drawn since the last reading the energy that a wrap means."""
        most_uj = MOST_W * max(now_s - self._last_s, SHORTEST_S) * 1e6
        return 0 <= now_uj - self._last_uj + self._range_uj <= most_uj

    def _read_uj(self) -> int:
        try:
            return read_number(self._file)
        except Unreadable as error:
            if "permission denied" in str(error):
                # the kernel's commit 949dd0104c49 (5.10), against reading secrets off the power drawn
                raise Unreadable(f"{error} (since Linux 5.10 RAPL is root's unless a system opens it)") from None
            raise


class Counters:
    """Several zones as one counter."""

    def __init__(self, zones: Sequence[Zone], scope: str) -> None:
        self.scope = scope
        self._zones = zones

    def joules(self) -> float:
        """Energy of all zones since this object was made. Raise Unreadable."""
        return sum(zone.joules() for zone in self._zones)


def packages(root: Path = ROOT) -> Counters:
    """All CPU packages of the host, with their memory where it is counted. Raises Unreadable."""
    folders = _folders(root)
    chosen = [Zone(path) for name, path in folders if name.startswith("package") or name == "dram"]
    numbers = [zone.name.removeprefix("package-") for zone in chosen if zone.name != "dram"]
    if not numbers:
        raise Unreadable(f"{root}: has no zone of a CPU package")
    memory = " + DRAM" if len(numbers) < len(chosen) else ", DRAM not counted"
    return Counters(chosen, f"CPU packages {', '.join(sorted(numbers))}{memory}")


def platform(root: Path = ROOT) -> Counters:
    """The whole platform, as far as its maker wired it up ("psys"). Raises Unreadable."""
    chosen = [Zone(path) for name, path in _folders(root) if name == "psys"]
    if not chosen:
        raise Unreadable(f"{root}: has no zone psys")
    return Counters(chosen, "platform (psys)")


def _folders(root: Path) -> list[tuple[str, Path]]:
    """(name, folder) of every zone. Raises Unreadable where there is none."""
    found = sorted(root.glob("intel-rapl:*"))
    if not found:
        raise Unreadable(f"{root}: has no RAPL zones (virtual machines and some processors have none)")
    return [(read_text(path / "name"), path) for path in found]
