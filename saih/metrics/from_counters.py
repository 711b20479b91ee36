"""Hardware counters -> metrics: activity of memory and tensor cores, and the bytes that a step really moved. Pure.

A GPU's counters (saih/telemetry/gpm.py) are means over the whole measurement, so that they include the steps of every
variant and the pauses between blocks. The share of memory bandwidth refers to the datasheet's figure.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from saih.metrics.catalogue import Metric, metric, unknown
from saih.telemetry.energy import WINDOW

LEAST_S = 1.0
"""The shortest measurement for counters, in seconds: the driver updates them every 0.1 s."""
_HOW = "hardware counters (NVML GPM), mean over the measurement, pauses between blocks included, and over ranks"
_BUSY = ("dram_busy_percent", "tensor_busy_percent")
_MOVED = ("dram_bytes_per_step", "counted_intensity_flop_per_byte")


def counted(samples: Mapping[str, Any], flop: float | None, bandwidth: Mapping[str, Any]) -> dict[str, Metric]:
    """Return the metrics of hardware counters; null with the reason if there are none.

    `flop`: of a step on one device, closed form; `bandwidth`: of the device's memory, {"memory_bytes_per_s", "source"}
    or {"why"}.
    """
    why = _why(samples)
    if why:
        return {name: unknown(name, why) for name in (*_BUSY, *_MOVED)}
    busy = {name: _mean(name, samples) for name in _BUSY}
    return busy | _moved(busy["dram_busy_percent"], samples, flop, bandwidth)


def _why(samples: Mapping[str, Any]) -> str | None:
    """Return why the counters give no figures, or None."""
    if not samples["telemetry"]:
        return "no telemetry was taken"
    for rank in samples["telemetry"]:
        gpu = rank["gpu"]
        if not gpu:
            return f"{rank['host']}: {rank['why']['gpu']}"
        if not gpu.get("counters"):
            return f"{rank['host']}: {gpu['why'].get('counters', 'not counted')}"
    seconds = _window_s(samples)
    return f"the measurement took {seconds:.2g} s; counters need {LEAST_S:g} s" if seconds < LEAST_S else None


def _mean(name: str, samples: Mapping[str, Any]) -> Metric:
    values = [rank["gpu"]["counters"].get(name) for rank in samples["telemetry"]]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return unknown(name, "this device does not count it")
    return metric(name, statistics.fmean(known), _HOW)


def _moved(
    busy: Metric, samples: Mapping[str, Any], flop: float | None, bandwidth: Mapping[str, Any]
) -> dict[str, Metric]:
    """Return the bytes of a step, and its operations per byte."""
    if busy["value"] is None or "why" in bandwidth:
        why = busy.get("why") or bandwidth["why"]
        return {name: unknown(name, why) for name in _MOVED}
    steps = samples["block_steps"] * sum(len(blocks) for blocks in samples["block_s"].values())
    rate = busy["value"] / 100 * bandwidth["memory_bytes_per_s"]
    moved = rate * _window_s(samples) / steps
    quoted = f"of {bandwidth['memory_bytes_per_s'] / 1e12:.4g} TB/s: {bandwidth['source']}"
    bytes_ = metric(_MOVED[0], moved, f"dram_busy_percent {quoted}, x the measurement's time / steps of all variants")
    if not flop or not moved:
        return {_MOVED[0]: bytes_, _MOVED[1]: unknown(_MOVED[1], "the operations or the bytes of a step are not known")}
    return {_MOVED[0]: bytes_, _MOVED[1]: metric(_MOVED[1], flop / moved, "closed-form FLOPs / dram_bytes_per_step")}


def _window_s(samples: Mapping[str, Any]) -> float:
    return float(statistics.fmean(rank["seconds"].get(WINDOW, 0.0) for rank in samples["telemetry"]))
