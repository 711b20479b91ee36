"""Impossible samples: reasons to reject a point's raw data before any metric is computed from them. Pure.

No clock gives NaN, infinity, zero or a negative time for a block of steps, and no measurement ends without blocks or
without the times of a rank. Such samples come from a broken clock, an application that returns no number, or a file
that was changed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from saih.common.shapes import (
    Shape,
    anything,
    by_name,
    fault,
    fields,
    filled,
    flag,
    many,
    not_negative,
    number,
    optional,
    positive,
    text,
    whole,
    word,
)
from saih.telemetry.energy import PART

NOT_RECORDED = "not recorded"
FP32_ERROR = 2.0**-14
"""The largest relative error of an fp32 product.

TF32 keeps 10 bits and is wrong by 2^-11; fp32 by less than 2^-20, also with Winograd's algorithm.
"""
BLANK: Mapping[str, Any] = {"phases_s": {}, "read_bytes": [], "handed_out_s": [], "values": {}, "background": []}
"""Defaults for the parts of the samples that older records may lack."""
BLANK_RANK: Mapping[str, Any] = {
    "seconds": {}, "allocation_retries": None, "gpu": None, "host_cpu": None, "cpu_clock_mhz": None,
    "cpu_quota": None,
}  # fmt: skip
BLANK_SOURCE: Mapping[str, Any] = {"energy_j": None, "energy_scope": None}
BLANK_GPU: Mapping[str, Any] = dict.fromkeys(
    ("throttle_share", "sm_clock_mhz", "memory_clock_mhz", "other_processes", "other_processes_bytes")
)
BLANK_HOST: Mapping[str, Any] = dict.fromkeys(("others_cores", "throttled_cores"))

_seconds, _why = optional(not_negative), optional(by_name(text))
_amount = optional(not_negative)
_class = fields({"class": text, "busy_s": not_negative, "count": _amount}, {"bytes": _amount})
_LAYER_KEYS = (
    "forward_s", "backward_s", "forward_count", "backward_count", "forward_flop", "flop", "forward_bytes", "bytes",
    "alone_forward_s", "alone_backward_s",
)  # fmt: skip
_layer = fields({"name": text}, dict.fromkeys(_LAYER_KEYS, _amount))
_PROFILE_KEYS = ("comm_s", "exposed_comm_s", "exposed_input_s", "h2d_s", "operations")
_profiled = fields(
    {"step_s": positive, "busy_s": not_negative, "device": word("cuda", "cpu"), "classes": many(_class)},
    {
        **dict.fromkeys(_PROFILE_KEYS, _amount),
        "layers": optional(many(_layer)),
        "outside": optional(many(_class)),
        "idle_s": optional(number),
        "phases": optional(by_name(_seconds)),
        "steps": whole(1),
        "variant": text,
        "why": _why,
    },
)
_series = optional(fields({"early": optional(number), "late": optional(number)}))
_energy = {"energy_j": optional(by_name(number)), "energy_scope": optional(text), "why": by_name(text)}
_gpu = fields(
    {
        **_energy, "throttle_share": optional(by_name(number)), "sm_clock_mhz": _series, "memory_clock_mhz": _series,
        "other_processes": optional(whole(0)), "other_processes_bytes": _amount,
    },
    {"uuid": optional(text), "power_limit_w": _amount, "counters": optional(by_name(optional(number)))},
)  # fmt: skip
_cores = {"cores": filled(whole(0)), "others_cores": optional(number), "throttled_cores": optional(many(anything))}
_host = fields({**_energy, **_cores})
_quota = fields(
    {"cores": positive, "group": text, "periods": whole(0), "throttled_periods": whole(0), "throttled_s": not_negative}
)
_rank = fields(
    {
        "host": text, "device": text, "seconds": by_name(not_negative), "allocation_retries": optional(whole(0)),
        "gpu": optional(_gpu), "host_cpu": optional(_host), "cpu_clock_mhz": _series, "why": by_name(text),
        "cpu_quota": optional(_quota),
    }
)  # fmt: skip
_reader = fields(
    {"bytes": not_negative, "seconds": positive, "files": number, "direct_files": number, "shares_cores": flag}
)
_soak = fields({"seconds": positive, "step_s": filled(positive), "first_step_s": positive, "last_step_s": positive})
_rows = many(filled(anything))
_samples = fields(
    {
        "block_steps": whole(1), "block_s": by_name(_rows), "phases_s": by_name(_rows), "read_bytes": _rows,
        "handed_out_s": _rows, "values": by_name(optional(number)), "background": many(_reader),
        "telemetry": many(_rank),
    },
    {
        "arithmetic": optional(by_name(not_negative)),
        "warmup_steps": optional(number), "warmup_s": _seconds, "warmup_ended": optional(text),
        "stopped": optional(text), "soak": optional(_soak),
    },
)  # fmt: skip


def completed(samples: Mapping[str, Any]) -> dict[str, Any]:
    """Return the samples; those that records of older versions lack are null with a reason."""
    telemetry = samples.get("telemetry") or []
    if isinstance(telemetry, list) and all(isinstance(rank, dict) for rank in telemetry):
        telemetry = [_completed_rank(rank) for rank in telemetry]
    return {**BLANK, **samples, "telemetry": telemetry}


def _completed_rank(rank: Mapping[str, Any]) -> dict[str, Any]:
    completed_rank = {**BLANK_RANK, **rank}
    for source, blank in (("gpu", BLANK_GPU), ("host_cpu", BLANK_HOST)):
        if isinstance(completed_rank[source], dict):
            filled_source = {**BLANK_SOURCE, **blank, **completed_rank[source]}
            completed_rank[source] = filled_source | {"why": _reasons(filled_source.get("why"), "energy_j")}
    return completed_rank | {"why": _reasons(completed_rank.get("why"), "gpu")}


def _reasons(why: Any, key: str) -> Any:
    """Return the reasons of nulls, with one for `key`."""
    return {key: NOT_RECORDED, **(why or {})} if isinstance(why, dict | None) else why


def width(samples: Mapping[str, Any], otherwise: int) -> int:
    """Return the number of ranks with times in the first full block; `otherwise` if there is none."""
    blocks = samples.get("block_s")
    full = blocks.get("full") if isinstance(blocks, dict) else None
    return len(full[0]) if isinstance(full, list) and full and isinstance(full[0], list) else otherwise


def unsound(samples: Mapping[str, Any], ranks: int) -> str | None:
    """Return why these samples are impossible, or None.

    `samples` as `completed` gives them; `ranks`: the number of ranks with times in each block.
    """
    if not samples.get("block_s"):
        return "no times of blocks were recorded"
    flaw = fault(_samples, samples) or _unsound_blocks(samples, ranks)
    flaw = flaw or _unsound_profile(samples.get("profile"), samples["block_s"]) or _unsound_energy(samples)
    return f"samples that cannot be: {flaw}" if flaw else None


def reduced_precision(samples: Mapping[str, Any], precision: str) -> str | None:
    """Return why a point in fp32 was computed in a shorter type, or None; None also without a check.

    Points in other precisions are not checked. `samples["arithmetic"]`: errors of products with exact results, computed
    on the point's ranks (saih/worker/arithmetic.py).
    """
    for name, error in (samples.get("arithmetic") or {}).items():
        if precision == "fp32" and error > FP32_ERROR:
            product = name.removesuffix("_error").replace("_", " ")
            return (
                f"a {product} in fp32 is wrong by {error:.2g}: fewer than fp32's 24 bits were kept, so that something "
                "has fp32 run as a shorter type (NVIDIA_TF32_OVERRIDE, TORCH_ALLOW_TF32_CUBLAS_OVERRIDE, "
                "ONEDNN_DEFAULT_FPMATH_MODE, or torch's flags)"
            )
    return None


def _unsound_blocks(samples: Mapping[str, Any], ranks: int) -> str | None:
    """Return the first impossible time or byte count of the blocks, or None."""
    full = samples["block_s"].get("full")
    if not full:
        return "block_s.full: is empty"
    if ranks < 1:
        return "no rank took part"
    for variant, blocks in samples["block_s"].items():
        if flaw := _unsound_rows(f"block_s.{variant}", blocks, ranks, positive):
            return flaw
    others = {f"phases_s.{name}": rows for name, rows in samples["phases_s"].items()}
    others |= {name: samples[name] for name in ("read_bytes", "handed_out_s") if samples[name]}
    for name, rows in others.items():
        if len(rows) != len(full):
            return f"{name}: holds {len(rows)} blocks, but {len(full)} full ones were timed"
        if flaw := _unsound_rows(name, rows, ranks, not_negative):
            return flaw
    return None


def _unsound_rows(where: str, rows: Sequence[Sequence[Any]], ranks: int, shape: Shape) -> str | None:
    if not rows:
        return f"{where}: is empty"
    for i, row in enumerate(rows):
        if len(row) != ranks:
            return f"{where}[{i}]: holds figures of {len(row)} ranks, but {ranks} took part"
        for rank, value in enumerate(row):
            if flaw := fault(shape, value, f"{where}[{i}][{rank}]"):
                return flaw
    return None


def _unsound_profile(profile: Any, variants: Mapping[str, Any]) -> str | None:
    """Return the fault of a profiled pass, or None."""
    if profile is None or (isinstance(profile, dict) and set(profile) <= {"why"}):
        return fault(optional(fields({}, {"why": _why})), profile, "profile")
    if flaw := fault(_profiled, profile, "profile"):
        return flaw
    variant = profile.get("variant", "full")
    return None if variant in variants else f"profile.variant = {variant}: no such steps were timed"


def _unsound_energy(samples: Mapping[str, Any]) -> str | None:
    """Return the first energy of full blocks that lacks its scope or its time, or None."""
    for i, rank in enumerate(samples["telemetry"]):
        for source in (rank["gpu"], rank["host_cpu"]):
            if source and source["energy_j"] and PART in source["energy_j"]:
                if source["energy_scope"] is None:
                    return f"telemetry[{i}]: energy without a scope"
                if PART not in rank["seconds"]:
                    return f"telemetry[{i}].seconds.{PART}: is missing"
    return None


def storable(value: Any) -> Any:
    """Return `value` in a form for JSON, with null for NaN and infinity, possible in an invalid point's samples."""
    if isinstance(value, dict):
        return {key: storable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [storable(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def not_finite(metrics: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the first metric that is not a finite number, in words, or None."""
    for name, entry in metrics.items():
        for key in ("value", "low", "high"):
            if entry.get(key) is not None and (flaw := fault(number, entry[key], f"{name}.{key}")):
                return f"samples that cannot be: from them follows {flaw}"
    return None
