"""Checks of a point's timed steps against other instruments that observed the same steps. Pure.

On a GPU the parts of a step add up by construction: the gaps are the timed step less the busy time. Evidence that they
are right comes from the agreement of independent instruments.

    profiled step    the step under the profiler over the timed one, rank 0's both. The profiler costs the host up to
                     `PROFILER_S` an operation, and so a step that waits for the host is much longer under it; a few
                     steps after a pause may find their input read ahead, so that they can be as short as a step
                     that waits for nothing
    busy time        a GPU's busy time, which the profiler does not lengthen, over the timed step
    tensor cores     the time in which they were busy, by hardware counter, over the profiled time of the kernels that
                     may use them
    counters         busy shares of memory and tensor cores
    power            the mean power of a board, by its energy counter, over its limit
    traffic          bytes that a step moved, by counter, over the least that its work must move; without a limit,
                     for caches save traffic and kernels move some twice

Timed and profiled steps differ, and clocks, caches and neighbours change between them: hence the tolerances.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from saih.diagnosis.words import duration, percent
from saih.metrics.roofline import least_traffic
from saih.telemetry.energy import WINDOW

PROFILED = 1.5
"""The tolerance of the profiled step.

Profiled steps took 0.89 to 1.41 times the timed ones on a busy CPU (16 points), on GPUs that set the pace themselves
0.99 to 1.06 (14 points of H200s).
"""
PROFILER_S = 60e-6
"""The most that the profiler costs the host for an operation: up to 47 us were seen (small steps on an H200)."""
BUSY = 1.1
"""The limit of the busy time as a multiple of the step: clocks may differ by some percent (0.997 at most of 32)."""
TENSOR = 1.1
FULL_PERCENT = 101.0
"""The limit of a busy share in percent, with a tolerance because counters are means of samples."""
POWER = 1.15
"""The limit of the power check: NVML's energy is within 5 % of the truth, and boards exceed their limit for moments."""
LEAST_S = 1.0
"""The shortest measurement for energy counters, in seconds."""
MAY_USE_TENSOR_CORES = ("convolution", "matrix product", "attention", "fused", "other")


@dataclass(frozen=True)
class Check:
    """A value that must lie between `low` and `high`; None: no limit. `words` name both figures."""

    check: str
    value: float
    low: float | None
    high: float | None
    words: str

    @property
    def holds(self) -> bool:
        """True if the value is within its limits."""
        return (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)

    def to_dict(self) -> dict[str, Any]:
        """Return the check in the form of the diagnosis."""
        return asdict(self) | {"holds": self.holds}


def checks(metrics: Mapping[str, Mapping[str, Any]], samples: Mapping[str, Any], device_kind: str) -> list[Check]:
    """Return all checks that the data of a point allow; `metrics` and `samples` as in the record."""
    profile = samples.get("profile") or {}
    of_profile = list(_profile(profile, samples, device_kind)) if profile.get("step_s") else []
    return [*of_profile, *_counters(metrics, samples, profile), *_power(samples)]


def _profile(profile: Mapping[str, Any], samples: Mapping[str, Any], device_kind: str) -> Iterator[Check]:
    variant = str(profile.get("variant", "full"))
    timed_s = _step_s(samples, variant)
    cost_s = PROFILER_S * (profile.get("operations") or 0.0)
    which = "" if variant == "full" else f" {variant.replace('_', ' ')}"
    words = f"profiled steps{which} took {duration(profile['step_s'])}, timed ones {duration(timed_s)}"
    calm_s = min(_step_s(samples, each) for each in samples["block_s"])
    low, high = calm_s / timed_s / PROFILED, PROFILED + cost_s / timed_s
    yield Check("profiled step", profile["step_s"] / timed_s, low, high, words)
    if device_kind == "cuda" and profile.get("busy_s") is not None:
        words = f"the device was busy for {duration(profile['busy_s'])} of a timed step of {duration(timed_s)}"
        yield Check("busy time", profile["busy_s"] / timed_s, None, BUSY, words)


def _step_s(samples: Mapping[str, Any], variant: str) -> float:
    """Return rank 0's median step, since rank 0 is profiled."""
    return float(statistics.median(ranks[0] for ranks in samples["block_s"][variant]) / samples["block_steps"])


def _counters(
    metrics: Mapping[str, Mapping[str, Any]], samples: Mapping[str, Any], profile: Mapping[str, Any]
) -> Iterator[Check]:
    for name, what in (("tensor_busy_percent", "tensor cores were"), ("dram_busy_percent", "the memory was")):
        value = (metrics.get(name) or {}).get("value")
        if value is not None:
            words = f"{what} busy for {value:.4g} % of the time by hardware counter"
            yield Check(f"{name.split('_')[0]} counter", value / 100, 0.0, FULL_PERCENT / 100, words)
    yield from _tensor_cores(metrics, samples, profile)
    moved = (metrics.get("dram_bytes_per_step") or {}).get("value")
    least = least_traffic(profile).get("bytes")
    if moved is not None and least:
        words = f"a step moved {moved / 1e9:.3g} GB by hardware counter, its work must move {least / 1e9:.3g} GB"
        yield Check("traffic", moved / least, None, None, words)


def _tensor_cores(
    metrics: Mapping[str, Mapping[str, Any]], samples: Mapping[str, Any], profile: Mapping[str, Any]
) -> Iterator[Check]:
    """Check that tensor cores were busy no longer than the kernels that may use them ran."""
    share = (metrics.get("tensor_busy_percent") or {}).get("value")
    classes = profile.get("classes") or []
    there_s = sum(each["busy_s"] for each in classes if each["class"] in MAY_USE_TENSOR_CORES)
    if share is None or not there_s:
        return
    steps = samples["block_steps"] * sum(len(blocks) for blocks in samples["block_s"].values())
    seconds = share / 100 * statistics.fmean(rank["seconds"].get(WINDOW, 0.0) for rank in samples["telemetry"]) / steps
    words = f"tensor cores were busy for {duration(seconds)} a step by hardware counter"
    words += f", kernels that may use them ran for {duration(there_s)} a profiled step"
    yield Check("tensor cores", seconds / there_s, None, TENSOR, words)


def _power(samples: Mapping[str, Any]) -> Iterator[Check]:
    """Check the power of the rank whose board came nearest to its limit, or exceeded it most."""
    boards = [each for rank in samples.get("telemetry") or [] if (each := _watts(rank))]
    if boards:
        watts, limit = max(boards, key=lambda each: each[0] / each[1])
        words = f"a board took {watts:.0f} W on average by its energy counter, its limit is {limit:.0f} W"
        yield Check("power", watts / limit, None, POWER, words)


def _watts(rank: Mapping[str, Any]) -> Sequence[float] | None:
    """Return the mean power and the limit of a rank's GPU, or None if either is unknown."""
    gpu = rank.get("gpu") or {}
    limit, joules = gpu.get("power_limit_w"), (gpu.get("energy_j") or {}).get(WINDOW)
    seconds = (rank.get("seconds") or {}).get(WINDOW, 0.0)
    return (joules / seconds, limit) if limit and joules is not None and seconds >= LEAST_S else None


def failing(found: Sequence[Check]) -> list[str]:
    """Return a sentence for each failing check, with both figures."""
    return [f"{each.words[:1].upper()}{each.words[1:]} ({_beyond(each)})." for each in found if not each.holds]


def _beyond(check: Check) -> str:
    if check.high is not None and check.value > check.high:
        return f"{percent(check.value)}, more than {percent(check.high)}"
    return f"{percent(check.value)}, less than {percent(check.low or 0.0)}"
