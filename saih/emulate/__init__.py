"""Deliberate disturbances: slow storage, slow links, a slow or stopped rank, little memory.

They are real, and labelled. They are for tests, which must know the fault of a run in advance, and for configurations
that ask how an application would run on a lesser machine. Nothing is simulated: the kernel throttles real reads, real
ranks talk over real interfaces of limited rate, and a rank is slow because it is really stopped most of the time.

    storage_mb_s   all ranks of a host together read no faster from local disks      storage.py
    link_mb_s      each rank is a node of its own, on a link of that rate            links.py
    slow_rank      one rank runs for that share of the time                          pauses.py
    stop_rank      one rank stops for good, so many seconds after its start          pauses.py
    memory_gib     a rank may use so much private memory, libraries included         here

`python -m saih.emulate [settings] -- command` is put before each rank's command line, sets up its rank's disturbances,
and becomes the command. It leaves a label in the environment, so that a worker knows its disturbances, whoever
requested them. docs/emulate.md has the limits of each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from saih.common.given import short
from saih.common.host import limits
from saih.common.shapes import fault, fields, not_negative, positive, whole
from saih.errors import InputError
from saih.processes import RANK_VARIABLES, SIZE_VARIABLES

LABEL = "SAIH_EMULATED"
"""The environment variable with a rank's disturbances, as JSON."""

EMULATED = fields(
    {},
    {
        **dict.fromkeys(("storage_mb_s", "link_mb_s", "memory_gib"), positive),
        "slow_rank": fields({"rank": whole(0), "share": positive}),
        "stop_rank": fields({"rank": whole(0), "after_s": not_negative}),
    },
)
"""The label's shape, also in records."""

GIB = 2**30
TRY_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Settings:
    """The requested disturbances; None: not disturbed.

    `slow_rank`: (rank, share of the time it runs, in (0, 1)); `stop_rank`: (rank, seconds after its start). Rates are
    in MB/s (10^6 bytes a second).
    """

    storage_mb_s: float | None = None
    link_mb_s: float | None = None
    slow_rank: tuple[int, float] | None = None
    stop_rank: tuple[int, float] | None = None
    memory_gib: float | None = None

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> Settings:
        """Read the section `emulate` of a configuration: {"slow_rank": {"rank", "share"}, ...}."""
        slow, stop = section.get("slow_rank"), section.get("stop_rank")
        return cls(
            section.get("storage_mb_s"),
            section.get("link_mb_s"),
            (slow["rank"], slow["share"]) if slow else None,
            (stop["rank"], stop["after_s"]) if stop else None,
            section.get("memory_gib"),
        )

    def wrapper(self) -> list[str]:
        """Return the words before each rank's command line; none without any disturbance."""
        words: list[str] = []
        for name, value in vars(self).items():
            if value is not None:
                numbers = value if isinstance(value, tuple) else (value,)
                words += [f"--{name.replace('_', '-')}", *map(str, numbers)]
        # -P as in saih.groups.worker_group: the working folder must not shadow our packages
        return [sys.executable, "-P", "-m", "saih.emulate", *words, "--"] if words else []

    def at(self, rank: int, size: int) -> dict[str, Any]:
        """Return the label of one rank of `size`: the disturbances that apply to it, as in the configuration."""
        disturbances: dict[str, Any] = {}
        if self.storage_mb_s is not None:
            disturbances["storage_mb_s"] = self.storage_mb_s
        if self.link_mb_s is not None and size > 1:
            disturbances["link_mb_s"] = self.link_mb_s
        if self.slow_rank and self.slow_rank[0] == rank:
            disturbances["slow_rank"] = {"rank": rank, "share": self.slow_rank[1]}
        if self.stop_rank and self.stop_rank[0] == rank:
            disturbances["stop_rank"] = {"rank": rank, "after_s": self.stop_rank[1]}
        if self.memory_gib is not None:
            disturbances["memory_gib"] = self.memory_gib
        return disturbances


def label(environment: Mapping[str, str] = os.environ) -> dict[str, Any] | None:
    """Return the disturbances of this process, in the form of the configuration; None if there are none.

    Raises InputError for a label that does not come from our disturbances.
    """
    given = environment.get(LABEL)
    if not given:
        return None
    try:
        disturbances = json.loads(given)
    except ValueError:
        disturbances = None
    if not isinstance(disturbances, dict) or fault(EMULATED, disturbances):
        raise InputError(f"{LABEL} = {short(given)}: must be what saih.emulate leaves there; unset it")
    return disturbances


def together(labels: Iterable[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """Return the labels of all ranks as one; None if no rank has any."""
    merged: dict[str, Any] = {}
    for each in labels:
        merged |= each or {}
    return merged or None


def in_words(emulated: Mapping[str, Any]) -> str:
    """Return a label for people: "storage at 50 MB/s, rank 1 running 50 % of the time"."""
    sentences = []
    if "storage_mb_s" in emulated:
        sentences.append(f"storage at {emulated['storage_mb_s']:g} MB/s")
    if "link_mb_s" in emulated:
        sentences.append(f"links at {emulated['link_mb_s']:g} MB/s")
    if slow := emulated.get("slow_rank"):
        sentences.append(f"rank {slow['rank']} running {100 * slow['share']:g} % of the time")
    if stop := emulated.get("stop_rank"):
        sentences.append(f"rank {stop['rank']} stopped after {stop['after_s']:g} s")
    if "memory_gib" in emulated:
        sentences.append(f"{emulated['memory_gib']:g} GiB of memory a rank")
    return ", ".join(sentences)


def require(settings: Settings) -> None:
    """Try the disturbances on this host, as one rank of one. Raises InputError with the reason if that fails."""
    wrapper = settings.wrapper()
    if not wrapper:
        return
    alone = {name: value for name, value in os.environ.items() if name not in (*RANK_VARIABLES, *SIZE_VARIABLES)}
    words = [*wrapper[:-1], "--try", "--", sys.executable, "-c", "pass"]
    done = subprocess.run(words, env=alone, capture_output=True, text=True, timeout=TRY_TIMEOUT_S, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with exit status {done.returncode}"]
        raise InputError(lines[-1].removeprefix("saih.emulate: "))


def limit_memory(gib: float) -> None:
    """Limit this process and its command to `gib` of private writable memory: RLIMIT_DATA, setrlimit(2)."""
    limits.allow_data(int(gib * GIB))
