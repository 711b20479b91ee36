"""Building a data set out of core: file by file, by any number of processes, resuming an interrupted run.

    with begun(plan):                 one process, before all others work: the folder, its lock, left-over files
        for stage in plan.stages():   all processes at once ...
            work(stage, shard)
            (wait for all processes)  ... stage after stage
        plan.finish()                 one process

`build(plan)` is all of it in one process. A file appears only when it is whole, so a run that was killed resumes after
its last finished file. Files are handed out one by one: a process takes one by creating a claim, which a file system
lets only one process do; so a slow process leaves the rest to the others. A process that fails stops the others, too.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from augment.data.storage import folder_lock
from augment.data.storage.data_set import UniverseSet
from augment.data.storage.universe_file import Progress
from augment.errors import DataError

CLAIMS = ".claims"
_STOP = "stop"

Tick = Callable[[], None]
"""A function to call regularly in long work, which raises an error to end it."""


@dataclass(frozen=True)
class Stage:
    """Files to be made in any order, each whole or not at all: `make(i, tick)` makes outputs[i].

    what: their name in the plural, for people; size(i): bytes represented by a finished output.
    """

    what: str
    outputs: Sequence[Path]
    make: Callable[[int, Tick], None]
    size: Callable[[int], int]

    def pending(self) -> list[int]:
        """Return the numbers of the missing outputs."""
        return [number for number, path in enumerate(self.outputs) if not path.exists()]


class Plan(Protocol):
    """A data set to be made in `folder`, in stages; each begins when the one before has ended everywhere."""

    @property
    def folder(self) -> Path:
        """The folder of the data set."""

    def is_whole(self) -> bool:
        """True if the folder is this data set already. Raises DataError if it is another one."""

    def stages(self) -> Iterator[Stage]:
        """Yield the stages of the work. Raises DataError if it is not possible."""

    def finish(self) -> None:
        """Make a data set of the stages' outputs. Raises DataError."""


class Stopped(Exception):
    """Another process of this run has failed or was stopped, and reports the reason."""


def build(plan: Plan, progress: Progress | None = None) -> UniverseSet:
    """Make the data set in this process, resuming a run before; a whole one is left unchanged.

    progress(done, total) is called after each file of a stage. Raises DataError if the folder holds something else, or
    cannot be written.
    """
    if not plan.is_whole():
        with begun(plan):
            for stage in plan.stages():
                work(plan.folder, stage, progress=progress)
            plan.finish()
    return UniverseSet(plan.folder)


@contextlib.contextmanager
def begun(plan: Plan) -> Iterator[None]:
    """Prepare the folder for work, lock it until the end, and remove the left-over files of dead runs.

    Raises DataError if it cannot be written, or another run is at work.
    """
    folder = plan.folder
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(folder_lock.only_writer(folder))
            _clear(folder)
            (folder / CLAIMS).mkdir()
        except OSError as error:
            raise not_written(folder, error) from error
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                _clear(folder)


def work(
    folder: Path,
    stage: Stage,
    shard: tuple[int, int] = (0, 1),
    progress: Progress | None = None,
    check: Tick = lambda: None,
) -> None:
    """Make files until none is left that no process has taken; `shard` = (rank, size) determines the first.

    Raises DataError for files that cannot be written or read, Stopped if another process has failed, and any error of
    `check`, which is called regularly.
    """
    pending, (rank, size) = stage.pending(), shard
    done, first = len(stage.outputs) - len(pending), rank * len(pending) // size
    claims = folder / CLAIMS

    def tick() -> None:
        check()
        if (claims / _STOP).exists():
            raise Stopped

    try:
        for number in [*pending[first:], *pending[:first]]:
            tick()
            if _claimed(claims, stage.outputs[number].name):
                stage.make(number, tick)
                done += 1
                if progress:
                    progress(done, len(stage.outputs))
    except BaseException:
        with contextlib.suppress(OSError):
            (claims / _STOP).touch()
        raise


def not_written(path: Path, error: OSError) -> DataError:
    """Return the DataError for a path that could not be written."""
    return DataError(f"{path}: cannot be written: {error.strerror or error}")


def _clear(folder: Path) -> None:
    """Remove the left-over files of dead runs: temporary files, and claims. Only with the lock held."""
    shutil.rmtree(folder / CLAIMS, ignore_errors=True)
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def _claimed(claims: Path, name: str) -> bool:
    try:
        (claims / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError as error:
        raise not_written(claims / name, error) from error
    return True
