"""Set-up of a sweep: the machine, the data, the ceilings. All of it goes to system.json.

Without any of it there is no sweep, so that whatever fails here is the user's to mend: one line, and no record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from saih import launch, records
from saih.app import App, Point
from saih.config.schema import Config
from saih.emulate.storage import require_disks
from saih.errors import GroupError, InputError, Kind
from saih.groups.pool import Groups
from saih.groups.worker_group import Patience
from saih.interference import background_load
from saih.measure.blocks import METHOD_VERSION
from saih.records import provenance
from saih.sweep.record_of_point import skipped
from saih.sweep.state import State

DATA_TIMEOUT_S = 24 * 3600.0
"""Making a data set may take long, and shows its progress; only a heartbeat could distinguish a hang from work."""
TIMEOUT_S = 600.0
CEILINGS = ("memory", "copies", "launches", "allreduce")
"""The ceilings besides arithmetic that a sweep measures: what a step can be made of. Storage has its own sweeps."""
LARGEST_ALLREDUCE_BYTES = 32 * 2**20
"""More than the gradients that are exchanged at once; beyond it the bandwidth stays as it is."""


@dataclass
class Preparation:
    """The set-up of one sweep. `wanted`: all its possible points; `stage` is called at the start of each stage."""

    config: Config
    app: App
    state: State
    groups: Groups
    wanted: Sequence[Point]
    stage: Callable[[str], None]
    _cores_per_rank: int = field(default=0, init=False)

    def run(self, pending: Sequence[Point]) -> list[Point]:
        """Learn the machine, prepare the data, measure the ceilings; returns the points that fit the machine.

        Raises InputError, before the configuration is kept, where the machine or the data does not suit.
        """
        self.stage("looking at the machine")
        described = self._ask({"do": "describe"}, 1, "setup")
        machine = described["machine"]
        cores = self._cores_per_rank = self._share(machine)
        self.state.folder.check_machine(described, self.app.version, cores)
        fitting = self._fitting(pending, machine)
        data = self._data(fitting)
        self.groups.fill(launch.slots_per_node(machine, cores), cores, machine["cores"])
        self.state.folder.write_config(self.config)
        self._write_system(described, data)
        for ranks in sorted({point.run.ranks for point in fitting}):
            self._measure_ceilings(ranks, {point.run.precision for point in fitting if point.run.ranks == ranks})
        return fitting

    def more_data(self, point: Point) -> None:
        """Prepare the input of a size that the sweep has grown to. Raises InputError where that cannot be."""
        data = self._data([point])
        self.state.update_system(data={**self.state.system["data"], **data})

    def copies(self, ranks: int) -> int:
        """Return the number of copies of a point of `ranks` ranks that are measured at once."""
        machine, nodes = self.state.system["machine"], self.groups.launcher.allocation.nodes
        if self.config.sweep.everywhere == "device":
            return nodes * launch.slots_per_node(machine, self._cores_per_rank)
        return nodes if self.config.sweep.everywhere == "node" else 1

    def _data(self, points: Sequence[Point]) -> dict[str, Any]:
        """Have the application make or check the input of points; its facts."""
        if not points:
            return {}
        self.stage("preparing the data")
        request = {"do": "prepare", "app": self.config.app, "points": [point.to_dict() for point in points]}
        data: dict[str, Any] = self._ask(request, 1, "setup", DATA_TIMEOUT_S)["data"]
        require_disks(self.config.emulate.storage_mb_s, background_load.paths_named(data))
        for point in points:
            background_load.require_paths(point.run.background_read_mb_s, data)
        return data

    @property
    def _nodes(self) -> int:
        """Return the nodes that a point may use: one if every node works for itself."""
        return 1 if self.config.sweep.everywhere else self.groups.launcher.allocation.nodes

    def _share(self, machine: Mapping[str, Any]) -> int:
        """Cores of a rank: the same at every point, so that a device is the same at every point."""
        ranks = [p.run.ranks for p in self.wanted if p.run.ranks <= machine["devices"] * self._nodes]
        most_on_a_node = -(-max(ranks, default=1) // self._nodes)
        others = any(p.run.background_read_mb_s for p in self.wanted)
        cores = machine["cores"] - (background_load.CORES_FOR_READERS if others else 0)
        return self.config.launch.cores_per_rank or max(1, cores // most_on_a_node)

    def _fitting(self, points: Sequence[Point], machine: Mapping[str, Any]) -> list[Point]:
        """The points that have as many devices as ranks; the others are refused or skipped, as configured."""
        nodes, each = self._nodes, launch.slots_per_node(machine, self._cores_per_rank)
        slots = nodes * each
        has = f"{each} CUDA device{'' if each == 1 else 's'}, one a rank"
        if machine["device_kind"] == "cpu":
            has = f"{machine['cores']} cores, {self._cores_per_rank} a rank"
        if nodes > 1:
            has = f"{nodes} nodes of {has}"
        beyond = [point for point in points if point.run.ranks > slots]
        if beyond and self.config.sweep.beyond_slots == "refuse":
            most = max(point.run.ranks for point in beyond)
            advice = "sweep.beyond_slots: skip leaves such points out"
            raise InputError(f"run.ranks = {most}: this machine has {has}; {advice}")
        for point in beyond:
            self.state.keep(skipped(self.app, point, f"{point.run.ranks} ranks, but this machine has {has}"))
        return [point for point in points if point.run.ranks <= slots]

    def _write_system(self, described: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        launcher = self.groups.launcher
        known = self.state.system
        self.state.replace_system(
            {
                "schema": records.SCHEMA,
                "method_version": METHOD_VERSION,
                "app_version": self.app.version,
                "cores_per_rank": self._cores_per_rank,
                **described,
                "created": known.get("created", provenance.now()),
                "git": provenance.git(),
                "slurm": launcher.allocation.facts(),
                "launcher": {"program": launcher.program, "flavour": launcher.flavour},
                "data": {**known.get("data", {}), **data},
                "peaks": known.get("peaks", []),
                "ceilings": known.get("ceilings", []),
                "growth": known.get("growth", {}),
            }
        )

    def _measure_ceilings(self, ranks: int, precisions: set[str]) -> None:
        """Measure the ceilings that are not known yet, with this many ranks at once: they share memory and power."""
        system = self.state.system
        copies = self.copies(ranks)
        every = copies * ranks
        known = {peak["precision"] for peak in system["peaks"] if peak["ranks"] == every}
        others = not any(ceiling["ranks"] == every for ceiling in system["ceilings"])
        if not others and precisions <= known:
            return
        self.stage(f"measuring what {every} {'rank' if every == 1 else 'ranks'} can reach")
        each_s = min(0.5, self.config.measure.max_s / 10)
        log = f"peaks-ranks{every}"
        peaks, ceilings = list(system["peaks"]), list(system["ceilings"])
        for precision in sorted(precisions - known):
            request = {"do": "peaks", "precision": precision, "seconds_each": each_s}
            peaks.append(self._ask(request, every, log, copies=copies))
        if others:
            parts = {part: self._ceiling(part, each_s / 4, every, log, copies) for part in CEILINGS}
            ceilings.append({"ranks": every, **parts})
        self.state.update_system(peaks=peaks, ceilings=ceilings)

    def _ceiling(self, part: str, seconds: float, ranks: int, log: str, copies: int) -> dict[str, Any]:
        """One of the other ceilings; why it is unknown, where that ended the group: points can do without."""
        request = {"do": "ceiling", "part": part, "seconds_each": seconds, "smaller_groups": False}
        request |= {"largest_bytes": LARGEST_ALLREDUCE_BYTES}
        try:
            return self.groups.ask(request, ranks, log, Patience(TIMEOUT_S), copies=copies)
        except GroupError as error:
            return {"why": str(error)}

    def _ask(
        self, request: Mapping[str, Any], ranks: int, log: str, timeout_s: float = TIMEOUT_S, copies: int = 1
    ) -> dict[str, Any]:
        try:
            return self.groups.ask(request, ranks, log, Patience(timeout_s), copies=copies)
        except GroupError as error:
            where = "" if error.failure.kind is Kind.INPUT else f" (see {error.log})"
            raise InputError(f"{error}{where}") from error
