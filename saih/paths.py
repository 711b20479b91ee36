"""Paths that a configuration gives: a home (~) and variables stand for what they are where the path is used."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from saih.errors import InputError

_VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})")


def expanded(key: str, given: str) -> Path:
    """The path that `given` under `key` of a configuration means on this host. Raises InputError.

    A variable that is not set, or empty, is refused: $SCRATCH/x would become /x, or a folder called $SCRATCH.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if not os.environ.get(name):
            raise InputError(f"{key} = {given}: a variable in it is not set on {_here()}: {name or match[0]}")
        return os.environ[name]

    home = os.path.expanduser(given)  # noqa: PTH111  Path.expanduser raises RuntimeError for one that is unknown
    if home.startswith("~"):
        raise InputError(f"{key} = {given}: there is no such home on {_here()}; ./~ is a folder of that name")
    found = _VARIABLE.sub(value, home)
    if "$" in _VARIABLE.sub("", home):
        raise InputError(f"{key} = {given}: of what begins with $, only $NAME and ${{NAME}} are expanded")
    return Path(found)


def _here() -> str:
    return socket.gethostname()
