"""`saih status`: how far a run is, whether a driver is at work on it, and what it measures now.

Reads what the run's folder holds and asks Slurm for the job's state; it takes no lock and changes nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saih import grow, slurm
from saih.app import App, Point
from saih.config import Config
from saih.errors import InputError
from saih.folder import Folder, gone
from saih.points import Points
from saih.progress import duration
from saih.records import UNDECIDED, Record
from saih.terminal import say


@dataclass(frozen=True)
class Status:
    """A run at one moment. ``wanted``: ids of the points asked for, None where that cannot be known here."""

    folder: Path
    records: Mapping[str, Record]
    wanted: frozenset[str] | None
    driver: Mapping[str, Any] | None
    """What the lock says of the driver at work, None without one."""
    job_state: str | None
    doing: tuple[str, float] | None
    """What the worker group at work is for, and how many seconds ago its log last grew."""
    growth: tuple[str, ...] = ()
    """Of a growing sweep, which never knows how many points it will have: how far each of its lanes is."""

    @property
    def at_work(self) -> bool:
        """Whether a driver is."""
        return self.driver is not None and not gone(self.driver)

    @property
    def left(self) -> int | None:
        """How many points are still to be measured."""
        if self.wanted is None:
            return None
        decided = {id_ for id_, record in self.records.items() if record.status not in UNDECIDED}
        return len(self.wanted - decided)


def read(path: Path, now: float) -> Status:
    """The status of the run in ``path`` at ``now`` (seconds of the epoch). Raises InputError if it holds no run."""
    folder = Folder(path)
    driver = _driver(path / "lock")
    if not (path / "config.yaml").exists() and driver is None:
        raise InputError(f"{path}: holds no run; give a run's folder, such as runs/quickstart")
    known = folder.system().get("slurm") or {}
    job = (driver or known).get("job")
    state = slurm.job_state(str(job)) if job else None
    found = Status(path, folder.records(), None, driver, state, _doing(folder.logs, now) if driver else None)
    asked = _asked(path)
    if asked is None:
        return found
    config, app, points = asked
    if config.sweep.grow:
        lanes = (_stands(found, config, app, start, folder.system()) for start in points.wanted)
        return replace(found, growth=tuple(lanes))
    return replace(found, wanted=frozenset(point.id for point in points.wanted))


def lines(status: Status) -> list[str]:
    """The status for people."""
    counts = Counter(record.status for record in status.records.values())
    told = ", ".join(f"{n} {name}" for name, n in sorted(counts.items())) or "no record yet"
    if status.growth:
        return [f"{status.folder}: {len(status.records)} points so far ({told})", *status.growth, *_at_work(status)]
    of = "" if status.wanted is None else f" of {len(status.wanted | status.records.keys())}"
    return [f"{status.folder}: {len(status.records)}{of} points ({told})", *_left(status), *_at_work(status)]


def _left(status: Status) -> list[str]:
    if status.left is None:
        return ["how many are left is unknown: the configuration or its application cannot be read here"]
    took_s = [r.provenance["wall_s"] for r in status.records.values() if r.provenance.get("wall_s")]
    time_s = f", about {duration(status.left * statistics.mean(took_s))}" if took_s and status.left else ""
    return [f"{status.left} to be measured{time_s}"]


def _at_work(status: Status) -> list[str]:
    driver, state = status.driver, status.job_state
    if driver is None:
        return [f"no driver is at work{f' (its job: {state})' if state else ''}"]
    job = f" (job {driver['job']}: {state or 'Slurm cannot be asked here'})" if driver.get("job") else ""
    who = f"process {driver.get('pid')} on {driver.get('host')}{job}"
    if not status.at_work:
        return [f"no driver is at work: {who} ended without a last word; the sweep goes on from here"]
    doing = f"now: {status.doing[0]} (its log last grew {duration(status.doing[1])} ago)" if status.doing else ""
    return [f"at work: {who}", *([doing] if doing else [])]


def _driver(lock: Path) -> dict[str, Any] | None:
    try:
        holder = json.loads(lock.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return holder if isinstance(holder, dict) and "pid" in holder else None


def _asked(path: Path) -> tuple[Config, App, Points] | None:
    from saih.verbs import plan

    try:
        return plan.read(path / "config.yaml")
    except InputError:
        return None


def _stands(status: Status, config: Config, app: App, start: Point, system: Mapping[str, Any]) -> str:
    """How far the growth from ``start`` is, by the records alone, as the sweep itself decides."""
    assert config.sweep.grow is not None
    lane = f"growing from {start.label}"
    if not system:
        return f"{lane}: not begun"
    decided = {id_: record for id_, record in status.records.items() if record.status not in UNDECIDED}
    decision = grow.decide(app, config.sweep.grow, grow.lane(app, config, start, system), decided)
    if decision.point is None:
        return f"{lane}: ended, {decision.why}"
    batch = f" batch={decision.point.run.batch}" if config.sweep.grow.batch != "fixed" else ""
    stands = f"{lane}: {decision.stands}; {'now' if status.at_work else 'next'} {grow.in_words(decision.point)}{batch}"
    before = status.records.get(decision.point.id)
    if not status.at_work and before and before.error:
        return f"{stands}, which was {before.status} ({before.error['message']})"
    return stands


def _doing(logs: Path, now: float) -> tuple[str, float] | None:
    """The worker group whose log is the newest; the log bears the point's id."""
    grown = [(path.stat().st_mtime, path.stem) for path in logs.glob("*.log")]
    if not grown:
        return None
    latest, name = max(grown)
    return name, max(0.0, now - latest)


def add_parser(verbs: Any) -> None:
    """Add the verb to the command line."""
    verb = verbs.add_parser("status", help="how far a run is, and what is at work on it")
    verb.add_argument("run", type=Path, metavar="RUN")
    verb.set_defaults(command=_show)


def _show(arguments: argparse.Namespace) -> int:
    for line in lines(read(arguments.run, time.time())):
        say(line)
    return 0
