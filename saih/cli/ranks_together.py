"""The ranks of a command that was started on several (mpiexec, srun) or on one: they go on, or end, together.

What one rank cannot do ends the command on all: rank 0 says why, in one line. A signal that reaches any rank ends all
in order. Started without a launcher, a command needs no MPI.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn, Self, TypeVar, cast

from saih import launch, processes
from saih.common.host import affinity
from saih.errors import InputError, Interrupted, lacking
from saih.processes import STOP_SIGNALS

EXIT_BAD_INPUT, EXIT_STOPPED, EXIT_FAULT = 2, 75, 3

_T = TypeVar("_T")


class Team:
    """This rank among all; signals are heard within its `with` block. `cores`: how many are for this rank alone."""

    def __init__(self) -> None:
        """Joins the other ranks, before NumPy and torch are loaded: they start as many threads as there are cores.

        Raises InputError where launcher and MPI library do not match.
        """
        self._expected: tuple[type[Exception], ...] = (InputError, OSError, MemoryError)
        self._ended: tuple[type[Exception], ...] = ()
        self._signal: str | None = None
        self.rank, self.size, self.local_rank, self.cores = 0, 1, 0, len(affinity.own())
        self._gather: Callable[[Any], list[Any]] = lambda value: [value]
        self._abort: Callable[[int], object] = lambda status: None
        self._before: dict[signal.Signals, Any] = {}
        _, asked = processes.place(os.environ)
        if asked > 1:
            self._join(asked)
        self._own = affinity.own()

    def _join(self, asked: int) -> None:
        from saih.worker.mpi import World

        world = World(asked, 0)
        self.rank, self.size, self.local_rank = world.rank, world.size, world.local_rank
        self._gather, self._abort = world.gather, world.abort
        place = (socket.gethostname(), world.cores)
        sharing = self._gather(place).count(place)
        self.cores = max(1, len(world.cores) // sharing)
        if sharing > 1:
            os.sched_setaffinity(0, launch.own_cores(world.cores, self.local_rank, self.cores))

    def expect(self, errors: tuple[type[Exception], ...], ended: tuple[type[Exception], ...]) -> None:
        """`errors` are people's, one line each; `ended` say that another rank has failed."""
        self._expected, self._ended = (*self._expected, *errors), ended

    def __enter__(self) -> Self:
        self._before = {each: signal.signal(each, self._stop) for each in STOP_SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def together(self, do: Callable[[], _T]) -> _T:
        """`do` on this rank while the others do theirs; returns when all have ended, or ends the command."""
        fault = None
        try:
            self.check()
            result = do()
            affinity.restore(self._own)  # what it imported may have bound this thread
        except Exception as error:
            fault = self._fault(error)
        faults = [each for each in self._gather(fault) if each]
        if faults:
            self._end(faults)
        return result

    def _fault(self, error: Exception) -> tuple[str, str]:
        """(kind, in words) of what ended this rank's work; what should never happen ends all ranks at once."""
        if isinstance(error, Interrupted):
            return "stopped", str(error)
        if isinstance(error, self._ended):
            return "ended", str(error)
        if isinstance(error, self._expected):
            return "wrong", _in_words(error)
        if isinstance(error, ImportError) and (lack := lacking(error)):
            return "wrong", str(lack)
        traceback.print_exc()
        self._abort(EXIT_FAULT)
        raise error

    def first(self, do: Callable[[], _T]) -> _T:
        """Run `do` on rank 0 only; return its result on every rank."""
        found: _T | None = self.together(do if self.rank == 0 else lambda: None)
        return cast(_T, self._gather(found)[0])

    def gather(self, value: _T) -> list[_T]:
        """Every rank's value, in order of rank."""
        return self._gather(value)

    def _end(self, faults: list[tuple[str, str]]) -> NoReturn:
        """Ends the command on this rank; rank 0 says why: an error before a signal, and that before its echoes."""
        wrong = [text for kind, text in faults if kind == "wrong"]
        stopped = [text for kind, text in faults if kind == "stopped"]
        if self.rank:
            sys.exit(EXIT_BAD_INPUT if wrong or not stopped else EXIT_STOPPED)
        if wrong or not stopped:
            raise InputError((wrong or ["another rank has failed"])[0])
        raise Interrupted(stopped[0].removeprefix("stopped by "))

    def check(self) -> None:
        """To be called now and then in long work: raises Interrupted where this rank was told to stop.

        The signal's handler itself does not: a rank that waits for others must hear of them first.
        """
        if self._signal:
            raise Interrupted(self._signal)

    def _stop(self, number: int, _: FrameType | None) -> None:
        self._signal = signal.Signals(number).name


def _in_words(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError):
        return f"{error.filename or 'output'}: {error.strerror or error}"
    return str(error)
