"""Tasks of one rank of each host for all of its ranks, such as copying a data set to the host's own disk."""

from __future__ import annotations

import socket
from collections.abc import Callable

from augment.errors import DataError
from saih.app import Context, InputError


def ranks_here(context: Context) -> list[int]:
    """Return the ranks on this rank's host, in order."""
    hosts = context.gather(socket.gethostname())
    return [rank for rank, host in enumerate(hosts) if host == hosts[context.rank]]


def once_a_host(context: Context, act: Callable[[], object]) -> None:
    """Run `act` on the first rank of every host; return on all ranks after all have done it.

    If one raises DataError or InputError, every rank raises InputError: none is left waiting for the others.
    """
    problem: str | None = None
    if ranks_here(context)[0] == context.rank:
        try:
            act()
        except (DataError, InputError) as error:
            problem = str(error)
    problems = [text for text in context.gather(problem) if text]
    if problems:
        raise InputError(problems[0])
