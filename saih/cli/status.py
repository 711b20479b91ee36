"""`saih status`: how far a run is, whether a driver is at work on it, and what it measures now.

Reads what the run's folder holds and asks Slurm for the job's state; it takes no lock and changes nothing.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saih import records
from saih.app import App, Point
from saih.cli.progress import duration, roughly
from saih.common import jobs, locks
from saih.common.holder import Fate, printable
from saih.common.locks import Lock
from saih.common.terminal import say
from saih.config.points import Points
from saih.config.schema import Config
from saih.errors import InputError, lacking
from saih.records.record import UNDECIDED, Record, Unread
from saih.records.run_folder import LOCK, Folder
from saih.sweep import growth as grow
from saih.sweep import times_so_far
from saih.sweep.time_estimate import Range, total

MOST_UNREAD = 5
"""Files that are named; more are counted."""


@dataclass(frozen=True)
class Status:
    """A run at one moment. `wanted`: ids of the points asked for, None where that cannot be known here."""

    folder: Path
    records: Mapping[str, Record]
    wanted: frozenset[str] | None
    lock: Lock | None
    """The lock of the driver, None without one."""
    job: jobs.Job | None
    """The job of the driver, or of the last one, as far as Slurm knows it."""
    doing: tuple[str, float] | None
    """The purpose of the worker group at work, and the seconds since its log last grew."""
    unread: tuple[Unread, ...] = ()
    """Files that should say something and cannot be read."""
    growth: tuple[str, ...] = ()
    """Of a growing sweep, which never knows how many points it will have: how far each of its lanes is."""
    unknown: str = ""
    """The reason if the number of points left is unknown."""
    left_s: Range | None = None
    """Estimated time of the points still to be measured; None if unknown."""

    @property
    def at_work(self) -> bool:
        """True if a driver is at work, or may be."""
        return self.lock is not None and not self.lock.gone

    @property
    def left(self) -> int | None:
        """Number of points still to be measured."""
        if self.wanted is None:
            return None
        decided = {id_ for id_, record in self.records.items() if record.status not in UNDECIDED}
        return len(self.wanted - decided)


def read(path: Path, now: float) -> Status:
    """The status of the run in `path` at `now` (seconds of the epoch). Raises InputError if it holds no run."""
    folder = Folder(path)
    lock = locks.look(path / LOCK)
    if not (path / "config.yaml").exists() and lock is None:
        raise InputError(f"{path}: holds no run; give a run's folder, such as runs/quickstart")
    kept, unread = records.read_each(folder.points)
    unread = [*records.read_system(folder.system_path)[1], *unread]
    doing = _doing(folder.logs, now) if lock else None
    found = Status(path, {each.id: each for each in kept}, None, lock, _job(lock, folder), doing, tuple(unread))
    from saih.cli import plan  # late: it reads configurations, which takes the longest part of a start

    try:
        config, app, points = plan.read(path / "config.yaml")
    except (InputError, ImportError) as error:
        why = error if isinstance(error, InputError) else lacking(error)
        if why is None:
            raise
        return replace(found, unknown=str(why))
    if config.sweep.grow:
        lanes = (_stands(found, config, app, start, folder.system()) for start in points.wanted)
        return replace(found, growth=tuple(lanes))
    found = replace(found, wanted=frozenset(point.id for point in points.wanted))
    return replace(found, left_s=_left_s(found, config, app, points, folder.system()))


def lines(status: Status) -> list[str]:
    """The status for people."""
    counts = Counter(record.status for record in status.records.values())
    told = ", ".join(f"{n} {name}" for name, n in sorted(counts.items())) or "no record yet"
    ends = [*_unread(status), *_at_work(status)]
    if status.growth:
        return [f"{status.folder}: {len(status.records)} points so far ({told})", *status.growth, *ends]
    of = "" if status.wanted is None else f" of {len(status.wanted | status.records.keys())}"
    return [f"{status.folder}: {len(status.records)}{of} points ({told})", *_left(status), *ends]


def _unread(status: Status) -> list[str]:
    """The files that count for nothing, each with its reason; a resumed sweep measures their points again."""
    shown = [f"left out: {each.path}: {each.why}" for each in status.unread[:MOST_UNREAD]]
    more = len(status.unread) - len(shown)
    return [*shown, f"left out: {more} more files that cannot be read"] if more else shown


def _left(status: Status) -> list[str]:
    if status.left is None:
        return [f"how many are left is unknown: {status.unknown}"]
    time_s = f", about {roughly(status.left_s.middle)}" if status.left_s and status.left else ""
    return [f"{status.left} to be measured{time_s}"]


def _left_s(status: Status, config: Config, app: App, points: Points, system: Mapping[str, Any]) -> Range | None:
    """Estimate the remaining time from the points measured so far; None if there are none."""
    taken = times_so_far.all_taken(app, status.records.values())
    if not (taken and system):
        return None
    found = times_so_far.estimates(config, app, system, status.records.values())
    if len(found) != 1:  # a damaged system does not tell the kind of device
        return None
    (estimate,) = found.values()
    decided = {id_ for id_, record in status.records.items() if record.status not in UNDECIDED}
    left = [times_so_far.load_of(app, point) for point in points.wanted if point.id not in decided]
    last = taken[-1].load
    return total(estimate.in_turn(left, (last.repeat, last.run.ranks)))


def _at_work(status: Status) -> list[str]:
    lock, job = status.lock, status.job
    if lock is None:
        return [f"no driver is at work{f' (its job: {job.state})' if job else ''}"]
    if lock.holder is None or lock.judgement is None:
        return [f"nobody can tell whether a driver is at work: {lock.refusal('a sweep')}"]
    state = job.state if job else "Slurm cannot be asked here"
    name = job.name if job else lock.holder.job
    who = f"process {lock.holder.pid} on {printable(lock.holder.host)}" + (f" (job {name}: {state})" if name else "")
    if lock.gone:
        return [f"no driver is at work: {who} ended without a last word; the sweep goes on from here"]
    doing = f"now: {status.doing[0]} (its log last grew {duration(status.doing[1])} ago)" if status.doing else ""
    known = lock.judgement.fate is Fate.AT_WORK
    at_work = f"at work: {who}" if known else f"perhaps at work: {who}; {lock.judgement.why}"
    return [at_work, *([doing] if doing else [])]


def _job(lock: Lock | None, folder: Folder) -> jobs.Job | None:
    """The job of the lock's holder, and without a lock that of the last driver."""
    if lock is None:
        number = (folder.system().get("slurm") or {}).get("job")
        return jobs.look(str(number)) if number else None
    if lock.holder is None or lock.judgement is None or not lock.holder.job:
        return None
    return lock.judgement.job or jobs.look(lock.holder.job, lock.holder.cluster)


def _stands(status: Status, config: Config, app: App, start: Point, system: Mapping[str, Any]) -> str:
    """Describe the growth from `start`, by the records alone and with the rules of the sweep."""
    assert config.sweep.grow is not None
    lane = f"growing from {start.label}"
    if not system:
        return f"{lane}: not begun"
    decided = {id_: record for id_, record in status.records.items() if record.status not in UNDECIDED}
    try:
        found = grow.lane(app, config, start, system)
    except KeyError as error:
        return f"{lane}: how far is unknown: system.json does not tell {error}"
    decision = grow.decide(app, config.sweep.grow, found, decided)
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
