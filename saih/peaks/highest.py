"""The ceilings for the comparison with one point, taken from all that a sweep has measured. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saih.peaks.limit import limit

FIGURES = {
    "memory_bytes_per_s": "memory",
    "memory_bytes_per_s_low": "memory",
    "memory_bytes_per_s_high": "memory",
    "h2d_bytes_per_s": "copies",
    "launch_s": "launches",
    "round_trip_s": "launches",
    "graph_launch_s": "launches",
    "allreduce_bytes_per_s": "allreduce",
}
"""Figure -> the ceiling (saih/peaks/) that contains it."""
NAMES = {"allreduce_bytes_per_s": "bus_bytes_per_s"}
RATE = "flop_per_s"
NOT_MEASURED = "the ceiling was not measured"
OLDER = "method versions before 8 kept no repeats"


def highest(system: Mapping[str, Any], ranks: int, precision: str) -> dict[str, Any]:
    """Return the ceilings for a record, each of a device while `ranks` ranks run. `system` is system.json.

    Arithmetic in `precision`: "flop_per_s", the sustained rate, with "_low" and "_high" (its interval, named by
    "_interval"), "_fastest" (a burst's), "_limit" (the limit of physics, limit.py, with "_limit_method"), "_method",
    and "_suspect", reasons in sentences why it may not be representative of the device. Then `FIGURES`, with
    "memory_bytes_per_s_suspect". "why" gives the reason of every null.
    """
    peaks = [peak for peak in system["peaks"] if (peak["ranks"], peak["precision"]) == (ranks, precision)]
    others: Mapping[str, Any] = next((each for each in system["ceilings"] if each["ranks"] == ranks), {})
    figures, why = _arithmetic(peaks[0]) if peaks else _unknown(NOT_MEASURED)
    for name, part in FIGURES.items():
        measured = others.get(part, {})
        figures[name] = measured.get(NAMES.get(name, name))
        if figures[name] is None:
            older = OLDER if measured.get("memory_bytes_per_s") and name != "memory_bytes_per_s" else None
            why[name] = measured.get("why") or older or NOT_MEASURED
    figures["memory_bytes_per_s_suspect"] = _suspect(others.get("memory", {}))
    machine = system.get("machine") or {}
    known = machine.get("device_kind") and machine.get("device")
    physics = limit(machine, precision, system.get("cores_per_rank")) if known else {}
    figures[f"{RATE}_limit"], figures[f"{RATE}_limit_method"] = physics.get("flop_per_s"), physics.get("method")
    if not physics.get("flop_per_s"):
        why[f"{RATE}_limit"] = physics.get("why", "the machine is not recorded")
    return {**figures, "why": why}


def _arithmetic(peak: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the figures of arithmetic, and the reasons of nulls.

    Folders of method versions before 8 hold short repeats only: there the highest median represents steady work.
    """
    if "repeats" in peak:
        return {
            RATE: peak[RATE],
            f"{RATE}_low": peak[f"{RATE}_low"],
            f"{RATE}_high": peak[f"{RATE}_high"],
            f"{RATE}_interval": peak["interval"],
            f"{RATE}_fastest": peak[f"fastest_{RATE}"],
            f"{RATE}_method": _method(peak),
            f"{RATE}_suspect": _suspect(peak),
        }, {}
    medians = [(median, each) for each in peak.get("entries") or [peak] if (median := _median(each)) is not None]
    if not medians:
        return _unknown(NOT_MEASURED)
    rate, steady = max(medians, key=lambda each: each[0])
    short = (
        f"the median of short repeats, for a sustained rate was not measured: {steady.get('name', peak.get('best'))}"
    )
    missing = (f"{RATE}_low", f"{RATE}_high", f"{RATE}_interval")
    return {
        RATE: rate,
        **dict.fromkeys(missing),
        f"{RATE}_fastest": peak[RATE],
        f"{RATE}_method": short,
        f"{RATE}_suspect": [],
    }, dict.fromkeys(missing, OLDER)


def _median(entry: Mapping[str, Any]) -> float | None:
    """Return the median of short repeats; the first versions kept its distance below the fastest instead."""
    if entry.get(f"median_{RATE}") is not None:
        return float(entry[f"median_{RATE}"])
    fastest, spread = entry.get(RATE), entry.get("spread_percent")
    return None if fastest is None or spread is None or spread >= 100 else float(fastest * (1 - spread / 100))


def _method(peak: Mapping[str, Any]) -> str:
    settling = peak["settling"]
    counted = f"{len(peak['repeats'])} repeats after {settling['seconds']:.2g} s of settling"
    return f"sustained, total operations over total time of {counted}: {peak['best']}"


def _suspect(measured: Mapping[str, Any]) -> list[str]:
    return [str(each["words"]) for each in measured.get("suspect") or []]


def _unknown(why: str) -> tuple[dict[str, Any], dict[str, str]]:
    names = [RATE, *(f"{RATE}_{each}" for each in ("low", "high", "interval", "fastest", "method"))]
    return {**dict.fromkeys(names), f"{RATE}_suspect": []}, dict.fromkeys(names, why)


def ceilings_of(own: Mapping[str, Any], system: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ceilings of a record (its "system" and "point" as `own`), for any version of the method.

    Before version 8 records kept a burst's rate: their ceilings are recomputed from `system`, system.json, if it is
    there. Figures missing from that are taken from the record.
    """
    kept: Mapping[str, Any] = own["system"].get("ceilings") or {}
    if f"{RATE}_method" in kept or not system.get("peaks"):
        return dict(kept)
    ranks = len(own["system"].get("ranks") or []) or int(own["point"]["run"]["ranks"])
    recomputed = highest({"ceilings": [], **system}, ranks, own["point"]["run"]["precision"])
    others = {name: kept[name] for name in FIGURES if recomputed[name] is None and kept.get(name) is not None}
    why = {name: reason for name, reason in recomputed["why"].items() if name not in others}
    return {**recomputed, **others, "why": why}
