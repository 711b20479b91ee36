"""What a configuration asks for, before anything runs: each point's size, cost and the time to expect. No torch."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saih import grow
from saih.app import App, Cost, Execution, Point, load
from saih.config import Config
from saih.config import load as load_config
from saih.driver import START_S
from saih.errors import InputError
from saih.points import Points, expand
from saih.progress import duration
from saih.room import cost_on


def read(path: Path) -> tuple[Config, App, Points]:
    """A configuration, its application and its points. Raises InputError that begins with the file's name."""
    config = load_config(path)
    try:
        app = load(config.app)
        return config, app, expand(config, app)
    except InputError as error:
        raise error.at(str(path)) from error


DEVICES = {"cuda": "GPU", "cpu": "CPU"}
ANY = "any"


def rows(config: Config, app: App, points: Points) -> list[dict[str, Any]]:
    """One row a point, in plain JSON types. ``time_s`` is soak and time limit with start-up: most points end earlier.

    ``memory_bytes`` and, of it, libraries' ``workspace_bytes`` are a rank's, by kind of device: the one that
    launch.device names, "cuda" and "cpu" for auto, "any" where the application does not tell them apart. Of a growing
    sweep the sizes that it comes to if nothing ends it.
    """
    cores = cores_per_rank(config)
    found = []
    wanted = points.wanted
    if config.sweep.grow:
        wanted = tuple(point for start in points.wanted for point in grow.sizes(app, config.sweep.grow, start))
    for point in wanted:
        costs = _costs(app, point, config.launch.device, cores)
        cost = next(iter(costs.values()))
        found.append(
            {
                "id": point.id,
                "point": point.to_dict(),
                "parameters": cost.parameters,
                "flop_per_sample": cost.flop_per_sample,
                "flop_per_step_per_device": cost.flop_per_sample * point.run.batch,
                "memory_bytes": {kind: each.memory_bytes + each.workspace_bytes for kind, each in costs.items()},
                "workspace_bytes": {kind: each.workspace_bytes for kind, each in costs.items()},
                "cores_per_rank": cores,
                "sample_bytes": cost.sample_bytes,
                "time_s": config.measure.longest_s + START_S,
            }
        )
    return found


def cores_per_rank(config: Config) -> int:
    """The cores that a rank has on a CPU: as configured, else as on this host."""
    most = max(config.run.ranks)
    return config.launch.cores_per_rank or max(1, len(os.sched_getaffinity(0)) // most)


def _costs(app: App, point: Point, device: str, cores: int) -> dict[str, Cost]:
    """The cost on each kind of device that may be meant. Which one `auto` finds is known only where it runs."""
    try:
        if not hasattr(app, "cost_on"):
            found = {ANY: app.cost(point)}
        else:
            found = {kind: cost_on(app, point, kind, cores) for kind in DEVICES if device in (kind, "auto")}
        countable = all(math.isfinite(each.flop_per_sample * point.run.batch / 1.0) for each in found.values())
    except OverflowError:
        countable = False
    if not countable:
        sizes = ", ".join(f"{name} = {value:g}" for name, value in point.size.items())
        raise InputError(f"size: {sizes}: costs more operations than a number can hold")
    return found


def table(rows: list[dict[str, Any]], statuses: Mapping[str, str]) -> list[str]:
    """The rows as lines for people; with ``statuses`` also what is measured already."""
    varying = _varying([row["point"]["run"] for row in rows])
    head = [
        "point",
        *varying,
        "parameters",
        "GFLOP/sample",
        "GFLOP/step",
        *(f"memory {DEVICES[kind]}" if kind in DEVICES else "memory" for kind in rows[0]["memory_bytes"]),
        *(["status"] if statuses else []),
    ]
    body = [
        [
            row["id"],
            *(_word(row["point"]["run"][name]) for name in varying),
            f"{row['parameters']:,}",
            f"{row['flop_per_sample'] / 1e9:.4g}",
            f"{row['flop_per_step_per_device'] / 1e9:.4g}",
            *(f"{size / 2**20:,.0f} MiB" for size in row["memory_bytes"].values()),
            *([statuses.get(row["id"], "to be measured")] if statuses else []),
        ]
        for row in rows
    ]
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in [head, *body]]
    most_s = sum(row["time_s"] for row in rows)
    time = f"{len(rows)} points, at most about {duration(most_s)} and the data set's making"
    return [*lines, time + _memory_words(rows[0])]


def _memory_words(row: Mapping[str, Any]) -> str:
    """What the memory is of, where the application tells devices apart."""
    if "cpu" not in row["memory_bytes"]:
        return ""
    cores = row["cores_per_rank"]
    return f"; a CPU's memory for {cores} {'core' if cores == 1 else 'cores'} a rank, without its process's libraries"


def _varying(runs: list[Mapping[str, Any]]) -> list[str]:
    """What of the execution tells points apart beyond the id's readable part."""
    names = [name for name in Execution.__dataclass_fields__ if name != "ranks"]
    return [name for name in names if len({run[name] for run in runs}) > 1]


def _word(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
