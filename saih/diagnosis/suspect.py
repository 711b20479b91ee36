"""Telemetry -> reasons for which a point's figures may not be repeatable, in words with their numbers. Pure.

A suspect point was measured correctly, but its machine was shared or did not keep its pace. The point keeps its
figures.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from saih.common.environment import binds, slowed

FALL = 0.05
"""Tolerated drift of clocks and steps: above noise and the steps of boost clocks (15 MHz of some 1,500)."""
STOLEN = 0.05
"""Tolerated share of the ranks' cores. Timer ticks count time to about 1 %; and a late rank delays all the others."""
HELD_BACK = 0.01
"""Tolerated share of the periods in which a CPU quota ended a rank's turn: all ranks that wait for it stop, too."""
FEWEST_BLOCKS = 9
"""Three a third: all of the last three are slower than all of the first three by chance in 1 case of 20."""

HARDWARE = {
    "hw_slowdown": "was slowed down by its hardware (heat, power brake or supply)",
    "hw_thermal_slowdown": "was slowed down by its hardware for heat",
    "hw_power_brake_slowdown": "was slowed down by its power supply's brake",
    "sw_thermal_slowdown": "lowered its clocks for heat",
    "board_limit": "was held back by a limit of its board",
    "reliability": "was held back for the voltage's sake",
}
"""NVML's reasons that no healthy, well cooled device shows; a single sample of them is enough."""


MEMORY = "memory"
THROTTLED = "throttled"
CLOCKS = "clocks"
GPU_SHARED = "gpu shared"
CORES_SHARED = "cores shared"
CORES_THROTTLED = "cores throttled"
QUOTA = "quota"
SLOWER = "slower"
ENVIRONMENT = "environment"
SETTINGS = "settings"
"""The causes, in the words of the record."""

Reason = tuple[str, str]
"""A cause, and the observation in words."""


def suspect(telemetry: Sequence[Mapping[str, Any]], samples: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the reasons why the point is suspect, {"cause", "words"} each.

    `telemetry`: the result of `saih.telemetry.watch.Telemetry.end` on every rank; `samples`: raw times, as in the
    record.
    """
    return [*disturbances(telemetry), *({"cause": cause, "words": words} for cause, words in _slower(samples))]


def disturbances(telemetry: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the reasons found by telemetry during a point's blocks or a ceiling's repeats."""
    reasons: list[Reason] = []
    for number, rank in enumerate(telemetry):
        reasons += [(cause, f"rank {number} on {rank['host']}: {text}") for cause, text in _rank(rank)]
        reasons += [(cause, f"{rank['host']}: {text}") for cause, text in _host(rank["host_cpu"])]
    return [{"cause": cause, "words": words} for cause, words in reasons]


def of_environment(environment: Mapping[str, str], places: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return variables that slow ranks down, or that ranks have otherwise than the sweep.

    `environment`: the sweep's listed variables; `places` as in record.system["ranks"], where "environment" holds what
    a rank has otherwise. Ranks that are each bound to their own adapters or cores may differ in that.
    """
    ranks = [place.get("environment") or {} for place in places]
    everywhere = _common(ranks)
    sentences = [f"in every rank's environment {words}" for words in slowed(_set({**environment, **everywhere}))]
    sentences += [f"all {len(ranks)} ranks: {words}" for words in _otherwise(everywhere, environment)]
    for number, (place, other) in enumerate(zip(places, ranks, strict=True)):
        own = {
            name: value
            for name, value in other.items()
            if name not in everywhere and not (binds(name, value) and binds(name, environment.get(name)))
        }
        words = [*slowed(_set(own)), *_otherwise(own, environment)]
        sentences += [f"rank {number} on {place['host']}: {each}" for each in words]
    return [{"cause": ENVIRONMENT, "words": words} for words in sentences]


def of_settings(settings: Mapping[str, Any], places: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Settings of a host or GPU that are not the sweep's.

    `settings`: of the sweep's first host, when it looked at its machine; `places` as in record.system["ranks"],
    where "settings" holds what a rank's host or GPU has otherwise.
    """
    return [
        {"cause": SETTINGS, "words": f"rank {number} on {place['host']}: {name} {_is(value)}, the sweep's {_is(was)}"}
        for number, place in enumerate(places)
        for name, value in (place.get("settings") or {}).items()
        if (was := settings.get(name)) != value
    ]


def _common(ranks: Sequence[Mapping[str, str | None]]) -> dict[str, str | None]:
    """Return the differences that all of several ranks share."""
    if len(ranks) < 2:
        return {}
    return {
        name: value
        for name, value in ranks[0].items()
        if all(name in other and other[name] == value for other in ranks)
    }


def _set(variables: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if value is not None}


def _otherwise(other: Mapping[str, str | None], environment: Mapping[str, str]) -> list[str]:
    return [f"{name} {_is(value)}, the sweep's {_is(environment.get(name))}" for name, value in other.items()]


def _is(value: object) -> str:
    return "is not set" if value is None else f"is {value}"


def _rank(rank: Mapping[str, Any]) -> Iterable[Reason]:
    retries = rank["allocation_retries"]
    if retries:
        yield MEMORY, f"memory was so short that the allocator emptied its cache and asked again, {retries} times"
    gpu = rank["gpu"]
    if gpu:
        yield from _throttled(gpu)
        yield from _fell("the GPU's clock", gpu["sm_clock_mhz"])
        yield from _fell("the GPU memory's clock", gpu["memory_clock_mhz"])
        yield from _shared(gpu)
    elif rank["device"] == "cpu":
        yield from _fell("the cores' clock", rank["cpu_clock_mhz"])
    yield from _held_back(rank.get("cpu_quota"))


def _throttled(gpu: Mapping[str, Any]) -> Iterable[Reason]:
    """Yield throttling by hardware, without the set power limit, which large GPUs reach whenever they work hard."""
    shares = gpu["throttle_share"] or {}
    for reason, words in HARDWARE.items():
        if reason in shares:
            yield THROTTLED, f"the GPU {words}, in {100 * shares[reason]:.0f} % of the samples ({reason})"


def _held_back(quota: Mapping[str, Any] | None) -> Iterable[Reason]:
    if quota and quota["throttled_periods"] > HELD_BACK * quota["periods"]:
        share = 100 * quota["throttled_periods"] / quota["periods"]
        allowed = f"its control group's CPU quota of {quota['cores']:.3g} core{'s' * (quota['cores'] != 1)}"
        yield QUOTA, f"{allowed} held it back in {share:.0f} % of the periods ({quota['throttled_s']:.3g} s)"


def _fell(what: str, series: Mapping[str, float | None] | None) -> Iterable[Reason]:
    early, late = (series["early"], series["late"]) if series else (None, None)
    if early and late is not None and late < (1 - FALL) * early:
        fall = 100 * (1 - late / early)
        yield CLOCKS, f"{what} fell by {fall:.0f} % within the measurement, from {early:.0f} to {late:.0f} MHz"


def _shared(gpu: Mapping[str, Any]) -> Iterable[Reason]:
    count, held = gpu["other_processes"], gpu["other_processes_bytes"]
    if count:
        memory = "" if held is None else f" and held {held / 2**30:.1f} GiB of its memory"
        yield GPU_SHARED, f"{count} other process{'es' * (count > 1)} used the GPU{memory}"


def _host(cpu: Mapping[str, Any] | None) -> Iterable[Reason]:
    if cpu is None:
        return
    cores, taken = len(cpu["cores"]), cpu["others_cores"]
    of = f"of the ranks' {cores} core{'s' * (cores > 1)}"
    if taken is not None and taken > STOLEN * cores:
        share = 100 * taken / cores
        yield CORES_SHARED, f"others kept {taken:.2g} {of} busy ({share:.0f} % of them)"
    if cpu["throttled_cores"]:
        yield CORES_THROTTLED, f"{len(cpu['throttled_cores'])} {of} throttled for heat"


def _slower(samples: Mapping[str, Any]) -> Iterable[Reason]:
    times = [max(ranks) for ranks in samples["block_s"]["full"]]
    third = len(times) // 3
    if len(times) < FEWEST_BLOCKS or min(times[-third:]) <= max(times[:third]):
        return
    grown = statistics.median(times[-third:]) / statistics.median(times[:third]) - 1
    if grown > FALL:
        yield SLOWER, f"steps grew {100 * grown:.0f} % slower from the first to the last third of the measurement"
