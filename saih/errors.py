"""Everything SAIH raises on purpose.

    SaihError
    |- InputError       what the user gave is wrong: one line, exit status 2
    |  `- AppFault      an application does not keep to its protocol
    |- Interrupted      a signal asked for the end: exit status 75, the run can go on later
    `- GroupError       a worker group gave no answer; the sweep turns it into a record

Anything else that reaches the command line is a fault in SAIH.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class SaihError(Exception):
    """Root of the tree."""


class InputError(SaihError):
    """Input that cannot be used. The message is one line: what was given, where, and what is allowed."""

    def at(self, where: str) -> InputError:
        """The same error with the place it was found in (a file, a key) put before it."""
        return InputError(f"{where}: {self}")


class AppFault(InputError):
    """An application does not keep to its protocol: another size or another value would not mend that."""


_EXTRA = "run"
_OF_THE_EXTRA = frozenset({"torch", "h5py", "mpi4py", "colossus", "scipy", "google_crc32c"})
"""Packages of setup.cfg's extra, by their import names; planning does without them."""


def lacking(error: ImportError) -> InputError | None:
    """Return an error that names the extra to install, if an optional package is missing or broken; else None."""
    package = (error.name or "").partition(".")[0]
    if package not in _OF_THE_EXTRA:
        return None
    missing = isinstance(error, ModuleNotFoundError)
    why = "is not installed" if missing else f"cannot be loaded ({' '.join(str(error).split())})"
    return InputError(f"this needs {package}, which {why}: pip install 'saih[{_EXTRA}]'")


class Interrupted(SaihError):
    """A signal asked the sweep to stop."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(f"stopped by {signal_name}")


class Kind(StrEnum):
    """Kinds of failure of a worker group; saih/groups/failures.py has how each is recognised."""

    INPUT = "input"
    OOM = "oom"
    TIMEOUT = "timeout"
    FAILED = "failed"


@dataclass(frozen=True)
class Failure:
    """Cause of a missing answer: its rank, the activity and the time (epoch seconds), if known."""

    kind: Kind
    message: str
    rank: int | None = None
    during: str | None = None
    time: float | None = None


class GroupError(SaihError):
    """A worker group gave no answer and is gone. `log` holds the output of its ranks."""

    def __init__(self, failure: Failure, log: Path) -> None:
        super().__init__(failure.message)
        self.failure, self.log = failure, log
