"""Raw samples -> metrics, each with unit, direction, method and, where there is no value, the reason. Pure.

Definitions (docs/method.md says more): with b blocks of n steps on r ranks, each rank serving B samples a step,

    block time      T_i = the slowest rank's time for block i
    samples_per_s   b n r B / sum of T_i            total samples over total time; its interval is that of the mean T_i
    step_s          median of T_i / n
    exposed_x_s     median of (T_i - T'_i) / n, T'_i the block run next to it without x
    input_contention_s    the same of the block without waiting for input less the one without input

Shares of a peak, and the rates that physics excludes, are in shares.py.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from saih.app import Cost, Execution, MetricSpec
from saih.metrics.catalogue import UNITS, Metric, metric, unknown
from saih.metrics.from_blocks import excess, flop_of_a_step
from saih.metrics.from_counters import counted
from saih.metrics.from_profile import profiled
from saih.metrics.shares import invalid_because, shares
from saih.statistics.correlated import mean_interval, median_interval
from saih.statistics.paired import difference_interval
from saih.telemetry.energy import per_sample

__all__ = [
    "UNITS",
    "Metric",
    "compute",
    "declared",
    "invalid_because",
    "metric",
    "peak_memory",
    "samples_per_s",
    "served",
    "unknown",
    "withheld",
]

PHASES = {
    "input_wait_s": "timer around it",
    "storage_wait_s": "part of input_wait_s, by the threads' times for the batch that was waited for",
    "decode_wait_s": "part of input_wait_s, by the threads' times for the batch that was waited for",
    "h2d_s": "timer around it",
    "copy_wait_s": "device events around the compute stream's wait for the copy",
    "read_s": "timers in the reading threads, thread-seconds: added up over threads, and not to be held against time",
    "decode_s": "timers in the reading threads, thread-seconds: added up over threads, and not to be held against time",
}
"""Phases that an application may time, and the method of each."""

DIFFERENCES = {
    "exposed_input_s": ("full", "without_input"),
    "exposed_input_wait_s": ("full", "without_input_wait"),
    "input_contention_s": ("without_input_wait", "without_input"),
    "exposed_comm_s": ("full", "without_communication"),
}
"""Metric -> the two variants; the metric is the difference of their times."""


def compute(
    samples: Mapping[str, Any],
    cost: Cost,
    run: Execution,
    datasheet: Mapping[str, Any],
    ceilings: Mapping[str, Any] | None = None,
    bandwidth: Mapping[str, Any] | None = None,
) -> dict[str, Metric]:
    """Return all core metrics of a measured point.

    `samples` as in the record; `datasheet` the answer of saih.peaks.datasheet: {"flop_per_s", "source"} or {"why"};
    `ceilings` as in record.system["ceilings"] (saih/peaks/highest.py), or None; `bandwidth` the answer of
    saih.peaks.bandwidth, or None.
    """
    rate = _rate(samples, run)
    speed = _speed(rate, cost, run)
    metrics = {
        "samples_per_s": rate,
        "step_s": _step(samples),
        "flop_per_sample": metric("flop_per_sample", cost.flop_per_sample, "closed form, plain variant, 2 per MAC"),
        "executed_flop_per_sample": _executed(cost, run),
        "flop_per_s_per_device": speed,
        "parameters": metric("parameters", cost.parameters, "closed form"),
        "rank_imbalance_percent": _imbalance(samples, run),
        **_phases(samples),
        **_exposed(samples, run),
        "background_read_bytes_per_s": _background(samples["background"], run),
        "energy_j_per_sample": _energy(samples, run),
        "scaling_efficiency": unknown("scaling_efficiency", "relates several points: see the report"),
    }
    metrics |= shares(metrics, datasheet, ceilings or {})
    moved = bandwidth or {"why": "the memory's datasheet bandwidth is not known"}
    return (
        metrics | profiled(samples, metrics, ceilings or {}) | counted(samples, flop_of_a_step(metrics, samples), moved)
    )


def declared(specs: Sequence[MetricSpec], values: Mapping[str, float | None]) -> dict[str, Metric]:
    """Return the application's own metrics; those without a value are null."""
    metrics: dict[str, Metric] = {}
    for spec in specs:
        entry = {"value": values.get(spec.name), "unit": spec.unit, "better": spec.better, "method": spec.method}
        missing = {} if entry["value"] is not None else {"why": "the application gave no finite value"}
        metrics[spec.name] = entry | missing | {"label": spec.label}
    return metrics


def samples_per_s(samples: Mapping[str, Any], run: Execution) -> float:
    """Return the throughput: total samples over total time of the full blocks."""
    return float(served(samples, run) / sum(max(ranks) for ranks in samples["block_s"]["full"]))


def served(samples: Mapping[str, Any], run: Execution) -> int:
    """Return the number of samples of all ranks in the full blocks."""
    return int(len(samples["block_s"]["full"]) * samples["block_steps"] * run.ranks * run.batch)


def peak_memory(value: int, device_kind: str) -> Metric:
    """Return the metric of the most memory that a rank used at once."""
    if device_kind == "cuda":
        return metric("peak_mem_bytes", value, "largest sum of allocated tensors on a device, largest rank")
    method = "largest growth of a rank's resident memory since before the point was built; libraries it loads count too"
    return metric("peak_mem_bytes", value, method)


def withheld(metrics: Mapping[str, Metric], why: str) -> dict[str, Metric]:
    """Return the metrics of an invalid point: every value derived from its times is replaced by null."""
    kept = ("flop_per_sample", "executed_flop_per_sample", "parameters")
    form = ("unit", "better", "method", "label")
    return {
        name: m if name in kept else {key: m[key] for key in form if key in m} | {"value": None, "why": why}
        for name, m in metrics.items()
    }


def _rate(samples: Mapping[str, Any], run: Execution) -> Metric:
    """Return the throughput, with the interval of the blocks' mean time."""
    interval = mean_interval([max(ranks) for ranks in samples["block_s"]["full"]], positive=True)
    per_block = samples["block_steps"] * run.ranks * run.batch
    return metric(
        "samples_per_s",
        samples_per_s(samples, run),
        "total samples of all ranks over total time of the blocks",
        low=per_block / interval.high,
        high=per_block / interval.low,
        interval=_within_run("the mean of blocks", interval.confidence),
    )


def _speed(rate: Metric, cost: Cost, run: Execution) -> Metric:
    """Return the FLOP/s of a device: the throughput times the FLOPs of a sample."""
    name, flop_of_a_rank = "flop_per_s_per_device", cost.flop_per_sample / run.ranks
    ends = {end: flop_of_a_rank * rate[end] for end in ("low", "high")}
    method = "flop_per_sample x samples_per_s / ranks"
    return metric(name, flop_of_a_rank * rate["value"], method, **ends, interval=rate["interval"])


def _within_run(what: str, confidence: float) -> str:
    """Name an interval that covers variation within one process; differences between processes are not included."""
    return f"within-run, {what}, {100 * confidence:.0f} %"


def _step(samples: Mapping[str, Any]) -> Metric:
    steps = [max(ranks) / samples["block_steps"] for ranks in samples["block_s"]["full"]]
    interval = median_interval(steps, positive=True)
    return metric(
        "step_s",
        interval.middle,
        "median over blocks of the slowest rank's time / steps",
        low=interval.low,
        high=interval.high,
        interval=_within_run("the median of blocks", interval.confidence),
    )


def _executed(cost: Cost, run: Execution) -> Metric:
    name = "executed_flop_per_sample"
    if run.execution == "plain":
        return metric(name, cost.flop_per_sample, "the plain variant executes the algorithm's own operations")
    return unknown(name, f"not counted for execution {run.execution}")


def _imbalance(samples: Mapping[str, Any], run: Execution) -> Metric:
    if run.ranks == 1:
        return unknown("rank_imbalance_percent", "one rank")
    alone = samples["block_s"].get("without_communication")  # ranks that synchronise in every step all end together
    late = [100 * (max(ranks) / statistics.mean(ranks) - 1) for ranks in alone or samples["block_s"]["full"]]
    how = ", in the blocks without communication, where none waits for another" if alone else ""
    method = f"median over blocks of slowest over mean rank - 1{how}"
    return metric("rank_imbalance_percent", statistics.median(late), method)


def _phases(samples: Mapping[str, Any]) -> dict[str, Metric]:
    phases = samples["phases_s"]
    blocks = samples["block_s"]["full"]
    steps = len(blocks) * samples["block_steps"]
    metrics = {}
    for name, how in PHASES.items():
        if name in phases:
            per_step = sum(max(ranks) for ranks in phases[name]) / steps
            metrics[name] = metric(name, per_step, f"{how}, slowest rank of each block, mean over steps")
        else:
            metrics[name] = unknown(name, "the application does not time it")
    metrics["read_bytes_per_s"] = _read_rate(samples)
    return metrics


def _read_rate(samples: Mapping[str, Any]) -> Metric:
    if not samples["read_bytes"]:
        return unknown("read_bytes_per_s", "not recorded")
    seconds = sum(max(ranks) for ranks in samples["block_s"]["full"])
    read = sum(map(sum, samples["read_bytes"]))
    return metric("read_bytes_per_s", read / seconds, "bytes of samples read by all ranks / time")


def _exposed(samples: Mapping[str, Any], run: Execution) -> dict[str, Metric]:
    metrics = {}
    for name, (longer, without) in DIFFERENCES.items():
        if {longer, without} <= set(samples["block_s"]):
            metrics[name] = _difference(name, excess(samples, without, longer), longer, without)
        elif name == "exposed_comm_s" and run.ranks == 1:
            metrics[name] = metric(name, 0.0, "one rank: there is no communication")
        elif "without_input_wait" in (longer, without):
            metrics[name] = unknown(name, "there are no blocks that read input without waiting for it")
        else:
            metrics[name] = unknown(name, "the application has no variant without it")
    return metrics


def _energy(samples: Mapping[str, Any], run: Execution) -> Metric:
    name = "energy_j_per_sample"
    energy = per_sample(samples["telemetry"], served(samples, run))
    return unknown(name, energy["why"]) if "why" in energy else metric(name, energy["j_per_sample"], energy["method"])


def _background(hosts: Sequence[Mapping[str, Any]], run: Execution) -> Metric:
    """Return the rate that the readers of all hosts achieved, possibly below the requested one.

    `shares_cores` of the metric as measured.
    """
    name = "background_read_bytes_per_s"
    if not run.background_read_mb_s:
        return unknown(name, "no background reading was asked for")
    if not hosts:
        return unknown(name, "what the readers read was not recorded")
    rate = sum(host["bytes"] / host["seconds"] for host in hosts)
    direct = all(host["direct_files"] == host["files"] for host in hosts)
    shared = any(host["shares_cores"] for host in hosts)
    how = "O_DIRECT" if direct else "through the page cache, pages dropped (direct reads are refused)"
    where = "on cores that ranks use too" if shared else "on cores of their own"
    method = f"bytes that reader processes of all hosts read during the measurement / time; {how}; {where}"
    return metric(name, rate, method, shares_cores=shared)


def _difference(name: str, values: Sequence[float], longer: str, without: str) -> Metric:
    less = "with it less without it" if longer == "full" else f"{longer} less {without}"
    method = f"median over pairs of neighbouring blocks: {less}, per step; may be negative"
    interval = difference_interval(values)
    kind = _within_run("pairs of neighbouring blocks", interval.confidence)
    return metric(name, interval.middle, method, low=interval.low, high=interval.high, interval=kind)
