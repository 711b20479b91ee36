"""Diagnoses along a growth path -> changes of the leading cause, and the end of the path. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEAD = 0.05
"""A cause leads another by more than this share of the step; the order of closer ones is chance."""


@dataclass(frozen=True)
class Turn:
    """A change of the leading cause between the sizes `after` and `at`, from `before` to `now` (words of a verdict).

    `between`: sizes from one to the other without a named cause.
    """

    after: str
    at: str
    before: str
    now: str
    between: tuple[str, ...] = ()


@dataclass(frozen=True)
class End:
    """The end of a path: the size `at` without a result, and the reason `what` (a record's status, or any other word).

    `after`: the last size with a result, and `then` its leading cause; None if nothing was measured, or named.
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
    """Return the turns of a path and its end.

    `steps`: in order of size, (the size in words, its diagnosis). A size without result has its status instead ("oom",
    "failed", ...), as has a last entry with another end of the path ("flat", ...). A size without result between others
    is skipped.
    """
    path_turns: list[Turn] = []
    led: tuple[str, str] | None = None  # (size, cause)
    between: list[str] = []
    measured = [(label, diagnosis) for label, diagnosis in steps if not isinstance(diagnosis, str)]
    for label, diagnosis in measured:
        now = _leader(diagnosis, led[1] if led else None)
        if now is None:
            between.append(label)
            continue
        if led and now != led[1]:
            path_turns.append(Turn(led[0], label, led[1], now, tuple(between)))
        led, between = (label, now), []
    return Path(tuple(path_turns), _end(steps, measured, led))


def _leader(diagnosis: Mapping[str, Any], before: str | None) -> str | None:
    """Return the cause with the largest share, or None; the previous one leads until another is clearly larger."""
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
    """Return the end of the path: the first of the last sizes without result, or None."""
    last = measured[-1][0] if measured else None
    after = max((i for i, (_, diagnosis) in enumerate(steps) if not isinstance(diagnosis, str)), default=-1)
    rest = steps[after + 1 :]
    if not rest:
        return None
    label, what = rest[0]
    return End(label, str(what), last, led[1] if led and led[0] == last else None)
