"""Records as small as a test needs them, and run folders made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reports.analysis.cases import Case, make_cases
from reports.analysis.runs import Folder, Run, merge
from saih import records
from saih.app import Execution, Point
from saih.records.record import Record


def measured(
    size: dict[str, Any],
    percent: float | None = 10.0,
    spread: float = 0.01,
    ranks: int = 1,
    batch: int = 1,
    flop: float = 1e9,
    exposed: dict[str, tuple[float, float, float]] | None = None,
    **more: Any,
) -> Record:
    """A point that ran, at ``percent`` of a ceiling of 100 GFLOP/s. ``exposed``: metric -> (value, low, high)."""
    run = {"precision": "fp32", "execution": "plain", "input": "dataset"} | more.pop("run", {})
    point = Point("example", size, Execution(ranks, batch, **run), more.pop("data", {}), more.pop("repeat", 0))
    rate = (percent or 10.0) * 1e9 / flop
    step = batch / rate
    ends = {"low": step * (1 - spread), "high": step * (1 + spread), "interval": "within-run, 95 %"}
    found = {
        "step_s": _metric(step, "s", "lower") | (ends if spread else {}),
        "samples_per_s": _metric(ranks * rate, "samples/s", "higher"),
        "flop_per_sample": _metric(flop, "FLOP", "none"),
        "flop_per_s_per_device": _metric(rate * flop, "FLOP/s", "higher"),
        "percent_of_measured_peak": _metric(percent, "%", "higher"),
        "percent_of_peak": _metric(None, "%", "higher"),
    }
    for name, (value, low, high) in (exposed or {}).items():
        found[name] = _metric(value, "s", "lower") | {"low": low, "high": high, "interval": "within-run, 95 %"}
    samples = {
        "block_steps": 2,
        "block_s": {"full": [[2 * step] * ranks] * 3},
        "stopped": more.pop("stopped", "precise"),
    } | more.pop("samples", {})
    return Record(point.id, "ok", point.to_dict(), found | more.pop("metrics", {}), samples, **more)


def held(
    percent: float,
    ceiling: float,
    half_percent: float = 0.5,
    ranks: int = 1,
    suspect: tuple[str, ...] = (),
    **more: Any,
) -> Record:
    """A point at ``percent`` of a ceiling (GFLOP/s) whose interval reaches ``half_percent`` either way."""
    value, half = ceiling * 1e9, ceiling * 1e7 * half_percent
    share: dict[str, Any] = {"value": percent, "unit": "%", "better": "higher", "method": "m", "low": 0.99 * percent}
    share |= {"high": 1.01 * percent, "interval": "rate and ceiling in quadrature"}
    share["ceiling"] = {"flop_per_s": value, "low": value - half, "high": value + half, "suspect": list(suspect)}
    rate = {"value": percent / 100 * value, "unit": "FLOP/s", "better": "higher", "method": "m"}
    given = {"percent_of_measured_peak": share, "flop_per_s_per_device": rate}
    size, flop = more.pop("size", {"edge": 16}), more.pop("flop", 1e9)
    return measured(size, percent, flop=flop, ranks=ranks, metrics=given, **more)


def lost(size: dict[str, Any], status: str, message: str = "no reason", ranks: int = 1, **more: Any) -> Record:
    """A point without a result."""
    point = Point("example", size, Execution(ranks, more.pop("batch", 1), "fp32", "plain", "dataset"))
    return Record(point.id, status, point.to_dict(), error={"kind": status, "message": message, "log_end": ""}, **more)


def _metric(value: float | None, unit: str, better: str) -> dict[str, Any]:
    entry = {"value": value, "unit": unit, "better": better, "method": "made up"}
    return entry if value is not None else entry | {"why": "nobody asked"}


def run_of(*found: Record, name: str = "one", **system: Any) -> Run:
    """One run of these records."""
    return merge([folder_of(*found, name=name, **system)])[0]


def folder_of(*found: Record, name: str = "one", path: str = "runs/one", **system: Any) -> Folder:
    """A folder of these records that is on no disk."""
    return Folder(Path(path), {"name": name, "measure": {"target_percent": 1.0}}, f"name: {name}\n", system, found)


def cases_of(*found: Record) -> list[Case]:
    """The cases of one run."""
    return make_cases([run_of(*found)])


def write_run(folder: Path, *found: Record, system: dict[str, Any] | None = None, config: str | None = None) -> Path:
    """A run folder on disk."""
    for record in found:
        records.write(folder / "points", record)
    if system is not None:
        records.write_json(folder / "system.json", system)
    if config is not None:
        (folder / "config.yaml").write_text(config, encoding="utf-8")
    return folder
