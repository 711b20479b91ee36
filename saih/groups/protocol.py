"""The lines that rank 0 of a worker group writes for the driver, each checked before anything is believed of it.

The ranks' commands run behind a launcher and wrappers, which print what they like to the same stream, JSON too. A line
is of the protocol only if it has all of a message's keys, and each of the right type.

    {"ready": [{"host", "pid", "session", "started"} of each rank]}
    {"progress": [what, done, total], "block_s": seconds until the next one at most, or null}
    {"answers": what was asked to be done, and whatever else the answer holds}

On its standard error, before MPI, each rank says that it has begun (`begun`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ANSWERS = "answers"
_BEGINS = re.compile(r'\{"(ready|progress|answers)": ')
"""How messages begin; a wrapper may have left a line without an end before one."""
_HELLO = re.compile(r"saih-rank (?P<rank>\d+|-) has begun on (?P<host>\S+) as process (?P<pid>\d+)")
_NUMBERS = ("pid", "session", "started")


@dataclass(frozen=True)
class Ready:
    """All ranks, in order, as `saih.groups.hangs.own` describes each."""

    ranks: list[dict[str, Any]]


@dataclass(frozen=True)
class Progress:
    """Progress of the work. `block_s`: time until the next message at most, once steps run."""

    what: str
    done: float
    total: float
    block_s: float | None


@dataclass(frozen=True)
class Answer:
    """Answer to a request."""

    to: str
    content: dict[str, Any]


@dataclass(frozen=True)
class Begun:
    """A rank's process before MPI: its number if the launcher tells one, and where it is."""

    rank: int | None
    host: str
    pid: int


Message = Ready | Progress | Answer


def read(line: str) -> Message | None:
    """The message in a line; None where it is something else that was printed."""
    begin = _BEGINS.search(line)
    if begin is None:
        return None
    try:
        given = json.loads(line[begin.start() :], parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    keys = set(given)
    if keys == {"ready"} and _are_ranks(given["ready"]):
        return Ready(given["ready"])
    if {"progress"} <= keys <= {"progress", "block_s"}:
        return _progress(given["progress"], given.get("block_s"))
    if isinstance(given.get(ANSWERS), str):
        return Answer(given.pop(ANSWERS), given)
    return None


def begins_in(piece: bytes) -> bool:
    """True if a message begins in this piece of a line."""
    return _BEGINS.search(piece.decode("utf-8", "replace")) is not None


def answer(to: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """The line's content for an answer to the request to do `to`."""
    return {ANSWERS: to, **content}


def begun(rank: int | None, host: str, pid: int) -> str:
    """The line by which a rank says that its process has begun."""
    return f"saih-rank {'-' if rank is None else rank} has begun on {host} as process {pid}\n"


def read_begun(line: str) -> Begun | None:
    """The rank that says so in this line, whatever its launcher puts before it; None if none does."""
    found = _HELLO.search(line)
    if found is None:
        return None
    rank = None if found["rank"] == "-" else int(found["rank"])
    return Begun(rank, found["host"], int(found["pid"]))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _progress(given: object, block_s: object) -> Progress | None:
    if not isinstance(given, list) or len(given) != 3 or not isinstance(given[0], str):
        return None
    if not all(map(_is_number, given[1:])) or not (block_s is None or _is_number(block_s)):
        return None
    return Progress(given[0], given[1], given[2], block_s if isinstance(block_s, int | float) else None)


def _are_ranks(given: object) -> bool:
    return isinstance(given, list) and bool(given) and all(map(_is_rank, given))


def _is_rank(given: object) -> bool:
    if not isinstance(given, dict) or not isinstance(given.get("host"), str):
        return False
    return all(isinstance(given.get(key), int) and not isinstance(given[key], bool) for key in _NUMBERS)
