"""What a configuration asks for, before anything runs: each point's size, cost and the time to expect. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saih.app import App, load
from saih.config import Config
from saih.config import load as load_config
from saih.driver import START_S
from saih.errors import InputError
from saih.points import Points, expand
from saih.progress import duration


def read(path: Path) -> tuple[Config, App, Points]:
    """A configuration, its application and its points. Raises InputError that begins with the file's name."""
    config = load_config(path)
    try:
        app = load(config.app)
        return config, app, expand(config, app)
    except InputError as error:
        raise error.at(str(path)) from error


def rows(config: Config, app: App, points: Points) -> list[dict[str, Any]]:
    """One row a point, in plain JSON types. ``time_s`` is the time limit with start-up: most points end earlier."""
    found = []
    for point in points.wanted:
        cost = app.cost(point)
        found.append(
            {
                "id": point.id,
                "point": point.to_dict(),
                "parameters": cost.parameters,
                "flop_per_sample": cost.flop_per_sample,
                "flop_per_step_per_device": cost.flop_per_sample * point.run.batch,
                "memory_bytes": cost.memory_bytes(point.run.batch),
                "sample_bytes": cost.sample_bytes,
                "time_s": config.measure.max_s + START_S,
            }
        )
    return found


def table(rows: list[dict[str, Any]], statuses: Mapping[str, str]) -> list[str]:
    """The rows as lines for people; with ``statuses`` also what is measured already."""
    head = ["point", "parameters", "GFLOP/sample", "GFLOP/step", "memory, at least", *(["status"] if statuses else [])]
    body = [
        [
            row["id"],
            f"{row['parameters']:,}",
            f"{row['flop_per_sample'] / 1e9:.4g}",
            f"{row['flop_per_step_per_device'] / 1e9:.4g}",
            f"{row['memory_bytes'] / 2**20:,.0f} MiB",
            *([statuses.get(row["id"], "to be measured")] if statuses else []),
        ]
        for row in rows
    ]
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in [head, *body]]
    most_s = sum(row["time_s"] for row in rows)
    return [*lines, f"{len(rows)} points, at most about {duration(most_s)} and the data set's making"]
