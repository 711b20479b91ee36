"""CPU quota of a rank's control groups: how often it throttled the measurement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from saih import processes
from saih.common.host.quota import Quota, Throttled, quotas
from saih.telemetry.readings import Unreadable, growth


class QuotaWatch:
    """All groups of this process that have a quota, over one window."""

    def __init__(self, proc: Path = processes.PROC) -> None:
        self._quotas = quotas(proc)
        self._before: list[Throttled | None] = []

    def begin(self) -> None:
        """The measurement starts."""
        self._before = [each.throttled() for each in self._quotas]

    def to_dict(self) -> dict[str, Any]:
        """What the record holds: of the group that was held back most, in the share of the periods in which it ran.

        `cores` is its quota; of its `periods`, `throttled_periods` were cut short, and its threads waited for
        `throttled_s` in all, those of other processes in the group included. Raises Unreadable.
        """
        if not self._quotas:
            raise Unreadable("none of its control groups has a CPU quota")
        found = [_grown(each, before) for each, before in zip(self._quotas, self._before, strict=True)]
        return max(found, key=lambda each: each["throttled_periods"] / max(1, each["periods"]))


def _grown(quota: Quota, before: Throttled | None) -> dict[str, Any]:
    after, counts = quota.throttled(), f"{quota.group.folder / 'cpu.stat'}"
    if before is None or after is None:
        raise Unreadable(f"{counts}: does not count throttled periods")
    return {
        "cores": quota.cores,
        "group": quota.group.place,
        "periods": int(growth(f"{counts}: nr_periods", before.periods, after.periods)),
        "throttled_periods": int(growth(f"{counts}: nr_throttled", before.throttled, after.throttled)),
        "throttled_s": growth(f"{counts}: seconds throttled", before.seconds, after.seconds),
    }
