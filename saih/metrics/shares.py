"""Shares of a peak: of the datasheet's and of the measured ceiling; and the rates that physics forbids. Pure.

A share of the measured ceiling inherits the uncertainty of the rate and of the ceiling, which were measured apart: with
relative errors r and c, the share's is sqrt(r^2 + c^2), each side for itself. The datasheet's figure has no error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saih.metrics.catalogue import Metric, metric, unknown

BEYOND = (
    "the measured ceiling does not hold for this work: it has other kernels, or met a cooler or less disturbed device"
)
"""The explanation of a rate that is above the measured ceiling and within the physical limit."""


def shares(found: Mapping[str, Metric], datasheet: Mapping[str, Any], ceilings: Mapping[str, Any]) -> dict[str, Metric]:
    """Return both percentages of a peak.

    `found`: the metrics so far; the others as in saih.metrics.compute.
    """
    rate = found["flop_per_s_per_device"]
    flop_per_s, error = rate["value"], _relative_error(rate)
    return {
        "percent_of_peak": _percent_of_datasheet(flop_per_s, error, datasheet),
        "percent_of_measured_peak": _percent_of_ceiling(flop_per_s, error, ceilings),
    }


def invalid_because(metrics: Mapping[str, Metric], ceilings: Mapping[str, Any]) -> str | None:
    """Return why physics forbids the rate, or None.

    `ceilings` as in saih.metrics.compute. A rate above the measured ceiling is no reason: other kernels, or a cooler or
    undisturbed device, may exceed that.
    """
    rate, most = metrics["flop_per_s_per_device"]["value"], ceilings.get("flop_per_s_limit")
    if rate is None or not most or rate <= most:
        return None
    return (
        f"{_flop_per_s(rate)} a device is more than the device can do: at most {_flop_per_s(most)} "
        f"({ceilings['flop_per_s_limit_method']}); the count or the clock is wrong, or a library computes with fewer "
        "operations than are counted, or in a shorter type (fp32 as TF32, by NVIDIA_TF32_OVERRIDE or torch's flags)"
    )


def _flop_per_s(value: float) -> str:
    return f"{value / 1e12:.4g} TFLOP/s" if value >= 1e12 else f"{value / 1e9:.4g} GFLOP/s"


@dataclass(frozen=True)
class _Error:
    """The relative distances of an interval's ends from the value; `kind` names the interval."""

    down: float
    up: float
    kind: str

    def around(self, value: float) -> dict[str, Any]:
        """Return the interval of a `value` with this error, in the form of a metric."""
        return {"low": value * max(0.0, 1 - self.down), "high": value * (1 + self.up), "interval": self.kind}


def _relative_error(rate: Metric) -> _Error | None:
    """Return the relative error of a rate, from its interval."""
    value, low, high = rate["value"], rate.get("low"), rate.get("high")
    if not value or low is None or high is None:
        return None
    return _Error(1 - low / value, high / value - 1, str(rate.get("interval")))


def _percent_of_datasheet(flop_per_s: float, error: _Error | None, datasheet: Mapping[str, Any]) -> Metric:
    if "flop_per_s" not in datasheet:
        return unknown("percent_of_peak", datasheet["why"])
    method = f"of {datasheet['flop_per_s'] / 1e12:g} TFLOP/s dense: {datasheet['source']}"
    share = 100 * flop_per_s / datasheet["flop_per_s"]
    return metric("percent_of_peak", share, method, **(error.around(share) if error else {}))


def _percent_of_ceiling(flop_per_s: float, error: _Error | None, ceilings: Mapping[str, Any]) -> Metric:
    """Return the percentage of the measured ceiling.

    The metric also has "ceiling", the reference, and "beyond", True if the rate exceeds it by more than their
    intervals.
    """
    name, value = "percent_of_measured_peak", ceilings.get("flop_per_s")
    if not value:
        return unknown(name, (ceilings.get("why") or {}).get("flop_per_s") or "the ceiling was not measured")
    low, high = ceilings.get("flop_per_s_low"), ceilings.get("flop_per_s_high")
    suspect = list(ceilings.get("flop_per_s_suspect") or [])
    share = 100 * flop_per_s / value
    ends = _in_quadrature(error, ceilings).around(share) if error else {}
    beyond = ends.get("low", share) > 100
    method = [f"of {_flop_per_s(value)} a device, {ceilings.get('flop_per_s_method') or 'measured'}"]
    method += [f"the ceiling is suspect: {'; '.join(suspect)}"] if suspect else []
    method += [f"{share:.0f} %: {BEYOND}"] if beyond else []
    ceiling = {"flop_per_s": value, "low": low, "high": high, "suspect": suspect}
    return metric(name, share, "; ".join(method), **ends, ceiling=ceiling, beyond=beyond)


def _in_quadrature(error: _Error, ceilings: Mapping[str, Any]) -> _Error:
    """Combine the rate's error with the ceiling's, whose low end widens the share's high end and vice versa."""
    value, low, high = (ceilings.get(f"flop_per_s{end}") for end in ("", "_low", "_high"))
    if not value or not low or not high:
        return _Error(error.down, error.up, f"the rate's alone, the ceiling's is not known: {error.kind}")
    down, up = math.hypot(error.down, 1 - value / high), math.hypot(error.up, value / low - 1)
    own = ceilings.get("flop_per_s_interval") or "not named"
    return _Error(down, up, f"rate ({error.kind}) and ceiling ({own}) in quadrature")
