"""Schema of a record and of system.json: the keys that somebody reads, and their types. Pure.

Keys may be missing, since older versions knew fewer, and there may be more. The samples of a measured point are not
looked at here: what cannot be in them is told in words, and makes the point unusable, not the file
(saih/metrics/soundness.py).
"""

from __future__ import annotations

from typing import Any

from saih.common.shapes import (
    LARGEST,
    Wrong,
    anything,
    by_name,
    fields,
    flag,
    many,
    not_negative,
    number,
    one_of,
    optional,
    plain,
    positive,
    scalar,
    shown,
    text,
    whole,
    word,
)
from saih.emulate import EMULATED

STATUSES = ("ok", "oom", "skipped", "invalid", "failed", "timeout", "preempted")


def _figure(value: Any, where: str) -> None:
    """A number of any kind; not being finite is judged with the samples that it comes from."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or (isinstance(value, int) and abs(value) > LARGEST):
        raise Wrong(f"{where} = {shown(value)}: must be a number")


_object = by_name(plain)
_words = {"method": text, "interval": optional(text), "why": optional(text), "label": optional(text)}
_about = {"unit": text, "better": text, "shares_cores": flag, **_words}
_metric = fields({}, {**dict.fromkeys(("value", "low", "high"), optional(number)), **_about})
_measured = fields({}, {**dict.fromkeys(("value", "low", "high"), optional(_figure)), **_about})

_run = fields(
    {},
    {
        "ranks": whole(1), "batch": whole(1), "precision": text, "execution": text, "input": text,
        "background_read_mb_s": not_negative,
    },
)  # fmt: skip
_point = fields({}, {"app": text, "size": by_name(scalar), "run": _run, "data": _object, "repeat": whole(0)})

_cause = fields(
    {"cause": text},
    {
        **dict.fromkeys(("kind", "verdict", "evidence", "help"), optional(text)),
        **dict.fromkeys(("share", "saved_s", "low_s", "high_s", "gain"), optional(number)),
    },
)
_suspect = one_of(text, fields({"cause": text, "words": text}))
_diagnosis = fields(
    {},
    {
        "verdict": optional(text), "evidence": optional(text), "causes": optional(many(_cause)),
        "shares": optional(by_name(optional(number))), "roofline": optional(_object),
        "suspect": optional(many(_suspect)), "everywhere": optional(_object),
    },
)  # fmt: skip

_core = fields(
    {"flop_per_cycle": by_name(positive), "clock_hz": positive, "clock_source": text, "extensions": many(text)}
)


def _core_limit(value: Any, where: str) -> None:
    """The limit of a core (saih/peaks/processor.py), or the reason why it is unknown."""
    fields({}, {"why": optional(by_name(text)), "flop_per_cycle": optional(by_name(positive))})(value, where)
    if value.get("flop_per_cycle"):
        _core(value, where)


_machine = fields(
    {},
    {
        "core_limit": optional(_core_limit),
        "device": optional(text),
        "device_kind": word("cpu", "cuda"),
        **dict.fromkeys(("memory_limited_by", "rank_memory_limited_by"), optional(text)),
        **dict.fromkeys(("rank_memory_bytes", "rank_base_bytes", "cpu_quota_cores"), optional(not_negative)),
        **dict.fromkeys(("devices", "cores", "memory_bytes", "device_memory_bytes"), optional(not_negative)),
    },
)
_place = fields(
    {},
    {
        "host": optional(text), "device": optional(text), "emulated": optional(EMULATED),
        "cores": optional(one_of(many(whole(0)), whole(0))), "bound_to": optional(many(whole(0))),
        "environment": optional(by_name(optional(text))), "settings": optional(by_name(scalar)),
    },
)  # fmt: skip
_rates = dict.fromkeys(
    (
        "flop_per_s", "flop_per_s_low", "flop_per_s_high", "flop_per_s_fastest", "flop_per_s_limit",
        "memory_bytes_per_s", "memory_bytes_per_s_low", "memory_bytes_per_s_high", "h2d_bytes_per_s",
        "launch_s", "round_trip_s", "graph_launch_s", "allreduce_bytes_per_s",
    ),
    optional(positive),
)  # fmt: skip
_texts = dict.fromkeys(("flop_per_s_method", "flop_per_s_limit_method", "flop_per_s_interval"), optional(text))
_doubts = dict.fromkeys(("flop_per_s_suspect", "memory_bytes_per_s_suspect"), optional(many(text)))
_ceilings = fields({}, {**_rates, **_texts, **_doubts, "why": by_name(text)})
_about_system = {
    "machine": optional(_machine), "software": optional(by_name(scalar)), "ranks": optional(many(_place)),
    "settings": optional(by_name(scalar)), "environment": optional(by_name(text)),
    "emulated": optional(EMULATED), "ceilings": optional(_ceilings),
}  # fmt: skip

_git = optional(fields({}, {"commit": optional(text), "dirty": optional(flag)}))
_slurm = optional(fields({}, {"job": optional(scalar)}))
_provenance = fields(
    {},
    {
        "app_version": scalar, "method_version": optional(whole(0)), "started": optional(text),
        "wall_s": optional(not_negative), "remarks": many(text), "data": optional(_object),
        "git": _git, "slurm": _slurm,
    },
)  # fmt: skip
_error = optional(fields({"kind": text, "message": text}, {"log_end": optional(text)}))

_record = {
    "id": text, "status": word(*STATUSES), "point": _point, "samples": by_name(anything), "error": _error,
    "diagnosis": optional(_diagnosis), "system": fields({}, _about_system), "provenance": _provenance,
}  # fmt: skip
RECORD = fields({**_record, "metrics": by_name(_metric)})
"""A record; of one that was measured the metrics may hold figures that are not finite."""
MEASURED = fields({**_record, "metrics": by_name(_measured)})

_suspected = optional(many(fields({"words": text})))
_quantities = dict.fromkeys(
    (
        "memory_bytes_per_s", "memory_bytes_per_s_low", "memory_bytes_per_s_high", "h2d_bytes_per_s",
        "d2h_bytes_per_s", "launch_s", "round_trip_s", "graph_launch_s", "bus_bytes_per_s", "latency_s",
    ),
    optional(positive),
)  # fmt: skip
_part = optional(fields({}, {**_quantities, "why": optional(text), "suspect": _suspected}))
_flop_rates = ("flop_per_s", "median_flop_per_s", "fastest_flop_per_s", "flop_per_s_low", "flop_per_s_high")
_operation = {
    "name": optional(text),
    "best": optional(text),
    "spread_percent": optional(not_negative),
    **dict.fromkeys(_flop_rates, optional(positive)),
}
_entries = {"entries": optional(many(fields({}, _operation)))}
_named = {"ranks": whole(1), "precision": text, "flop_per_s": positive}
_short = fields(_named, {key: shape for key, shape in (_operation | _entries).items() if key not in _named})
_sustained = fields(
    {
        **dict.fromkeys(("flop_per_s", "flop_per_s_low", "flop_per_s_high", "fastest_flop_per_s"), positive),
        "interval": text, "best": text, "repeats": many(anything), "settling": fields({"seconds": not_negative}),
    },
    {"suspect": _suspected},
)  # fmt: skip


def _peak(value: Any, where: str) -> None:
    """The ceiling of arithmetic: of short repeats before method version 8, since then a sustained rate."""
    _short(value, where)
    if "repeats" in value:
        _sustained(value, where)


_of_ranks = fields({"ranks": whole(1)}, dict.fromkeys(("memory", "copies", "launches", "allreduce"), _part))
SYSTEM = fields(
    {},
    {
        "method_version": optional(whole(0)), "app_version": scalar, "cores_per_rank": whole(1),
        "machine": optional(_machine), "software": optional(by_name(scalar)), "peaks": optional(many(_peak)),
        "settings": optional(by_name(scalar)), "environment": optional(by_name(text)),
        "ceilings": optional(many(_of_ranks)), "data": optional(_object), "host": optional(text),
        "growth": by_name(fields({"along": by_name(number), "why": text})), "created": optional(text),
        "git": _git, "slurm": _slurm, "launcher": optional(_object),
    },
)  # fmt: skip
"""A run's system.json."""
