"""Building a data set out of core: file by file, by any number of processes, going on where a run ended.

    with begun(plan):                 one process, before all others work: the folder, its lock, what is left over
        for stage in plan.stages():   all processes at once ...
            work(stage, shard)
            (wait for all processes)  ... stage after stage
        plan.finish()                 one process

`build(plan)` is all of it in one process. A file appears when it is whole, so a run that was killed goes on behind the
last finished one. Files are handed out one by one: whoever takes one creates a claim, which a file system lets only
one process do; so a slow process leaves the rest to the others. A process that fails stops the others, too.
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
"""To be called now and then in long work, so that it can be stopped: raises what ends it."""


@dataclass(frozen=True)
class Stage:
    """Files to be made in any order, each whole or not at all: `make(i, tick)` makes outputs[i].

    what: their name in the plural, for people; size(i): bytes that a finished output stands for.
    """

    what: str
    outputs: Sequence[Path]
    make: Callable[[int, Tick], None]
    size: Callable[[int], int]

    def pending(self) -> list[int]:
        """Which outputs are not there yet."""
        return [number for number, path in enumerate(self.outputs) if not path.exists()]


class Plan(Protocol):
    """A data set to be made in `folder`, in stages; each begins when the one before has ended everywhere."""

    @property
    def folder(self) -> Path:
        """Where it will be."""

    def is_whole(self) -> bool:
        """True if the folder is this data set already. Raises DataError where it is another one."""

    def stages(self) -> Iterator[Stage]:
        """What has to be done. Raises DataError where it cannot be."""

    def finish(self) -> None:
        """Makes a data set of what the stages have made. Raises DataError."""


class Stopped(Exception):
    """Another process of this run has failed or was told to stop; it says why."""


def build(plan: Plan, progress: Progress | None = None) -> UniverseSet:
    """Makes the data set in this process, or what a run before has left of it. A whole one is left as it is.

    progress(done, total) is called after each file of a stage. Raises DataError where the folder holds something
    else, or cannot be written.
    """
    if not plan.is_whole():
        with begun(plan):
            for stage in plan.stages():
                work(plan.folder, stage, progress=progress)
            plan.finish()
    return UniverseSet(plan.folder)


@contextlib.contextmanager
def begun(plan: Plan) -> Iterator[None]:
    """The folder made ready for work, and nobody else's until the end; what dead runs left behind goes.

    Raises DataError where it cannot be written, or another run is at work.
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
    """Makes files until none is left that no process has taken. `shard` = (rank, size) says where to begin.

    Raises DataError for what cannot be written or read, Stopped where another process has failed, and whatever
    `check` raises, which is called now and then.
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
    """The DataError for what could not be written."""
    return DataError(f"{path}: cannot be written: {error.strerror or error}")


def _clear(folder: Path) -> None:
    """Removes what dead runs left: temporary files, and claims. Only with the lock held."""
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
