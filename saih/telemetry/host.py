"""Readings of a host, taken by its first rank: energy of the packages, throttled cores, load of others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from saih.telemetry import cpu, rapl
from saih.telemetry.readings import Meter, Readings, Series, Span, Unreadable, growth


class HostWatch:
    """One host over one window. `ranks`: process id -> cores, of all ranks of the host."""

    def __init__(self, ranks: Mapping[int, Collection[int]]) -> None:
        cores = sorted(set().union(*ranks.values()))
        self._cores = cores
        self._packages, self._scope = _meter(rapl.packages)
        self._platform, _ = _meter(rapl.platform)
        self.meters = [self._packages, self._platform]
        self._throttled = Series(partial(cpu.throttle_counts, cores))
        self._others = Series(partial(cpu.Others, ranks))

    def begin(self) -> None:
        """The measurement starts."""
        self._throttled.sample()
        self._others.sample()

    def to_dict(self, spans: Mapping[str, Sequence[Span]]) -> dict[str, Any]:
        """The form that the record holds, taken right after the measurement; `spans` as for GPUs."""
        found = Readings()
        found.take("others_cores", lambda: self._others.values()[0].cores_taken())
        self._throttled.sample()
        found.take("throttled_cores", self._throttled_cores)
        found.take("energy_j", partial(self._packages.energy_j, spans))
        found.take("platform_energy_j", partial(self._platform.energy_j, spans))
        return {"cores": self._cores, "energy_scope": self._scope, **found.to_dict()}

    def _throttled_cores(self) -> list[int]:
        before, after = self._throttled.values()
        name = "thermal_throttle of core"
        return [core for core in self._cores if growth(f"{name} {core}", before[core], after[core]) > 0]


def _meter(find: Callable[[], rapl.Counters]) -> tuple[Meter, str | None]:
    """A meter of the counters found, with their scope; or one that says why there are none."""
    try:
        counters = find()
    except Unreadable as error:
        return Meter(partial(_fail, str(error))), None
    return Meter(counters.joules), counters.scope


def _fail(why: str) -> float:
    raise Unreadable(why)
