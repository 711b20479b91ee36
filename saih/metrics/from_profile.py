"""The profiled pass -> metrics: the device's time by phase, its gaps, the time of the layers run alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saih.metrics.catalogue import Metric, metric, unknown
from saih.metrics.from_blocks import flop_of_a_step, gaps
from saih.metrics.roofline import layer_bound, least_traffic
from saih.statistics.correlated import median_interval

PHASES = ("forward", "backward", "optimiser")
BUSY = {
    "cuda": "union of the times of kernels that are no communication, of memsets and of copies within the device",
    "cpu": "the rank's own thread in torch's operations, no communication, less what recording operations costs",
}
"""The definition of busy time, by kind of device."""


def profiled(samples: Mapping[str, Any], found: Mapping[str, Metric], ceilings: Mapping[str, Any]) -> dict[str, Metric]:
    """Return the metrics of the profiled pass; null with the reason if it gives none.

    `samples`, `ceilings` as in the record, `found` its metrics so far.
    """
    profile = samples.get("profile") or {"why": {"profile": "the step was not profiled"}}
    which = " without input" if profile.get("variant") == "without_input" else ""
    how = f"mean over {profile.get('steps')} profiled steps{which} of rank 0, after the timed ones"
    flop = flop_of_a_step(found, samples)
    busy = f"{how}: {BUSY.get(_kind(profile), '')}"
    metrics = {"busy_s": _of_profile("busy_s", profile.get("busy_s"), profile, "busy_s", busy)}
    for phase in PHASES:
        seconds = (profile.get("phases") or {}).get(phase)
        name = f"{phase}_s"
        metrics[name] = _of_profile(name, seconds, profile, "phases", f"{how}: busy time of what {phase} started")
    return metrics | {
        "launch_gap_s": _launch_gap(samples, profile, found["step_s"]["value"], ceilings),
        "layer_bound_s": _layer_bound(profile, ceilings, flop),
        "intensity_flop_per_byte": _intensity(profile, flop),
    }


def _layer_bound(profile: Mapping[str, Any], ceilings: Mapping[str, Any], flop: float | None) -> Metric:
    name = "layer_bound_s"
    bound = layer_bound(profile, ceilings, flop)
    if "why" in bound:
        return unknown(name, bound["why"])
    method = (
        f"{bound['alone']} of {bound['of']} layer parts: the same kernels, each layer run alone, fastest; other layer "
        "parts at the measured ceilings; all else its least traffic at the measured memory bandwidth. No bound: other "
        "kernels may be faster"
    )
    return metric(name, bound["seconds"], method)


def _intensity(profile: Mapping[str, Any], flop: float | None) -> Metric:
    name = "intensity_flop_per_byte"
    traffic = least_traffic(profile)
    if flop is None or not traffic.get("bytes"):
        return unknown(name, traffic.get("why", "the operations of a step are not known"))
    return metric(
        name,
        flop / traffic["bytes"],
        "closed-form FLOPs of a step / the least bytes that its operations, as they ran, must move",
    )


def _kind(profile: Mapping[str, Any]) -> str:
    return str(profile.get("device"))


def _of_profile(name: str, value: float | None, profile: Mapping[str, Any], key: str, method: str) -> Metric:
    if value is not None:
        return metric(name, value, method)
    why = profile.get("why") or {}
    return unknown(name, why.get(key) or why.get("profile") or "the profiled pass does not tell it")


def _launch_gap(
    samples: Mapping[str, Any], profile: Mapping[str, Any], step_s: float, ceilings: Mapping[str, Any]
) -> Metric:
    """Return a GPU's idle time without any waiting, or on a CPU an estimate of the cost of calling operations."""
    name = "launch_gap_s"
    if profile.get("busy_s") is None or profile.get("operations") is None:
        return _of_profile(name, None, profile, "busy_s", "")
    if _kind(profile) == "cpu":
        if not ceilings.get("launch_s"):
            return unknown(name, (ceilings.get("why") or {}).get("launch_s") or "the cost of calling was not measured")
        seconds = min(step_s, profile["operations"] * ceilings["launch_s"])
        return metric(name, seconds, "estimate: operations of a step x the measured cost of calling one on one number")
    idle_s = gaps(samples, profile["busy_s"])
    if not idle_s:
        return unknown(name, "the application has no variant without communication")
    interval = median_interval(idle_s)
    method = (
        "median over rounds of the step that waits for neither input nor communication, less busy_s; may be negative"
    )
    if "without_input" not in samples["block_s"]:
        method += "; the application has no variant without input, so that waiting for input would be in it"
    kind = f"within-run, the median of blocks, {100 * interval.confidence:.0f} %"
    return metric(name, interval.middle, method, low=interval.low, high=interval.high, interval=kind)
