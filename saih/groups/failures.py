"""The table of failures: each kind, its signs, and the status of its point.

    kind      recognised by                                                                      status of the point
    input     an InputError of a rank (a file, a setting), or a package that is not installed    failed
    oom       MemoryError, words of an allocator, the kernel's count of OOM kills, Slurm's log   oom
    timeout   no heartbeat, no processor time, a stopped rank, or `limits.point_timeout_s`       timeout
    failed    any other exception of a rank, a rank or launcher that ended (deaths.py)           failed

Hangs are recognised in worker_group.py and hangs.py, processes that ended in deaths.py, exceptions of ranks here. While
a sweep is set up there is no point yet: any failure then ends it with exit status 2. Without a group's failure a point
may be `invalid` (saih/judge.py, saih/worker/work_checks.py), `preempted` by a signal or `skipped`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from saih.errors import Failure, InputError, Kind, lacking

STATUS: Mapping[Kind, str] = {
    Kind.INPUT: "failed",
    Kind.OOM: "oom",
    Kind.TIMEOUT: "timeout",
    Kind.FAILED: "failed",
}
PROFILING = "profiling"
"""The note of an exception in the profiled pass, and what its failure happened during."""
NO_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc", "Cannot allocate memory")
"""Words of allocators: PyTorch's on CPUs, CUDA's, C++'s and the C library's."""
LONGEST = 500
"""Characters of an exception's message that are kept."""
EXPLAINS_OTHERS = (Kind.INPUT, Kind.OOM)
"""Failures of one rank that make others fail."""


def of_exception(error: BaseException) -> Failure:
    """The failure of a rank that this exception ended."""
    text = " ".join(str(error).split())
    described = f"{type(error).__name__}: {text[:LONGEST]}" if text else type(error).__name__
    if PROFILING in getattr(error, "__notes__", ()):
        return Failure(Kind.FAILED, described, during=PROFILING)
    lack = lacking(error) if isinstance(error, ImportError) else None
    if lack or isinstance(error, InputError):
        return Failure(Kind.INPUT, str(lack or text))
    if isinstance(error, MemoryError) or any(words in text for words in NO_MEMORY):
        return Failure(Kind.OOM, text[:LONGEST] or "no memory left")
    return Failure(Kind.FAILED, described)


def first_cause(failures: Iterable[Failure]) -> Failure | None:
    """The failure that explains the others: one of `EXPLAINS_OTHERS`, else the earliest; None if there is none."""
    return min(failures, key=lambda each: (each.kind not in EXPLAINS_OTHERS, each.time or 0.0), default=None)


def to_dict(failure: Failure) -> dict[str, Any]:
    """The form that a rank writes down and a record keeps; what is not known is left out, but for the rank."""
    return {key: value for key, value in asdict(failure).items() if value is not None or key == "rank"}


def left_by_ranks(folder: Path) -> list[Failure]:
    """Return the failures that ranks wrote down, as far as the files are whole."""
    return [failure for path in sorted(folder.glob("rank*.json")) if (failure := _read(path))]


def _read(path: Path) -> Failure | None:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        rank, during = raw.get("rank"), raw.get("during")
        return Failure(
            Kind(raw["kind"]),
            str(raw["message"]),
            None if rank is None else int(rank),
            None if during is None else str(during),
            float(raw["time"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
