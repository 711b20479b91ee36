"""Does a point fit? Predicted memory per rank against the memory available. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saih.app import App, Cost, Point
from saih.common.host.memory import THE_HOST

GIB = 2**30


@dataclass(frozen=True)
class Room:
    """A rank's memory. `machine` as in system.json, `cores` those of a rank, `limit_gib` is limits.memory_gib."""

    app: App
    machine: Mapping[str, Any]
    cores: int
    limit_gib: float | None

    def taken_bytes(self, point: Point) -> int:
        """The most that the application's tensors take at once, on this kind of device."""
        return self._cost(point).memory_bytes

    def needed_bytes(self, point: Point) -> int:
        """The same with what libraries take besides: a rank that has so much does not run out of memory."""
        cost = self._cost(point)
        return cost.memory_bytes + cost.workspace_bytes

    def most_bytes(self, ranks: int) -> int:
        """Return the memory available to a rank: the limit, its device's, or its share of the host's."""
        return self._most(ranks)[0]

    def limited_by(self, ranks: int) -> str | None:
        """Name what limits a rank's memory; None where it is the device's or the host's memory, or not recorded."""
        return self._most(ranks)[1]

    def _most(self, ranks: int) -> tuple[int, str | None]:
        machine = self.machine
        if self.limit_gib is not None:
            return int(self.limit_gib * GIB), f"limits.memory_gib = {self.limit_gib:g}"
        if machine["device_memory_bytes"]:
            return int(machine["device_memory_bytes"]), None
        together, alone = int(machine["memory_bytes"]), machine.get("rank_memory_bytes")
        share = max(0, together // ranks - int(machine.get("rank_base_bytes") or 0))
        if alone is not None and alone < share:
            return int(alone), machine.get("rank_memory_limited_by")
        by = machine.get("memory_limited_by") or THE_HOST
        return share, None if by == THE_HOST else f"{by} allows {together / GIB:.3g} GiB in all"

    def holds(self, point: Point) -> bool:
        """Return True if the point's tensors fit into the memory of a fresh rank."""
        return self.taken_bytes(point) <= self.most_bytes(point.run.ranks)

    def _cost(self, point: Point) -> Cost:
        return cost_on(self.app, point, self.machine["device_kind"], self.cores)


def cost_on(app: App, point: Point, device_kind: str, cores: int) -> Cost:
    """Return the cost on one kind of device ("cuda" or "cpu") if the application distinguishes them; else the cost."""
    own = getattr(app, "cost_on", None)
    cost: Cost = own(point, device_kind, cores) if own else app.cost(point)
    return cost
