"""Diagnoses along a path of growth -> where the leading cause changes, from what to what, and what ends it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEAD = 0.05
"""A cause leads another by more than this share of the step; closer ones take turns by chance."""


@dataclass(frozen=True)
class Turn:
    """Between the sizes ``after`` and ``at`` the leading cause changes from ``before`` to ``now`` (words of a verdict).

    ``between``: sizes from one to the other at which nothing is named.
    """

    after: str
    at: str
    before: str
    now: str
    between: tuple[str, ...] = ()


@dataclass(frozen=True)
class End:
    """The size ``at`` that gave no result, why (a record's status, or any other word), and the last one that gave one.

    ``then`` is what led at that one, ``after``; None where nothing was measured, or named.
    """

    at: str
    what: str
    after: str | None
    then: str | None


@dataclass(frozen=True)
class Path:
    """A growth path: its turns in order, and its end; None if its last size was measured."""

    turns: tuple[Turn, ...]
    end: End | None


def turns(steps: Sequence[tuple[str, Mapping[str, Any] | str]]) -> Path:
    """The turns of a path and its end.

    ``steps``: in order of size, (the size in words, its diagnosis); a size without result has its status instead
    ("oom", "failed", ...), as has a last entry that says what else ended the path ("flat", ...). A size without result
    amid others is passed over.
    """
    found: list[Turn] = []
    led: tuple[str, str] | None = None  # at which size, which cause
    between: list[str] = []
    measured = [(label, told) for label, told in steps if not isinstance(told, str)]
    for label, told in measured:
        now = _leader(told, led[1] if led else None)
        if now is None:
            between.append(label)
            continue
        if led and now != led[1]:
            found.append(Turn(led[0], label, led[1], now, tuple(between)))
        led, between = (label, now), []
    return Path(tuple(found), _end(steps, measured, led))


def _leader(diagnosis: Mapping[str, Any], before: str | None) -> str | None:
    """The cause that takes most; the one before leads on until another takes clearly more. None: none is named."""
    causes = [cause for cause in diagnosis.get("causes") or [] if cause["share"] is not None]
    if not causes:
        return None
    first = max(causes, key=lambda cause: float(cause["share"]))
    same = [cause for cause in causes if cause["verdict"] == before]
    if same and first["share"] - same[0]["share"] <= LEAD:
        return before
    return str(first["verdict"])


def _end(
    steps: Sequence[tuple[str, Mapping[str, Any] | str]],
    measured: Sequence[tuple[str, Mapping[str, Any]]],
    led: tuple[str, str] | None,
) -> End | None:
    """The first of the sizes without result that close the path."""
    last = measured[-1][0] if measured else None
    after = max((i for i, (_, told) in enumerate(steps) if not isinstance(told, str)), default=-1)
    rest = steps[after + 1 :]
    if not rest:
        return None
    label, what = rest[0]
    return End(label, str(what), last, led[1] if led and led[0] == last else None)
