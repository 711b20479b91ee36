"""Processor time that control groups allow this process, and how often they have held it back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from saih.common.host.cgroups import PROC, Group, groups


@dataclass(frozen=True)
class Throttled:
    """What the kernel counts of a group with a quota: periods in which it ran, those that were cut short, and by what.

    `seconds`: time that its threads, summed over cores, were kept waiting.
    """

    periods: int
    throttled: int
    seconds: float


@dataclass(frozen=True)
class Quota:
    """Processor time that a control group may take: `cores` of it a second."""

    cores: float
    group: Group

    def throttled(self) -> Throttled | None:
        """The counts since the group was made; None where the kernel does not tell."""
        found = self.group.figures("cpu.stat")
        if not {"nr_periods", "nr_throttled"} <= found.keys():
            return None
        seconds = found.get("throttled_usec", 0) / 1e6 + found.get("throttled_time", 0) / 1e9  # version 2, 1
        return Throttled(found["nr_periods"], found["nr_throttled"], seconds)


def quotas(proc: Path = PROC) -> list[Quota]:
    """Return the quotas of this process's control groups, the least first; any of them may throttle it."""
    found = [Quota(cores, group) for group in groups("cpu", proc) if (cores := _quota(group)) is not None]
    return sorted(found, key=lambda each: each.cores)


def _quota(group: Group) -> float | None:
    """Version 2 has "quota period" or "max period" in one file, 1 has two; -1 is no quota. In microseconds."""
    if group.version == 1:
        found = [group.number("cpu.cfs_quota_us"), group.number("cpu.cfs_period_us")]
    else:
        found = [int(word) if word.isdigit() else None for word in group.words("cpu.max")]
    quota, period = found if len(found) == 2 else (None, None)
    return quota / period if quota and period and quota > 0 else None
