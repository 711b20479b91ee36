"""The record: what is kept of one point, whatever became of it. One JSON file a point, written whole or not at all.

Schema 1, top-level keys:

    schema      1
    id          the point's id; the file is points/<id>.json
    status      ok | oom | skipped | invalid | failed | timeout | preempted
    point       {"app", "size": {dials}, "run": {ranks, batch, precision, execution, input, background_read_mb_s},
                "data", "repeat"}
    metrics     name -> {"value", "unit", "better", "method"}; null values carry "why", measured ones may carry
                {"low", "high", "interval"}, and an application's own "label"
    samples     raw times: {"block_steps", "block_s": {variant: [[seconds of each rank] of each block]},
                "warmup_steps", "warmup_s", "warmup_ended": steady | limit, "stopped": precise | limit,
                "phases_s": {phase: [[seconds of each rank] of each full block]},
                "read_bytes": [[bytes of samples of each rank] of each full block],
                "storage_bytes": [[bytes from storage of each rank, or null] of each full block],
                "background": [{"mb_s" asked of the host, "bytes", "seconds", "files", "file_bytes", "direct_files",
                "threads", "cores", "shares_cores"} of each host], empty where none was asked for,
                "telemetry": [energy, power, clocks, throttling, neighbours, counters, by rank: saih/telemetry/],
                "handed_out_s": [[seconds of each rank until it had handed out its work] of each full block],
                "soak": what came before the blocks, if asked for (saih/measure/soak.py), or null,
                "profile": where the time of a step goes, below}
    diagnosis   {"verdict", "evidence", "causes", "shares": {part: share of the step}, "intervals", "roofline",
                "checks", "contradictions" (saih/diagnosis/), "suspect": [why the point may not stand for the machine],
                "everywhere": how equal copies compare (saih/metrics/device_copies.py), if asked for} or null
    system      {"machine", "software", "ranks": [{"host", "device", "uuid" of a GPU, "cores", "emulated"}],
                "emulated": the disturbances that were asked for (docs/emulate.md), or null,
                "ceilings": what the point is held against (saih/peaks/highest.py); before method version 8 its
                "flop_per_s" was the fastest of short repeats, a burst}
    provenance  versions, time, data set, what it took, "remarks": [what the application gave in vain or left behind]
    error       null, or {"kind", "message", "log_end"}

samples["profile"], of rank 0, seconds and counts a step (docs/profile.md): {"steps", "step_s", "device": cuda | cpu,
"variant": which steps, full | without_input,
"busy_s", "comm_s", "exposed_comm_s", "exposed_input_s", "h2d_s", "idle_s", "operations", "phases": {forward, backward,
optimiser, other: busy seconds}, "classes": [{"class", "busy_s", "count", "bytes"}], "outside": the same of what belongs
to no layer, "layers": [{"name", "forward_s", "backward_s", "forward_count", "backward_count" of operations,
"forward_flop", "flop", "forward_bytes", "bytes", "alone_forward_s", "alone_backward_s"}], "why": {key: reason of a
null}}; or just {"why": {"profile": reason}}.

History: 1 (0.1.0) first version.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from saih.common import files
from saih.common.shapes import fault, shown
from saih.errors import InputError
from saih.records.json_files import read_json
from saih.records.schema import MEASURED, RECORD, STATUSES, SYSTEM

__all__ = [
    "FAULTS",
    "SCHEMA",
    "STATUSES",
    "UNDECIDED",
    "Record",
    "Unread",
    "read",
    "read_all",
    "read_each",
    "read_json",
    "read_system",
    "write",
    "write_json",
]

SCHEMA = 1
FAULTS = ("invalid", "failed", "timeout")
"""Statuses that make the sweep's exit status 1."""
UNDECIDED = ("skipped", "preempted")
"""Statuses that a resumed sweep decides anew."""


@dataclass(frozen=True)
class Record:
    """One point's record; the attributes are the keys of the file."""

    id: str
    status: str
    point: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    samples: Mapping[str, Any] = field(default_factory=dict)
    diagnosis: Mapping[str, Any] | None = None
    system: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    schema: int = SCHEMA

    def value(self, metric: str) -> float | None:
        """The value of a metric; None where the record lacks it or holds null."""
        value = self.metrics.get(metric, {}).get("value")
        return None if value is None else float(value)


def write_json(path: Path, content: Mapping[str, Any], linked_folder: bool = True) -> None:
    """Write `content` as JSON, whole or not at all; raises OSError, which names `path`."""
    files.write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n", linked_folder)


@dataclass(frozen=True)
class Unread:
    """A file that should be a record or a run's system.json and is none, and why."""

    path: Path
    why: str


def write(folder: Path, record: Record) -> Path:
    """Write a record under `folder` (a run's points/); returns its path."""
    path = folder / f"{record.id}.json"
    write_json(path, asdict(record), linked_folder=False)
    return path


def read(path: Path) -> Record:
    """The record in `path`. Raises InputError if it is none of this schema, or not under its own name."""
    raw = read_json(path)
    if raw.get("schema") != SCHEMA:
        raise InputError(f"{path}: schema = {shown(raw.get('schema'))}: this version reads {SCHEMA}")
    missing = sorted(set(Record.__dataclass_fields__) - set(raw))
    unknown = sorted(set(raw) - set(Record.__dataclass_fields__))
    if missing or unknown:
        raise InputError(f"{path}: not a record: missing keys {missing}, unknown keys {unknown}")
    if why := fault(MEASURED if raw["status"] == "ok" else RECORD, raw):
        raise InputError(f"{path}: {why}")
    if raw["id"] != path.stem:
        raise InputError(f"{path}: is the record of {raw['id']} under another name")
    return Record(**raw)


def read_system(path: Path) -> tuple[dict[str, Any], list[Unread]]:
    """Return the content of system.json and what could not be read; both empty if there is no file."""
    if not os.path.lexists(path):
        return {}, []
    try:
        return read_json(path, SYSTEM), []
    except InputError as error:
        return {}, [_unread(path, error)]


def read_all(folder: Path) -> list[Record]:
    """The records of `folder` (a run's points/) that can be read, in order of file name."""
    return read_each(folder)[0]


def read_each(folder: Path) -> tuple[list[Record], list[Unread]]:
    """The records of `folder`, in order of file name; and the files that are none, which spoil nothing."""
    found, unread = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(read(path))
        except InputError as error:
            unread.append(_unread(path, error))
    return found, unread


def _unread(path: Path, error: InputError) -> Unread:
    return Unread(path, str(error).removeprefix(f"{path}: "))
