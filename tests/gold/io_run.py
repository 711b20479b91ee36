"""The third invented sweep: one problem, its input sources, and others that read from the same storage.

The storage gives 900 MB/s. Reading overlaps with computing, so that a step takes as long as the slower of both, and a
little more for what does not overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from saih import metrics
from saih.app import Cost, Execution, MetricSpec, Point
from saih.diagnosis import diagnose
from saih.peaks.highest import highest
from saih.records.record import Record

STORAGE_MB_S, LEFT_MB_S, MOST_FOR_OTHERS_MB_S = 900.0, 190.0, 710.0
COMPUTE_S, BATCH, BLOCKS, STEPS = 0.11, 4, 9, 2
SAMPLE_BYTES = 8 * 128**3
COST = Cost(24_000_000_000, 8_000_000_000, 560_000, SAMPLE_BYTES, 409_000_000)
SIZE = {"edge": 128, "width": 0.125}
RATES = (0.0, 200.0, 400.0, 600.0, 1000.0)
INPUTS = ("synthetic", "memory", "dataset", "dataset-warm", "dataset-cold")
EVIDENCE = {  # direct, in the page cache, from storage
    "dataset": (0.0, 100.0, 0.0),
    "dataset-warm": (0.0, 100.0, 0.0),
    "dataset-cold": (100.0, 0.0, 100.0),
}
DECLARED = (
    MetricSpec("direct_read_percent", "%", "none", "read directly", "bytes read with O_DIRECT / bytes read"),
    MetricSpec("page_cache_percent", "%", "none", "in the page cache", "pages of the data set that are resident"),
    MetricSpec("from_storage_percent", "%", "none", "from storage", "bytes fetched from storage / bytes delivered"),
    MetricSpec("data_to_memory_ratio", "1", "none", "data / memory", "bytes of the data set / host memory"),
)
CONFIG = """schema: 1
name: io-example
app: example
size:
  edge: [128]
  width: [0.125]
run:
  ranks: [1]
  batch: [4]
  precision: [bf16]
  execution: [plain]
  input: [synthetic, memory, dataset, dataset-warm, dataset-cold]
  background_read_mb_s: [0.0, 200.0, 400.0, 600.0, 1000.0]
sweep:
  kind: matrix
  only:
  - {background_read_mb_s: 0}
  - {input: [dataset-warm, dataset-cold]}
measure:
  target_percent: 1.0
  max_s: 20.0
"""


def system(base: dict[str, Any]) -> dict[str, Any]:
    """system.json: the machine of the GPU run, with a data set on a shared file system."""
    data = {"path": "/scratch/universes-edge128", "samples": 512, "bytes": 512 * SAMPLE_BYTES, "file_system": "lustre"}
    return base | {"method_version": 2, "data": {"128": data}}


def records(base: dict[str, Any]) -> Iterator[Record]:
    """Five inputs undisturbed, and two of them beside readers."""
    ceilings = highest({"ceilings": [], **base}, 1, "bf16")
    quoted = {"flop_per_s": 989e12, "source": f"{base['machine']['device']} datasheet, dense"}
    for source in INPUTS:
        for asked in RATES if source in ("dataset-warm", "dataset-cold") else RATES[:1]:
            run = Execution(1, BATCH, "bf16", "plain", source, asked)
            point = Point("example", SIZE, run, {"path": "/scratch/universes-edge128"})
            raw = samples(source, asked)
            found = metrics.compute(raw, COST, run, quoted, ceilings)
            found["peak_mem_bytes"] = metrics.peak_memory(3_000_000_000, "cuda")
            found |= metrics.declared(DECLARED, evidence(source))
            rank = {"host": base["host"], "device": "cuda:0", "cores": list(range(15))}
            about = {"machine": base["machine"], "software": base["software"], "ranks": [rank]}
            origin = {"saih": "0.1.0", "app_version": "1", "started": base["created"], "wall_s": 14.2}
            told = point.to_dict()
            judged = diagnose(found, raw, {}, "cuda", told["run"])
            yield Record(point.id, "ok", told, found, raw, judged, about, origin)


def evidence(source: str) -> dict[str, float | None]:
    """What the application declares about an input; nothing where it reads no data set."""
    direct, cached, stored = EVIDENCE.get(source, (None, None, None))
    ratio = 512 * SAMPLE_BYTES / 137_438_953_472 if source in EVIDENCE else None
    return {
        "direct_read_percent": direct,
        "page_cache_percent": cached,
        "from_storage_percent": stored,
        "data_to_memory_ratio": ratio,
    }


def samples(source: str, asked: float) -> dict[str, Any]:
    """Raw times of a point."""
    others = min(asked, MOST_FOR_OTHERS_MB_S)
    step = step_s(source, others)

    def block(of_a_step: float, i: int) -> list[float]:
        return [round(STEPS * of_a_step * (1 + 0.004 * math.sin(2.4 * i + asked + len(source))), 7)]

    held = {} if source == "synthetic" else {"without_input": [block(COMPUTE_S, i + 3) for i in range(BLOCKS)]}
    read = STEPS * BATCH * SAMPLE_BYTES if source in EVIDENCE else 0
    host = {
        "mb_s": asked, "bytes": int(others * 1e6 * 5), "seconds": 5.0, "files": 8, "file_bytes": 512 * SAMPLE_BYTES,
        "direct_files": 8, "threads": 8, "cores": [15], "shares_cores": False,
    }  # fmt: skip
    return {
        "block_steps": STEPS,
        "block_s": {"full": [block(step, i) for i in range(BLOCKS)], **held},
        "phases_s": {"input_wait_s": [[round(STEPS * max(0.0, step - COMPUTE_S), 7)]] * BLOCKS},
        "read_bytes": [[read]] * BLOCKS,
        "values": {},
        "background": [host] if asked else [],
        "telemetry": [],
        "warmup_steps": 5,
        "warmup_s": 1.1,
        "stopped": "precise",
    }


def step_s(source: str, others_mb_s: float) -> float:
    """A step: computing, and reading where that takes longer."""
    beside = 1 + 1e-5 * others_mb_s  # even memory is a little slower beside others
    if source not in EVIDENCE:
        return COMPUTE_S * (1.01 if source == "memory" else 1.0)
    if source != "dataset-cold":
        return COMPUTE_S * 1.03 * beside
    left = max(LEFT_MB_S, STORAGE_MB_S - others_mb_s)
    return max(COMPUTE_S * 1.06 * beside, BATCH * SAMPLE_BYTES / 1e6 / left)
