"""Raw samples -> metrics, each with unit, direction, method and, where there is no value, the reason. Pure.

Definitions (docs/method.md says more): with b blocks of n steps on r ranks, each rank serving B samples a step,

    block time      T_i = the slowest rank's time for block i
    samples_per_s   b n r B / sum of T_i            total samples over total time
    step_s          median of T_i / n
    exposed_x_s     median of (T_i - T'_i) / n, T'_i the block run next to it without x
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from saih.app import Cost, Execution, MetricSpec
from saih.counted import counted
from saih.diagnosis.blocks import excess, flop_of_a_step
from saih.profiled import profiled
from saih.stats import serial_median_interval
from saih.telemetry.energy import per_sample
from saih.units import UNITS, Metric, metric, unknown

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
    "h2d_s": "timer around it",
    "read_s": "timers in the reading threads, added up over threads",
    "decode_s": "timers in the reading threads, added up over threads",
}
"""Phases that an application may time, and how."""

EXPOSED = {"without_input": "exposed_input_s", "without_communication": "exposed_comm_s"}


def compute(
    samples: Mapping[str, Any],
    cost: Cost,
    run: Execution,
    ceiling: Mapping[str, Any] | None,
    datasheet: Mapping[str, Any],
    ceilings: Mapping[str, Any] | None = None,
    bandwidth: Mapping[str, Any] | None = None,
) -> dict[str, Metric]:
    """All core metrics of a measured point.

    ``samples`` as in the record; ``ceiling`` an entry of saih.peaks.measure or None; ``datasheet`` the answer of
    saih.peaks.datasheet ({"flop_per_s", "source"} or {"why"}); ``ceilings`` as in record.system["ceilings"], or None;
    ``bandwidth`` the answer of saih.peaks.bandwidth, or None.
    """
    rate = samples_per_s(samples, run)
    flop_per_s = cost.flop_per_sample * rate / run.ranks
    found = {
        "samples_per_s": metric("samples_per_s", rate, "total samples of all ranks over total time of the blocks"),
        "step_s": _step(samples),
        "flop_per_sample": metric("flop_per_sample", cost.flop_per_sample, "closed form, plain variant, 2 per MAC"),
        "executed_flop_per_sample": _executed(cost, run),
        "flop_per_s_per_device": metric("flop_per_s_per_device", flop_per_s, "flop_per_sample x samples_per_s / ranks"),
        "parameters": metric("parameters", cost.parameters, "closed form"),
        "percent_of_peak": _percent_of_datasheet(flop_per_s, datasheet),
        "percent_of_measured_peak": _percent_of_ceiling(flop_per_s, ceiling),
        "rank_imbalance_percent": _imbalance(samples, run),
        **_phases(samples),
        **_exposed(samples, run),
        "background_read_bytes_per_s": _background(samples["background"], run),
        "energy_j_per_sample": _energy(samples, run),
        "scaling_efficiency": unknown("scaling_efficiency", "relates several points: see the report"),
    }
    moved = bandwidth or {"why": "the memory's datasheet bandwidth is not known"}
    return found | profiled(samples, found, ceilings or {}) | counted(samples, flop_of_a_step(found, samples), moved)


def declared(specs: Sequence[MetricSpec], values: Mapping[str, float | None]) -> dict[str, Metric]:
    """The application's own metrics; one it gave no value for is null."""
    found: dict[str, Metric] = {}
    for spec in specs:
        entry = {"value": values.get(spec.name), "unit": spec.unit, "better": spec.better, "method": spec.method}
        missing = {} if entry["value"] is not None else {"why": "the application gave no finite value"}
        found[spec.name] = entry | missing | {"label": spec.label}
    return found


def samples_per_s(samples: Mapping[str, Any], run: Execution) -> float:
    """Total samples over total time of the full blocks."""
    return float(served(samples, run) / sum(max(ranks) for ranks in samples["block_s"]["full"]))


def served(samples: Mapping[str, Any], run: Execution) -> int:
    """Samples of all ranks in the full blocks."""
    return int(len(samples["block_s"]["full"]) * samples["block_steps"] * run.ranks * run.batch)


def invalid_because(metrics: Mapping[str, Metric], ceiling: Mapping[str, Any] | None) -> str | None:
    """Why the rate cannot be true, or None: it lies beyond the datasheet, or beyond the measured ceiling's spread."""
    quoted = metrics["percent_of_peak"]["value"]
    if quoted is not None and quoted > 100:
        return f"{quoted:.1f} % of the datasheet peak: more than the device can do"
    measured = metrics["percent_of_measured_peak"]["value"]
    if ceiling is not None and measured is not None and measured > 100 + ceiling["spread_percent"]:
        return f"{measured:.1f} % of the measured ceiling, whose spread is {ceiling['spread_percent']:.1f} %"
    return None


def peak_memory(value: int, device_kind: str) -> Metric:
    """The most that a rank held at once."""
    if device_kind == "cuda":
        return metric("peak_mem_bytes", value, "largest sum of allocated tensors on a device, largest rank")
    method = "largest growth of a rank's resident memory since before the point was built; libraries it loads count too"
    return metric("peak_mem_bytes", value, method)


def withheld(metrics: Mapping[str, Metric], why: str) -> dict[str, Metric]:
    """The metrics of a point that must not be believed: no value is left that was derived from its times."""
    kept = ("flop_per_sample", "executed_flop_per_sample", "parameters")
    return {name: m if name in kept else _without_value(m, why) for name, m in metrics.items()}


def _without_value(entry: Metric, why: str) -> Metric:
    ends = ("low", "high", "interval")
    return {key: each for key, each in entry.items() if key not in ends} | {"value": None, "why": why}


def _step(samples: Mapping[str, Any]) -> Metric:
    steps = [max(ranks) / samples["block_steps"] for ranks in samples["block_s"]["full"]]
    found = serial_median_interval(steps)
    return metric(
        "step_s",
        found.median,
        "median over blocks of the slowest rank's time / steps",
        low=found.low,
        high=found.high,
        interval=f"within-run, order statistics of correlated blocks, {100 * found.confidence:.0f} %",
    )


def _executed(cost: Cost, run: Execution) -> Metric:
    name = "executed_flop_per_sample"
    if run.execution == "plain":
        return metric(name, cost.flop_per_sample, "the plain variant executes the algorithm's own operations")
    return unknown(name, f"not counted for execution {run.execution}")


def _percent_of_datasheet(flop_per_s: float, datasheet: Mapping[str, Any]) -> Metric:
    if "flop_per_s" not in datasheet:
        return unknown("percent_of_peak", datasheet["why"])
    method = f"of {datasheet['flop_per_s'] / 1e12:g} TFLOP/s dense: {datasheet['source']}"
    return metric("percent_of_peak", 100 * flop_per_s / datasheet["flop_per_s"], method)


def _percent_of_ceiling(flop_per_s: float, ceiling: Mapping[str, Any] | None) -> Metric:
    if ceiling is None:
        return unknown("percent_of_measured_peak", "the ceiling was not measured")
    method = f"of {ceiling['flop_per_s'] / 1e9:.4g} GFLOP/s a device, measured: {ceiling['best']}"
    return metric("percent_of_measured_peak", 100 * flop_per_s / ceiling["flop_per_s"], method)


def _imbalance(samples: Mapping[str, Any], run: Execution) -> Metric:
    if run.ranks == 1:
        return unknown("rank_imbalance_percent", "one rank")
    alone = samples["block_s"].get("without_communication")  # where ranks meet in every step, all end together
    late = [100 * (max(ranks) / statistics.mean(ranks) - 1) for ranks in alone or samples["block_s"]["full"]]
    how = ", in the blocks without communication, where none waits for another" if alone else ""
    method = f"median over blocks of slowest over mean rank - 1{how}"
    return metric("rank_imbalance_percent", statistics.median(late), method)


def _phases(samples: Mapping[str, Any]) -> dict[str, Metric]:
    phases = samples["phases_s"]
    blocks = samples["block_s"]["full"]
    steps = len(blocks) * samples["block_steps"]
    found = {}
    for name, how in PHASES.items():
        if name in phases:
            per_step = sum(max(ranks) for ranks in phases[name]) / steps
            found[name] = metric(name, per_step, f"{how}, slowest rank of each block, mean over steps")
        else:
            found[name] = unknown(name, "the application does not time it")
    found["read_bytes_per_s"] = _read_rate(samples)
    return found


def _read_rate(samples: Mapping[str, Any]) -> Metric:
    if not samples["read_bytes"]:
        return unknown("read_bytes_per_s", "not recorded")
    seconds = sum(max(ranks) for ranks in samples["block_s"]["full"])
    read = sum(map(sum, samples["read_bytes"]))
    return metric("read_bytes_per_s", read / seconds, "bytes of samples read by all ranks / time")


def _exposed(samples: Mapping[str, Any], run: Execution) -> dict[str, Metric]:
    found = {}
    for variant, name in EXPOSED.items():
        if variant in samples["block_s"]:
            found[name] = _difference(name, excess(samples, variant))
        elif name == "exposed_comm_s" and run.ranks == 1:
            found[name] = metric(name, 0.0, "one rank: there is no communication")
        else:
            found[name] = unknown(name, "the application has no variant without it")
    return found


def _energy(samples: Mapping[str, Any], run: Execution) -> Metric:
    name = "energy_j_per_sample"
    found = per_sample(samples["telemetry"], served(samples, run))
    return unknown(name, found["why"]) if "why" in found else metric(name, found["j_per_sample"], found["method"])


def _background(hosts: Sequence[Mapping[str, Any]], run: Execution) -> Metric:
    """What the readers of all hosts achieved, which may be less than was asked for; ``shares_cores`` as measured."""
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


def _difference(name: str, values: Sequence[float]) -> Metric:
    method = "median over pairs of neighbouring blocks: with it less without it, per step; may be negative"
    found = serial_median_interval(values)
    kind = f"within-run, order statistics of correlated blocks, {100 * found.confidence:.0f} %"
    return metric(name, found.median, method, low=found.low, high=found.high, interval=kind)
