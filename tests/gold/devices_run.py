"""The fourth and fifth invented sweeps: a point on 16 devices at once, of which one is slow; and strong scaling.

One device of sixteen computes an eighth slower at every size, another only at the largest, where it gets hot. How
copies compare is said by saih.metrics.device_copies, and why points are suspect by saih.telemetry.suspect, as in a real
sweep.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from saih import metrics
from saih.app import Cost, Execution, Point
from saih.diagnosis import diagnose
from saih.diagnosis.suspect import suspect
from saih.metrics import device_copies
from saih.peaks.highest import highest
from saih.records.record import Record

HOSTS, GPUS, BLOCKS, STEPS, BATCH = ("gpu07", "gpu08"), 8, 9, 4, 4
SLOW, HOT = 11, 5
RATE, HALF_WORK, LATENCY_S, RING_S = 2.6e14, 1.2e11, 2e-3, 4e-4
DEVICES_CONFIG = """schema: 1
name: every-device
app: example
size: {edge: [64, 128, 256]}
run: {ranks: [1], batch: [4], precision: [bf16], execution: [plain], input: [synthetic]}
sweep: {kind: matrix, everywhere: device}
measure: {target_percent: 1.0, max_s: 20.0}
"""
STRONG_CONFIG = """schema: 1
name: strong-and-weak
app: example
size: {edge: [128]}
run:
  ranks: [1, 2, 4, 8, 2, 4]
  batch: [32, 16, 8, 4, 32, 32]
  precision: [bf16]
  execution: [plain]
  input: [synthetic]
sweep: {kind: zip}
measure: {target_percent: 1.0, max_s: 20.0}
"""
PAIRS = ((1, 32), (2, 16), (4, 8), (8, 4), (2, 32), (4, 32))


def cost(edge: int) -> Cost:
    """Operations that grow with the voxels."""
    return Cost(int(1.1e4 * edge**3), int(3.7e3 * edge**3), 3_270_000, 8 * edge**3, 52_000_000 + 400 * edge**3)


def system(base: Mapping[str, Any], ranks: tuple[int, ...]) -> dict[str, Any]:
    """system.json: the machine of the GPU run, its ceiling measured at these numbers of ranks."""
    ceiling = next(peak for peak in base["peaks"] if peak["precision"] == "bf16")
    return {**base, "peaks": [{**ceiling, "ranks": each} for each in ranks]}


def every_device(base: Mapping[str, Any]) -> Iterator[Record]:
    """Three sizes, each on all sixteen devices at once."""
    places = [{"host": host, "device": f"cuda:{i}", "cores": [i]} for host in HOSTS for i in range(GPUS)]
    for edge in (64, 128, 256):
        run = Execution(1, BATCH, "bf16", "plain", "synthetic")
        times = [step_s(edge, BATCH) * slowness(copy, edge) for copy in range(len(places))]
        raw = samples(times, edge) | {"telemetry": [telemetry(each, edge) for each in places]}
        one = device_copies.part(raw, device_copies.middle(raw, run, len(places)), 1) | {"telemetry": []}
        told = {"suspect": suspect(raw["telemetry"], raw), "everywhere": device_copies.compare(raw, run, places)}
        yield record(Point("example", {"edge": edge}, run, {}), base, (raw, one), places, told)


def strong(base: Mapping[str, Any]) -> Iterator[Record]:
    """A batch of 32 shared by up to eight ranks, and the same batch on each of up to four."""
    for ranks, batch in PAIRS:
        run = Execution(ranks, batch, "bf16", "plain", "synthetic")
        ring = RING_S * (1 - 1 / ranks)
        raw = samples([step_s(128, batch) + ring] * ranks, ranks) | {"telemetry": []}
        places = [{"host": HOSTS[0], "device": f"cuda:{i}", "cores": [i]} for i in range(ranks)]
        yield record(Point("example", {"edge": 128}, run, {}), base, (raw, raw), places, {"suspect": []})


def record(
    point: Point,
    base: Mapping[str, Any],
    raw: tuple[dict[str, Any], dict[str, Any]],
    places: list[dict[str, Any]],
    told: dict[str, Any],
) -> Record:
    """The record of a point that ran: ``raw`` holds the samples of all copies, and of the one the figures are of."""
    everything, one = raw
    ceilings = highest({"ceilings": [], **base}, 1, "bf16")
    quoted = {"flop_per_s": 989e12, "source": f"{base['machine']['device']} datasheet, dense"}
    found = metrics.compute(one, cost(point.size["edge"]), point.run, quoted, ceilings)
    found["peak_mem_bytes"] = metrics.peak_memory(3_000_000_000, "cuda")
    about = {"machine": base["machine"], "software": base["software"], "ranks": places}
    origin = {"saih": "0.1.0", "app_version": "1", "started": base["created"], "wall_s": 14.2}
    judged = diagnose(found, one, {}, "cuda", point.to_dict()["run"]) | told
    return Record(point.id, "ok", point.to_dict(), found, everything, judged, about, origin)


def step_s(edge: int, batch: int) -> float:
    """Seconds of a step that only computes."""
    work = cost(edge).flop_per_sample * batch
    return (work + HALF_WORK) / RATE + LATENCY_S


def slowness(copy: int, edge: int) -> float:
    """How much longer a copy takes."""
    return 1.125 if copy == SLOW else 1.06 if copy == HOT and edge == 256 else 1 + 0.004 * math.sin(2.1 * copy + edge)


def samples(times_s: list[float], phase: int) -> dict[str, Any]:
    """Raw times of all ranks."""
    block = [
        [round(STEPS * each * (1 + 0.003 * math.sin(2.4 * i + phase)), 7) for each in times_s] for i in range(BLOCKS)
    ]
    return {
        "block_steps": STEPS, "block_s": {"full": block},
        "phases_s": {"input_wait_s": [[0.0] * len(times_s)] * BLOCKS},
        "read_bytes": [[0] * len(times_s)] * BLOCKS, "handed_out_s": block, "values": {}, "background": [],
        "warmup_steps": 5, "warmup_s": 1.1, "warmup_ended": "steady", "stopped": "precise",
    }  # fmt: skip


def telemetry(place: Mapping[str, Any], edge: int) -> dict[str, Any]:
    """What a rank's telemetry says, cut to what makes a point suspect: one GPU is hot, another never alone."""
    name = (place["host"], place["device"])
    hot = name == (HOSTS[HOT // GPUS], f"cuda:{HOT % GPUS}") and edge == 256
    clock = {"early": 1980.0, "late": 1755.0 if hot else 1965.0}
    gpu = {
        "sm_clock_mhz": clock, "memory_clock_mhz": None, "power_limit_w": 700.0, "other_processes_bytes": None,
        "throttle_share": {"sw_thermal_slowdown": 0.31} if hot else {},
        "other_processes": int(name == (HOSTS[0], "cuda:2") and edge >= 128),
    }  # fmt: skip
    return {"host": place["host"], "device": "cuda", "allocation_retries": 0, "gpu": gpu, "host_cpu": None}
