"""The catalogue of core metrics with their units, and the form of a metric in a record. Pure."""

from __future__ import annotations

from typing import Any

Metric = dict[str, Any]

UNITS: dict[str, tuple[str, str]] = {
    "samples_per_s": ("samples/s", "higher"),
    "step_s": ("s", "lower"),
    "flop_per_sample": ("FLOP", "none"),
    "executed_flop_per_sample": ("FLOP", "none"),
    "flop_per_s_per_device": ("FLOP/s", "higher"),
    "percent_of_peak": ("%", "higher"),
    "percent_of_measured_peak": ("%", "higher"),
    "peak_mem_bytes": ("B", "lower"),
    "input_wait_s": ("s", "lower"),
    "storage_wait_s": ("s", "lower"),
    "decode_wait_s": ("s", "lower"),
    "exposed_input_s": ("s", "lower"),
    "exposed_input_wait_s": ("s", "lower"),
    "input_contention_s": ("s", "lower"),
    "h2d_s": ("s", "lower"),
    "copy_wait_s": ("s", "lower"),
    "exposed_comm_s": ("s", "lower"),
    "read_s": ("s", "lower"),
    "decode_s": ("s", "lower"),
    "launch_gap_s": ("s", "lower"),
    "busy_s": ("s", "lower"),
    "forward_s": ("s", "lower"),
    "backward_s": ("s", "lower"),
    "optimiser_s": ("s", "lower"),
    "layer_bound_s": ("s", "none"),
    "intensity_flop_per_byte": ("FLOP/B", "none"),
    "dram_busy_percent": ("%", "none"),
    "tensor_busy_percent": ("%", "none"),
    "dram_bytes_per_step": ("B", "lower"),
    "counted_intensity_flop_per_byte": ("FLOP/B", "none"),
    "read_bytes_per_s": ("B/s", "none"),
    "background_read_bytes_per_s": ("B/s", "none"),
    "energy_j_per_sample": ("J", "lower"),
    "scaling_efficiency": ("1", "higher"),
    "parameters": ("1", "none"),
    "rank_imbalance_percent": ("%", "lower"),
}
"""The core metrics: unit, and the direction that is better."""


def metric(name: str, value: float, method: str, **more: Any) -> Metric:
    """Return a core metric with a value."""
    unit, better = UNITS[name]
    return {"value": value, "unit": unit, "better": better, "method": method, **more}


def unknown(name: str, why: str) -> Metric:
    """Return a core metric without a value, and the reason."""
    return metric(name, 0.0, "not measured") | {"value": None, "why": why}
