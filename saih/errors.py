"""Everything SAIH raises on purpose.

    SaihError
    |- InputError       what the user gave is wrong: one line, exit status 2
    |- Interrupted      a signal asked for the end: exit status 75, the run can go on later
    `- GroupError       a worker group gave no answer; the sweep turns it into a record
       |- GroupDied     it ended before it answered
       `- GroupTimeout  it did not answer in time

Anything else that reaches the command line is a fault in SAIH.
"""

from __future__ import annotations


class SaihError(Exception):
    """Root of the tree."""


class InputError(SaihError):
    """What was given cannot be used. The message is one line: what, where, and what is allowed."""

    def at(self, where: str) -> InputError:
        """The same error with the place it was found in (a file, a key) put before it."""
        return InputError(f"{where}: {self}")


class Interrupted(SaihError):
    """The sweep was told to stop by a signal."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(f"stopped by {signal_name}")


class GroupError(SaihError):
    """A worker group gave no answer."""


class GroupDied(GroupError):
    """The worker group ended before it answered; ``exit_status`` is the launcher's."""

    def __init__(self, exit_status: int | None) -> None:
        super().__init__(f"the worker group ended with exit status {exit_status} before it answered")
        self.exit_status = exit_status


class GroupTimeout(GroupError):
    """The worker group did not answer in time and was killed."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"no answer within {timeout_s:g} s; the worker group was killed")
