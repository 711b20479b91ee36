"""What is planted where: sweeps of the planted toy, each point given by the dials that are turned on.

A plant is a dial of tests/toys/planted.py and the cause that a diagnosis should find when it is turned up. What a plant
costs is never assumed but measured, on points of one sweep: with it and without. `products`, honest arithmetic, is in
every step: a point of products alone is bound by its arithmetic, and by nothing else.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

Dials = Mapping[str, int]

PLANTS: dict[str, str] = {
    "products": "compute",
    "passes": "memory",
    "calls": "host",
    "reads_mb": "input (storage)",
    "inflate_mb": "input (decode)",
    "parse_kb": "input (contention)",
    "copies_mb": "input (copy)",
    "sums_mb": "communication",
    "late": "straggler",
    "hoard_mb": "capacity",
}
"""Dial -> the cause it plants, as `cause_of` names it."""


SIZE = {"n": 512, "array_mb": 64}
"""What the plants of a CPU are counted in: products of 512 x 512 matrices, passes over arrays of 64 MiB."""


def cause_of(cause: Mapping[str, Any]) -> str:
    """An entry of a diagnosis's causes in one word, or two: "memory", "input (decode)".

    What the host does between launches is no plant of its own: on a GPU calls cost the framework's work, too.
    """
    kind = cause.get("kind") if cause["cause"] != "host" else None
    return f"{cause['cause']} ({kind})" if kind else str(cause["cause"])


@dataclass(frozen=True)
class Planting:
    """A sweep: its points, and what they need of the machine."""

    name: str
    points: tuple[Dials, ...]
    ranks: int = 1
    size: Mapping[str, int] = field(default_factory=lambda: dict(SIZE))
    emulate: Mapping[str, float] = field(default_factory=dict)
    memory_gib: float | None = None

    def config(
        self, folder: str, device: str, max_s: float, repeats: int = 1, pairs: int | None = None
    ) -> dict[str, Any]:
        """The sweep's configuration. The toy's files are made in ``folder``; ``pairs`` tell what a plant costs."""
        return {
            "schema": 1,
            "name": self.name,
            "app": "tests.toys.planted:APP",
            "data": {"folder": folder} | ({"pairs": pairs} if pairs else {}),
            "size": {**self.size} | {dial: sorted({point.get(dial, 0) for point in self.points}) for dial in PLANTS},
            "run": {"ranks": self.ranks, "precision": "fp32" if device == "cpu" else "bf16"},
            "sweep": {"only": [{dial: point.get(dial, 0) for dial in PLANTS} for point in self.points]}
            | {"repeats": repeats},
            "measure": {"target_percent": 1, "max_s": max_s},
            "limits": {"point_timeout_s": 120} | ({"memory_gib": self.memory_gib} if self.memory_gib else {}),
            "launch": launched(device),
            "emulate": dict(self.emulate),
        }


FIRST = ("sh", "-c", 'echo -15 >/proc/self/autogroup; exec "$@"', "first")
"""Before a rank's command: its session goes before those of others on the same cores (sched(7), autogroups)."""


def launched(device: str) -> dict[str, Any]:
    """The section `launch`: on CPUs a core a rank, and before others that want it where that is allowed.

    What a plant costs is told by points seconds apart, and by nothing else than the plant only if others stay away.
    """
    if device != "cpu":
        return {"device": device}
    return {"device": device, "cores_per_rank": 1, "wrapper": list(FIRST) if _may_be_first() else []}


@cache
def _may_be_first() -> bool:
    """Whether sessions have priorities here, and this user may raise one."""
    done = subprocess.run([*FIRST, "true"], capture_output=True, start_new_session=True, check=False)
    return not done.stderr


def strengths(base: Dials, dial: str, values: Iterable[int]) -> list[Dials]:
    """``base`` with one plant at several strengths."""
    return [{**base, dial: value} for value in values]


def control(base: Dials) -> list[Dials]:
    """``base`` with nothing planted."""
    return [base]


def distinct(*points: Sequence[Dials]) -> tuple[Dials, ...]:
    """All points, each once."""
    found: list[Dials] = []
    for each in (point for part in points for point in part):
        if each not in found:
            found.append(each)
    return tuple(found)
