"""The sweep: which point next, until all have a record; resume is the same walk again.

The driver is no MPI rank and imports no torch. It asks a group of one rank what machine this is and has it prepare the
data, groups of every rank count for the ceilings, and has one attempt (attempt.py) made at each point. A matrix is
walked in shuffled order, the points of one rank count together, so that one worker group serves them (groups.py); a
growing sweep asks grow.py after every point which one comes next.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from saih import attempt, background, grow, launch, provenance, records
from saih.app import App, Point
from saih.attempt import Attempts
from saih.config import Config, Grow
from saih.errors import GroupError, InputError
from saih.folder import Folder
from saih.group import Patience
from saih.groups import Groups
from saih.measure import METHOD_VERSION
from saih.points import Points
from saih.records import Record

SETUP_TIMEOUT_S = 24 * 3600.0
"""Making a data set may take long, and shows its progress; only a sign of life could tell a hang from work."""
CEILING_TIMEOUT_S = 600.0
START_S = 8.0
"""What starting a group and warming up add to a point, in order of magnitude, until points have told."""


class Listener(Protocol):
    """Who watches the sweep."""

    def stage(self, what: str) -> None:
        """A stage of the set-up starts."""

    def begin(self, point: Point, number: int, total: int | None, left_s: float | None) -> None:
        """Point ``number`` of ``total`` starts; about ``left_s`` seconds remain, this one included. None: unknown."""

    def progress(self, what: str, done: float, total: float) -> None:
        """How far the piece of work is."""

    def end(self, record: Record, seconds: float, left_s: float | None) -> None:
        """A point has its record; about ``left_s`` seconds remain. None: unknown."""


@dataclass
class Sweep:
    """One configuration, measured into one folder."""

    config: Config
    app: App
    points: Points
    folder: Folder
    listener: Listener
    retry: frozenset[str] = frozenset()

    def run(self) -> list[Record]:
        """Measure what is not measured yet; returns the record of every point asked for or grown to, in their order.

        Raises InputError before anything is written if the folder, the machine or the data does not suit, and
        Interrupted after the record of the point in flight was written.
        """
        self.folder.check_method(self.config)
        growing = self.config.sweep.kind == "grow"
        with self.folder.lock():
            for point in self.points.excluded:
                attempt.skip(self.app, self.folder, point, "excluded by sweep.exclude")
            pending = self._unfinished() if growing else self._pending()
            if pending:
                launcher = launch.find(self.config.launch)
                groups = Groups(self.config.launch, launcher, self.folder.logs, self.listener.progress)
                with groups as self._groups:
                    fitting = self._set_up(pending)
                    copies = {point.run.ranks: self._copies(point.run.ranks) for point in self.points.wanted}
                    self._attempts = Attempts(self.config, self.app, self.folder, groups, copies)
                    if growing:
                        self._grow_all(fitting)
                    else:
                        self._measure_all(fitting)
            else:
                self.folder.write_config(self.config)
        kept = self.folder.records()
        asked = list(kept) if growing else [point.id for point in (*self.points.wanted, *self.points.excluded)]
        return [kept[id_] for id_ in asked]

    def _pending(self) -> list[Point]:
        decided = self._decided()
        return [point for point in self.points.wanted if point.id not in decided]

    def _decided(self) -> dict[str, Record]:
        """The records that stand: neither undecided nor to be tried again."""
        again = {*records.UNDECIDED, *self.retry}
        return {id_: record for id_, record in self.folder.records().items() if record.status not in again}

    # set-up: the machine, the data, the ceilings

    def _set_up(self, pending: list[Point]) -> list[Point]:
        """Learn the machine, prepare the data, measure the ceilings; returns the points that fit the machine."""
        self.listener.stage("looking at the machine")
        described = self._ask({"do": "describe"}, 1, "setup", CEILING_TIMEOUT_S)
        machine = described["machine"]
        cores = self._cores_per_rank = self._share(machine)
        self.folder.check_machine(described, self.app.version, cores)
        fitting = self._fitting(pending, machine)
        data = self._prepare(fitting)
        self._groups.fill(launch.slots_per_node(machine, cores), cores, machine["cores"])
        self.folder.write_config(self.config)
        self._write_system(described, data)
        self._measure_ceilings(fitting)
        return fitting

    def _prepare(self, points: Sequence[Point]) -> dict[str, Any]:
        """Have the application make or check the input of points; its facts."""
        if not points:
            return {}
        self.listener.stage("preparing the data")
        request = {"do": "prepare", "app": self.config.app, "points": [point.to_dict() for point in points]}
        data: dict[str, Any] = self._ask(request, 1, "setup", SETUP_TIMEOUT_S)["data"]
        for point in points:
            background.require_paths(point.run.background_read_mb_s, data)
        return data

    def _share(self, machine: Mapping[str, Any]) -> int:
        """Cores of a rank: the same at every point, so that a device is the same at every point."""
        nodes = self._nodes
        ranks = [p.run.ranks for p in self.points.wanted if p.run.ranks <= machine["devices"] * nodes]
        most_on_a_node = -(-max(ranks, default=1) // nodes)
        others = any(p.run.background_read_mb_s for p in self.points.wanted)
        cores = machine["cores"] - (background.CORES_FOR_READERS if others else 0)
        return self.config.launch.cores_per_rank or max(1, cores // most_on_a_node)

    def _fitting(self, points: Sequence[Point], machine: Mapping[str, Any]) -> list[Point]:
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
            attempt.skip(self.app, self.folder, point, f"{point.run.ranks} ranks, but this machine has {has}")
        return [point for point in points if point.run.ranks <= slots]

    def _write_system(self, described: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        launcher = self._groups.launcher
        known = self.folder.system()
        self.folder.write_system(
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
                "growth": known.get("growth", {}),
            }
        )

    def _measure_ceilings(self, points: Sequence[Point]) -> None:
        """One ceiling for each rank count and precision, since ranks share a host's memory and power."""
        for ranks in sorted({point.run.ranks for point in points}):
            system = self.folder.system()
            copies = self._copies(ranks)
            all_ranks = copies * ranks
            known = {peak["precision"] for peak in system["peaks"] if peak["ranks"] == all_ranks}
            wanted = sorted({point.run.precision for point in points if point.run.ranks == ranks} - known)
            if not wanted:
                continue
            self.listener.stage(f"measuring what {all_ranks} {'rank' if all_ranks == 1 else 'ranks'} can reach")
            for precision in wanted:
                request = {"do": "peaks", "precision": precision, "seconds_each": self._ceiling_s()}
                log = f"peaks-ranks{all_ranks}"
                system["peaks"].append(self._ask(request, all_ranks, log, CEILING_TIMEOUT_S, copies))
            self.folder.write_system(system)

    def _ceiling_s(self) -> float:
        """Time for each operation: half a second, or a tenth of what a point may take where that is less."""
        return min(0.5, self.config.measure.max_s / 10)

    @property
    def _nodes(self) -> int:
        """How many nodes a point may use: one where every node works for itself."""
        return 1 if self.config.sweep.everywhere else self._groups.launcher.allocation.nodes

    def _copies(self, ranks: int) -> int:
        """How many copies of a point of ``ranks`` ranks are measured at once."""
        machine, nodes = self.folder.system()["machine"], self._groups.launcher.allocation.nodes
        if self.config.sweep.everywhere == "device":
            return nodes * launch.slots_per_node(machine, self._cores_per_rank)
        return nodes if self.config.sweep.everywhere == "node" else 1

    def _ask(
        self, request: Mapping[str, Any], ranks: int, log: str, timeout_s: float, copies: int = 1
    ) -> dict[str, Any]:
        """A set-up request: without its answer there is no sweep, so that any failure is the user's to mend."""
        try:
            return self._groups.ask(request, ranks, log, Patience(timeout_s), copies=copies)
        except GroupError as error:
            where = "" if error.fault["kind"] == "input" else f" (see {error.log})"
            raise InputError(f"{error}{where}") from error

    # the points

    def _measure_all(self, points: list[Point]) -> None:
        order = list(_in_turn(points, random.Random(self.config.name)))
        took_s: list[float] = []
        expected_s = self.config.measure.max_s + START_S
        for point in order:
            self.listener.begin(point, len(took_s) + 1, len(order), expected_s * (len(order) - len(took_s)))
            started = time.monotonic()
            record = self._attempts.measure(point)
            took_s.append(time.monotonic() - started)
            expected_s = statistics.mean(took_s)
            self.listener.end(record, took_s[-1], expected_s * (len(order) - len(took_s)))

    # growing

    def _unfinished(self) -> list[Point]:
        """The starts of lanes that have not ended, as far as can be told before the machine is looked at."""
        machine = self.folder.system().get("machine")
        if machine is None:
            return list(self.points.wanted)
        decided = self._decided()
        ends = [
            (start, grow.decide(self.app, self._growth, self._lane(start, machine), decided))
            for start in self.points.wanted
        ]
        return [start for start, decision in ends if decision.point]

    def _grow_all(self, starts: Sequence[Point]) -> None:
        machine = self.folder.system()["machine"]
        prepared = [start.size for start in starts]
        for start in starts:
            why = self._grow(self._lane(start, machine), prepared)
            self.listener.stage(f"{start.label}: growth ended: {why}")
            system = self.folder.system()
            system["growth"][start.id] = {"along": dict(self._growth.along), "why": why}
            self.folder.write_system(system)

    def _grow(self, lane: grow.Lane, prepared: list[Mapping[str, Any]]) -> str:
        """Measure a lane's points, one by one, until it ends; why it did."""
        tried: dict[str, Record] = {}
        while (decision := grow.decide(self.app, self._growth, lane, self._decided() | tried)).point:
            point = decision.point
            if point.data and point.size not in prepared:  # without data there is nothing to prepare
                prepared.append(point.size)
                try:
                    self._prepare_more(point)
                except InputError as error:
                    attempt.skip(self.app, self.folder, point, str(error))
                    return str(error)
            self.listener.begin(point, len(tried) + 1, None, None)
            started = time.monotonic()
            tried[point.id] = self._attempts.measure(point)
            self.listener.end(tried[point.id], time.monotonic() - started, None)
        if decision.beyond:
            attempt.skip(self.app, self.folder, decision.beyond, f"growth ended before it: {decision.why}")
        return decision.why

    def _prepare_more(self, point: Point) -> None:
        data = self._prepare([point])
        system = self.folder.system()
        self.folder.write_system({**system, "data": {**system["data"], **data}})

    def _lane(self, start: Point, machine: Mapping[str, Any]) -> grow.Lane:
        if self._growth.batch == "fixed":
            return grow.Lane(start)
        limit = self.config.limits.memory_gib
        if limit is not None:
            return grow.Lane(start, int(limit * 2**30))
        return grow.Lane(start, machine["device_memory_bytes"] or machine["memory_bytes"] // start.run.ranks)

    @property
    def _growth(self) -> Grow:
        assert self.config.sweep.grow is not None
        return self.config.sweep.grow


def _in_turn(points: Sequence[Point], chance: random.Random) -> Iterator[Point]:
    """The points in an order in which a machine that drifts does not look like a trend.

    Repeat after repeat; within one the rank counts in random order, each with its points in random order.
    """
    for repeat in sorted({point.repeat for point in points}):
        counts = sorted({point.run.ranks for point in points})
        for ranks in chance.sample(counts, len(counts)):
            block = [point for point in points if (point.repeat, point.run.ranks) == (repeat, ranks)]
            yield from chance.sample(block, len(block))
