"""Writes the run folders that the gold files are made from: `python -m tests.gold.make_runs [FOLDER [RUN ...]]`.

Six sweeps of a 3D convolutional network that never ran: rates follow a plain law, noise is a sine, so that the same
bytes come out every time. The metrics are computed by saih.metrics.compute, as in a real sweep. The folders are kept in
git and not made anew by the tests: they stand for what older versions wrote.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saih import metrics, records
from saih.app import Cost, Execution, MetricSpec, Point
from saih.diagnosis import diagnose
from saih.peaks.highest import highest
from saih.records.record import Record
from tests.gold import devices_run, io_run, profile_run

HERE = Path(__file__).resolve().parent
LOSS = MetricSpec("loss_after", "1", "none", "loss after the measurement", "mean over ranks of the last step's loss")


@dataclass(frozen=True)
class Law:
    """How fast the invented machine is: a rate that saturates with the work of a step, and a fixed time a step."""

    rate: float
    half_work: float
    fixed_s: float
    input_s_per_voxel: float
    comm_s: float
    noise: float

    def step_s(self, flop: float) -> float:
        """Seconds of a step that only computes."""
        return flop / (self.rate * flop / (flop + self.half_work)) + self.fixed_s


CPU = Law(2.1e11, 6e8, 1.5e-3, 1.5e-9, 4.5e-3, 0.006)
GPU = {
    "tf32": Law(1.5e14, 1.1e12, 4.5e-3, 4e-11, 0.0, 0.003),
    "bf16": Law(2.6e14, 2.4e12, 4.5e-3, 4e-11, 0.0, 0.003),
}


def cost(size: dict[str, Any]) -> Cost:
    """Operations of a network whose filters double a block; close to, but not, those of a real application."""
    flop = int(22.7e9 * (size["edge"] / 64) ** 3.05 * size["width"] ** 1.9 * size.get("depth", 1))
    parameters = int(3.27e6 * size["width"] ** 2 * size.get("depth", 1))
    voxels = size["edge"] ** 3
    return Cost(flop, flop // 3, parameters, 8 * voxels, 16 * parameters + 400 * voxels)


def samples(point: Point, law: Law, blocks: int, stopped: str) -> dict[str, Any]:
    """Raw times: every variant's blocks, a small sine for noise, the second rank a little later."""
    work = cost(dict(point.size)).flop_per_sample * point.run.batch
    step = law.step_s(work)
    taken = law.input_s_per_voxel * point.size["edge"] ** 3 * point.run.batch
    talk = law.comm_s * math.sqrt(point.size["width"]) if point.run.ranks > 1 else 0.0
    steps = max(1, math.ceil(0.2 / (step + taken + talk)))
    seconds = {"full": step + taken + talk, "without_input": step + talk}
    if point.run.ranks > 1:
        seconds["without_communication"] = step + taken
    slower = 1 if point.run.ranks == 1 else 1.08

    def block(of_a_step: float, i: int, phase: float) -> list[float]:
        noise = 1 + law.noise * math.sin(
            2.4 * i + phase + 7 * point.size["edge"] + 2 * point.repeat + point.size["width"]
        )
        return [
            round(steps * of_a_step * slower * noise * (1 - 0.004 * (point.run.ranks - 1 - rank)), 7)
            for rank in range(point.run.ranks)
        ]

    found = {name: [block(each, i, k) for i in range(blocks)] for k, (name, each) in enumerate(seconds.items())}
    waits = [[round(0.3 * taken * steps, 9)] * point.run.ranks for _ in range(blocks)]
    copies = [[round(0.5 * taken * steps, 9)] * point.run.ranks for _ in range(blocks)]
    read = [[8 * point.size["edge"] ** 3 * point.run.batch * steps] * point.run.ranks for _ in range(blocks)]
    phases = {"input_wait_s": waits} | ({"h2d_s": copies} if point.run.precision != "fp32" else {})
    return {
        "block_steps": steps, "block_s": found, "phases_s": phases, "read_bytes": read, "values": {},
        "background": [],
        "telemetry": [],
        "warmup_steps": 5, "warmup_s": round(6 * seconds["full"], 4), "stopped": stopped,
    }  # fmt: skip


def measured(point: Point, law: Law, system: dict[str, Any], datasheet: dict[str, Any], rough: bool) -> Record:
    """The record of a point that ran."""
    law = replace(law, noise=8 * law.noise) if rough else law
    raw = samples(point, law, 5 if rough else 9, "limit" if rough else "precise")
    run = point.run
    ceilings = highest({"ceilings": [], **system}, run.ranks, run.precision)
    found = metrics.compute(raw, cost(dict(point.size)), run, datasheet, ceilings)
    held = cost(dict(point.size)).memory_bytes + 400_000_000
    found["peak_mem_bytes"] = metrics.metric("peak_mem_bytes", held, "the most a rank held, reset before the point")
    found |= metrics.declared([LOSS], {} if rough else {"loss_after": round(0.31 + 0.001 * point.size["edge"], 4)})
    judged = diagnose(found, raw, {}, system["machine"]["device_kind"], point.to_dict()["run"])
    return Record(point.id, "ok", point.to_dict(), found, raw, judged, *_origin(system, point))


def without(point: Point, status: str, kind: str, message: str, system: dict[str, Any], log_end: str = "") -> Record:
    """The record of a point that gave no result."""
    error = {"kind": kind, "message": message, "log_end": log_end}
    return Record(point.id, status, point.to_dict(), {}, {}, None, *_origin(system, point), error)


def _origin(system: dict[str, Any], point: Point) -> tuple[dict[str, Any], dict[str, Any]]:
    on_gpu = system["machine"]["device_kind"] == "cuda"
    ranks = [
        {"host": system["host"], "device": f"cuda:{i}" if on_gpu else "cpu", "cores": list(range(8 * i, 8 * i + 8))}
        for i in range(point.run.ranks)
    ]
    started = f"{system['created'][:14]}{int(point.size['edge']) % 60:02d}:00+00:00"
    provenance = {"saih": "0.1.0", "app_version": "1", "started": started, "wall_s": 14.2}
    return {"machine": system["machine"], "software": system["software"], "ranks": ranks}, provenance


def _peak(ranks: int, precision: str, best: float, other: float, names: tuple[str, str]) -> dict[str, Any]:
    entries = [
        {"name": names[0], "flop_per_s": best, "spread_percent": 1.2},
        {"name": names[1], "flop_per_s": other, "spread_percent": 2.7},
    ]
    top = max(entries, key=lambda entry: entry["flop_per_s"])
    return {"ranks": ranks, "precision": precision, **top, "best": top["name"], "entries": entries}


CPU_NAMES = ("matrix product 2048 x 2048 x 2048", "conv3d k3, 64 channels, 16^3, batch 4")
GPU_NAMES = ("matrix product 8192 x 8192 x 8192", "conv3d k3, 512 channels, 32^3, batch 8")
CPU_SYSTEM: dict[str, Any] = {
    "schema": 1,
    "method_version": 1,
    "app_version": "1",
    "machine": {
        "device": "Example CPU 16-Core Processor", "device_kind": "cpu", "devices": 16, "device_memory_bytes": None,
        "cores": 16, "memory_bytes": 67_108_864_000, "architecture": "x86_64",
    },
    "software": {
        "saih": "0.1.0", "python": "3.11.7", "torch": "2.13.0+cpu", "cuda": None, "cudnn": None, "driver": None,
        "mpi": "MPICH 5.0.2", "os": "Linux 6.1",
    },
    "host": "node01",
    "created": "2026-03-02T09:00:00+00:00",
    "git": {"commit": "0f3c9a7be1d24c5f8a60b1c2d3e4f5a697887766", "dirty": True},
    "peaks": [
        _peak(1, "fp32", 4.105e11, 3.62e11, CPU_NAMES),
        _peak(2, "fp32", 3.874e11, 3.41e11, CPU_NAMES),
    ],
    "data": {
        str(edge): {
            "path": f"data/example-{edge}.h5", "digest": f"sha256:{edge:02d}ab54c9", "samples": 512,
            "universes": 8, "bytes": 512 * 8 * edge**3, "verified": True,
        }
        for edge in (16, 32, 64)
    },
}  # fmt: skip
GPU_SYSTEM: dict[str, Any] = {
    **CPU_SYSTEM,
    "machine": {
        "device": "NVIDIA H100 80GB HBM3", "device_kind": "cuda", "devices": 1,
        "device_memory_bytes": 85_014_347_776, "cores": 16, "memory_bytes": 137_438_953_472, "architecture": "x86_64",
    },
    "software": {
        "saih": "0.1.0", "python": "3.12.3", "torch": "2.13.0+cu130", "cuda": "13.0", "cudnn": "91300",
        "driver": "580.95.05", "mpi": "Open MPI 4.1.6", "os": "Linux 6.8",
    },
    "host": "gpu07",
    "created": "2026-03-03T14:00:00+00:00",
    "git": {"commit": "0f3c9a7be1d24c5f8a60b1c2d3e4f5a697887766", "dirty": False},
    "peaks": [_peak(1, "tf32", 4.19e14, 3.87e14, GPU_NAMES), _peak(1, "bf16", 7.64e14, 8.31e14, GPU_NAMES)],
    "data": {"any": {"kind": "synthetic", "seed": 1}},
}  # fmt: skip

LOG_END = """[rank 1] loading data/example-32.h5
[rank 1] Traceback (most recent call last):
[rank 1]   File "apps/example/train.py", line 88, in step
[rank 1] RuntimeError: connection closed by peer <rank 0 at 10.0.0.1:41327> & gone"""


def cpu_run() -> Iterator[Record]:
    """Two ranks on CPUs: eight points measured, one out of memory, one failed, two skipped."""
    why = {"why": f"no datasheet peak is listed for {CPU_SYSTEM['machine']['device']}"}
    for edge in (16, 32, 64):
        for width in (0.5, 1.0):
            for ranks in (1, 2):
                run = Execution(ranks, 4, "fp32", "plain", "dataset")
                point = Point("example", {"edge": edge, "width": width, "depth": 1}, run, {"recipe": {"seed": 1}})
                if (edge, width, ranks) == (64, 1.0, 2):
                    message = "a rank asked for 2.15 GB and got none (limit 6 GiB a rank)"
                    yield without(point, "oom", "oom", message, CPU_SYSTEM, "DefaultCPUAllocator: can't allocate")
                elif (edge, width, ranks) == (32, 0.5, 2):
                    yield without(point, "failed", "failed", "rank 1: RuntimeError: peer gone", CPU_SYSTEM, LOG_END)
                elif edge == 64 and width == 0.5 and ranks == 2:
                    yield without(point, "skipped", "skipped", "excluded by sweep.exclude[0]", CPU_SYSTEM)
                elif (edge, width, ranks) == (16, 0.5, 2):
                    yield without(point, "skipped", "skipped", "excluded by sweep.exclude[1]", CPU_SYSTEM)
                else:
                    yield measured(point, CPU, CPU_SYSTEM, why, (edge, width, ranks) == (16, 1.0, 2))


def gpu_run() -> Iterator[Record]:
    """One GPU in two precisions, two replicates a point; memory ends at the largest size."""
    device = GPU_SYSTEM["machine"]["device"]
    peaks = {"tf32": 494.5e12, "bf16": 989e12}
    for edge in (32, 64, 128, 256):
        for width in (1, 2):
            for precision in ("tf32", "bf16"):
                for repeat in range(2):
                    run = Execution(1, 4, precision, "plain", "synthetic")
                    point = Point("example", {"edge": edge, "width": width}, run, {}, repeat)
                    law = replace(GPU[precision], rate=GPU[precision].rate * (1 + 0.006 * repeat))
                    quoted = {"flop_per_s": peaks[precision], "source": f"{device} datasheet, dense"}
                    if edge == 256 and width == 2:
                        message = "CUDA out of memory: tried to allocate 16.00 GiB of 79.18 GiB"
                        yield without(point, "oom", "oom", message, GPU_SYSTEM, "torch.OutOfMemoryError")
                    else:
                        yield measured(point, law, GPU_SYSTEM, quoted, False)


def config_text(name: str, size: str, run: str, sweep: str) -> str:
    """A resolved configuration, cut to what matters."""
    return (
        f"schema: 1\nname: {name}\napp: example\nsize:\n{size}run:\n{run}sweep:\n{sweep}"
        "measure:\n  target_percent: 1.0\n  max_s: 20.0\nlimits:\n  point_timeout_s: 300.0\n  memory_gib: 6.0\n"
    )


def make(folder: Path, *names: str) -> None:
    """Write these run folders under ``folder``; all, where none is named."""
    cpu_text = config_text(
        "cpu-two-ranks",
        "  edge: [16, 32, 64]\n  width: [0.5, 1.0]\n  depth: [1]\n",
        "  ranks: [1, 2]\n  batch: [4]\n  precision: [fp32]\n  execution: [plain]\n  input: [dataset]\n",
        "  kind: matrix\n  exclude:\n  - {edge: 64, width: 0.5, ranks: 2}\n  - {edge: 16, width: 0.5, ranks: 2}\n"
        "  repeats: 1\n",
    )
    gpu_text = config_text(
        "gpu-precisions",
        "  edge: [32, 64, 128, 256]\n  width: [1, 2]\n",
        "  ranks: [1]\n  batch: [4]\n  precision: [tf32, bf16]\n  execution: [plain]\n  input: [synthetic]\n",
        "  kind: matrix\n  exclude: []\n  repeats: 2\n",
    )
    all_at_once, few_ranks = devices_run.system(GPU_SYSTEM, (16,)), devices_run.system(GPU_SYSTEM, (1, 2, 4, 8))
    for name, text, system, found in (
        ("run-cpu", cpu_text, CPU_SYSTEM, cpu_run()),
        ("run-gpu", gpu_text, GPU_SYSTEM, gpu_run()),
        ("run-io", io_run.CONFIG, io_run.system(GPU_SYSTEM), io_run.records(GPU_SYSTEM)),
        ("run-devices", devices_run.DEVICES_CONFIG, all_at_once, devices_run.every_device(all_at_once)),
        ("run-profile", profile_run.CONFIG, profile_run.system(GPU_SYSTEM), profile_run.records(GPU_SYSTEM)),
        ("run-strong", devices_run.STRONG_CONFIG, few_ranks, devices_run.strong(few_ranks)),
    ):
        if names and name not in names:
            continue
        records.write_json(folder / name / "system.json", system)
        (folder / name / "config.yaml").write_text(text, encoding="utf-8")
        for record in found:
            records.write(folder / name / "points", record)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE, *sys.argv[2:])
