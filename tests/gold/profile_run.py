"""The sixth invented sweep: one GPU, six sizes, each with a profiled pass, until memory ends.

Handing out work takes the host 5 ms a step, so that small steps wait for it; convolutions come near the ceiling as they
get wider; pools and the optimiser move memory; at one size the samples are slow to decode. The pass of one size failed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from saih import metrics
from saih.app import Cost, Execution, Point
from saih.diagnosis import diagnose, out_of_memory
from saih.records.record import Record

BATCH, BLOCKS, HOST_S, STEPS_PROFILED = 4, 9, 5e-3, 3
FLOP_PER_S, BYTES_PER_S = 7.64e14, 2.9e12
CEILINGS = {
    "flop_per_s": FLOP_PER_S, "memory_bytes_per_s": BYTES_PER_S, "h2d_bytes_per_s": 5.3e10, "launch_s": 4.1e-6,
    "round_trip_s": 1.2e-5, "graph_launch_s": 1.4e-6, "allreduce_bytes_per_s": None,
    "why": {"allreduce_bytes_per_s": "one rank"},
}  # fmt: skip
EDGES = (32, 64, 128, 192, 256, 512)
SLOW_TO_DECODE, NO_PROFILE, TOO_LARGE = 128, 192, 512
CONFIG = """schema: 1
name: profiled
app: example
size: {edge: [32, 64, 128, 192, 256, 512]}
run: {ranks: [1], batch: [4], precision: [bf16], execution: [plain], input: [dataset]}
sweep: {kind: matrix}
measure: {target_percent: 1.0, max_s: 20.0}
"""
Layer = dict[str, Any]


def system(base: dict[str, Any]) -> dict[str, Any]:
    """system.json: the machine of the GPU run."""
    data = {"path": "/scratch/universes", "file_system": "lustre"}
    return base | {"method_version": 4, "data": {str(edge): data for edge in EDGES}}


def records(base: Mapping[str, Any]) -> Iterator[Record]:
    """Five sizes that ran and one that did not."""
    quoted = {"flop_per_s": 989e12, "source": f"{base['machine']['device']} datasheet, dense"}
    for edge in EDGES:
        run = Execution(1, BATCH, "bf16", "plain", "dataset")
        point = Point("example", {"edge": edge}, run, {"path": "/scratch/universes"})
        place = {"host": base["host"], "device": "cuda:0", "cores": list(range(15))}
        about = {"machine": base["machine"], "software": base["software"], "ranks": [place], "ceilings": CEILINGS}
        origin = {"saih": "0.1.0", "app_version": "1", "started": base["created"], "wall_s": 14.2}
        if edge == TOO_LARGE:
            error = {"kind": "oom", "message": "CUDA out of memory: tried to allocate 32.00 GiB", "log_end": ""}
            told = out_of_memory(error["message"], 97 * 2**30, 79 * 2**30) | {"suspect": []}
            yield Record(point.id, "oom", point.to_dict(), {}, {}, told, about, origin, error)
            continue
        raw = samples(edge)
        found = metrics.compute(raw, cost(edge), run, quoted, CEILINGS)
        found["peak_mem_bytes"] = metrics.peak_memory(9 * 10**9, "cuda")
        judged = diagnose(found, raw, CEILINGS, "cuda", point.to_dict()["run"]) | {"suspect": []}
        yield Record(point.id, "ok", point.to_dict(), found, raw, judged, about, origin)


def cost(edge: int) -> Cost:
    """What the layers below cost a sample."""
    flop = sum(layer["flop"] for layer in layers(edge)) // BATCH
    forward = sum(layer["forward_flop"] for layer in layers(edge)) // BATCH
    return Cost(flop, forward, parameters(edge), 8 * edge**3, 52_000_000 + 400 * edge**3)


def blocks(edge: int) -> int:
    """Convolutions, each followed by a pool."""
    return int(math.log2(edge)) - 2


def parameters(edge: int) -> int:
    """Those of the convolutions."""
    return sum(27 * channels(b - 1) * channels(b) for b in range(1, blocks(edge) + 1))


def channels(block: int) -> int:
    """Out of a block; the input has four."""
    return 4 if block == 0 else min(512, 32 * 2 ** (block - 1))


def layers(edge: int) -> list[Layer]:
    """Layers in network order, with their times in a profiled step."""
    found = []
    for block in range(1, blocks(edge) + 1):
        before, after, voxels = channels(block - 1), channels(block), (edge // 2 ** (block - 1)) ** 3
        flop, moved = 2 * 27 * before * after * voxels * BATCH, 2 * (before + after) * voxels * BATCH
        near = 0.62 * after / (after + 60) * (0.2 if block == 1 else 1.0)
        back = 1 if block == 1 else 2
        found.append(_layer(f"block {block} convolution", flop, moved, near, back))
        found.append(_layer(f"block {block} pool", after * voxels * BATCH, int(2.25 * after * voxels * BATCH), 1.0, 1))
    found.append(_layer("dense 1", 2 * 4096 * 128 * BATCH, 2 * 4096 * 128, 0.3, 2))
    return found


def _layer(name: str, flop: int, moved: int, near: float, back: int) -> Layer:
    """``near``: what the layer reaches of the arithmetic ceiling; memory is reached by 72 %."""
    seconds = 2e-6 + max(flop / (FLOP_PER_S * near), moved / (0.72 * BYTES_PER_S))
    times = {"forward_s": seconds, "backward_s": back * 1.1 * seconds}
    alone = {"alone_forward_s": 0.93 * seconds, "alone_backward_s": 0.9 * back * seconds}
    costs = {"forward_flop": flop, "flop": (1 + back) * flop, "forward_bytes": moved, "bytes": (1 + back) * moved}
    return {"name": name, **costs, **times, **alone}


def profile(edge: int) -> dict[str, Any]:
    """One profiled pass."""
    if edge == NO_PROFILE:
        return {"why": {"profile": "memory ended while profiling"}}
    found = layers(edge)
    moved = 20 * parameters(edge)
    outside = [
        {"class": "elementwise", "busy_s": 1e-5 + moved / (0.8 * BYTES_PER_S), "count": 18, "bytes": moved},
        {"class": "reduction", "busy_s": 9e-6, "count": 9, "bytes": None},
    ]
    classes = [*outside, _sum("convolution", found), _sum("pool", found), _sum("dense", found, "matrix product")]
    busy, blocks_ = sum(each["busy_s"] for each in classes), blocks(edge)
    phases = {part: sum(layer[f"{part}_s"] for layer in found) for part in ("forward", "backward")}
    phases |= {"optimiser": outside[0]["busy_s"], "other": outside[1]["busy_s"]}
    step = 1.04 * max(busy, HOST_S) + 1e-3
    h2d = BATCH * 8 * edge**3 / CEILINGS["h2d_bytes_per_s"]
    return {
        "steps": STEPS_PROFILED, "step_s": step, "device": "cuda", "busy_s": busy, "comm_s": 0.0, "exposed_comm_s": 0.0,
        "exposed_input_s": 0.9 * taken_s(edge), "h2d_s": h2d, "idle_s": step - busy, "operations": 60 * blocks_ + 40,
        "phases": phases, "classes": sorted(classes, key=lambda each: -each["busy_s"]), "layers": found,
        "outside": outside, "why": {},
    }  # fmt: skip


def _sum(word: str, found: list[Layer], name: str = "") -> dict[str, Any]:
    """A class made of all layers of a kind."""
    own = [layer for layer in found if word in layer["name"]]
    busy = sum(layer["forward_s"] + layer["backward_s"] for layer in own)
    return {"class": name or word, "busy_s": busy, "count": 3 * len(own), "bytes": sum(layer["bytes"] for layer in own)}


def taken_s(edge: int) -> float:
    """What input adds to a step."""
    slow = 6e-3 if edge == SLOW_TO_DECODE else 0.0
    return slow + 1.1e-11 * edge**3 * BATCH


def samples(edge: int) -> dict[str, Any]:
    """Raw times, and the profile."""
    told = profile(edge)
    busy = sum(layer["forward_s"] + layer["backward_s"] for layer in layers(edge)) + 1e-4
    computing = max(busy * (0.93 if edge == 256 else 1.03), HOST_S)  # the largest is slower under the profiler
    full = computing + taken_s(edge)
    steps = max(1, math.ceil(0.2 / full))

    def block(of_a_step: float, i: int) -> list[float]:
        return [round(steps * of_a_step * (1 + 0.003 * math.sin(2.4 * i + edge)), 7)]

    def phase(seconds: float) -> list[list[float]]:
        return [[round(steps * seconds, 9)]] * BLOCKS

    return {
        "block_steps": steps,
        "block_s": {
            "full": [block(full, i) for i in range(BLOCKS)],
            "without_input": [block(computing, i + 3) for i in range(BLOCKS)],
            "without_input_wait": [block(computing + 0.1 * taken_s(edge), i + 5) for i in range(BLOCKS)],
        },
        "phases_s": {
            "input_wait_s": phase(0.8 * taken_s(edge)), "storage_wait_s": phase(0.05 * taken_s(edge)),
            "decode_wait_s": phase(0.7 * taken_s(edge)), "h2d_s": phase(0.1 * taken_s(edge)),
            "copy_wait_s": phase(0.08 * taken_s(edge)),
            "read_s": phase(0.2 * taken_s(edge)), "decode_s": phase(1.9 * taken_s(edge)),
        },
        "read_bytes": [[steps * BATCH * 8 * edge**3]] * BLOCKS, "storage_bytes": [[0]] * BLOCKS,
        "values": {}, "background": [], "telemetry": [],
        "warmup_steps": 5, "warmup_s": 1.1, "warmup_ended": "steady", "stopped": "precise", "profile": told,
    }  # fmt: skip
