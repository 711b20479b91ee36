"""`saih plan`: size, cost and expected time of each point, before anything runs. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saih.app import App, Cost, Execution, Point
from saih.applications import load
from saih.cli.progress import roughly
from saih.common.host import affinity
from saih.config.points import Points, expand
from saih.config.schema import Config
from saih.config.schema import load as load_config
from saih.errors import InputError
from saih.records.record import UNDECIDED
from saih.records.run_folder import Folder
from saih.sweep import growth
from saih.sweep.memory_fit import Room, cost_on
from saih.sweep.time_estimate import Range, total
from saih.sweep.times_so_far import DEVICES, cores_per_rank, estimates, load_of


def read(path: Path) -> tuple[Config, App, Points]:
    """A configuration, its application and its points. Raises InputError that begins with the file's name."""
    config, own = load_config(path), affinity.own()
    try:
        app = load(config.app)
        affinity.restore(own)  # an application may import what binds this thread, and all that it starts
        points = expand(config, app)
        if hasattr(app, "layers"):  # asked for only once a point has been measured
            app.layers(points.wanted[0])
        return config, app, points
    except InputError as error:
        raise error.at(str(path)) from error


ANY = "any"


def rows(config: Config, app: App, points: Points, folder: Folder | None = None) -> list[dict[str, Any]]:
    """One row a point, in plain JSON types.

    `memory_bytes` and, of it, libraries' `workspace_bytes` are the most that a rank takes, by kind of device: the
    one that launch.device names, "cuda" and "cpu" for auto, "any" where the application does not tell them apart.
    `time_s` is an estimate by kind of device, most likely between `time_low_s` and `time_high_s`, and
    `time_basis` what it rests on: the records of the run in `folder`, else the ceilings there, else what devices
    of the kind usually reach. The first point of a worker group has its start, the first of a rank count its ceilings.
    Of a growing sweep the sizes that it comes to if nothing ends it; `fits` says, by kind of device, whether the
    predicted memory is within what a rank may take, null where that is not known before the machine is.
    """
    cores = cores_per_rank(config)
    wanted = points.wanted
    if config.sweep.grow:
        wanted = tuple(point for start in points.wanted for point in growth.sizes(app, config.sweep.grow, start))
    all_costs = [_costs(app, point, config.launch.device, cores) for point in wanted]  # refuses what cannot be counted
    system, kept = (folder.system(), list(folder.records().values())) if folder else ({}, [])
    expected = estimates(config, app, system, kept)
    loads = [load_of(app, point) for point in wanted]
    times = {kind: estimate.in_turn(loads) for kind, estimate in expected.items()}
    basis = {kind: estimate.basis for kind, estimate in expected.items()}
    found = []
    for number, point in enumerate(wanted):
        costs = all_costs[number]
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
                "fits": {kind: _fits(config, app, system, point, each) for kind, each in costs.items()},
                "cores_per_rank": cores,
                "sample_bytes": cost.sample_bytes,
                "time_s": {kind: each[number].middle for kind, each in times.items()},
                "time_low_s": {kind: each[number].low for kind, each in times.items()},
                "time_high_s": {kind: each[number].high for kind, each in times.items()},
                "time_basis": basis,
            }
        )
    return found


def _costs(app: App, point: Point, device: str, cores: int) -> dict[str, Cost]:
    """The cost on each kind of device that may be meant. Which one `auto` finds is known only where it runs."""
    if not hasattr(app, "cost_on"):
        return {ANY: app.cost(point)}
    return {kind: cost_on(app, point, kind, cores) for kind in DEVICES if device in (kind, "auto")}


def _fits(config: Config, app: App, system: Mapping[str, Any], point: Point, cost: Cost) -> bool | None:
    """Return True if a point's tensors fit into a rank's memory; None if its size is not known yet."""
    limit_gib, machine = config.limits.memory_gib, system.get("machine")
    if limit_gib is None and not machine:
        return None
    room = Room(app, machine or {}, cores_per_rank(config), limit_gib)
    return cost.memory_bytes <= room.most_bytes(point.run.ranks)


def table(rows: list[dict[str, Any]], statuses: Mapping[str, str], grows: bool = False) -> list[str]:
    """The rows as lines for people; with `statuses` also what is measured already. `grows`: memory may end it."""
    varying = _varying([row["point"]["run"] for row in rows])
    head = [
        "point",
        *varying,
        "parameters",
        "GFLOP/sample",
        "GFLOP/step",
        *(f"{DEVICES[kind]} memory <=" if kind in DEVICES else "memory <=" for kind in rows[0]["memory_bytes"]),
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
    return [*lines, f"{_time_words(rows, statuses, grows)}{_memory_words(rows[0])}"]


def _time_words(rows: list[dict[str, Any]], statuses: Mapping[str, str], grows: bool) -> str:
    """Describe the time that the remaining points will take."""
    left = [row for row in rows if statuses.get(row["id"]) in (None, *UNDECIDED)]
    if grows:
        count = f"{len(rows)} points unless memory or a flat gain ends the growth before"
    else:
        count = f"{len(rows)} point{'' if len(rows) == 1 else 's'}"
    count += f", {len(left)} of them to be measured" if len(left) < len(rows) else ""
    if not left:
        return count
    told, several = [], len(rows[0]["time_s"]) > 1
    for kind in rows[0]["time_s"]:
        where, counted = f" on a {DEVICES[kind]}" if several else "", left
        if grows:
            fits = [row["fits"].get(kind, row["fits"].get(ANY)) for row in left]
            if None in fits:
                told.append(f"no time{where}, for where memory ends is not known before the machine is")
                continue
            counted = [row for row, fit in zip(left, fits, strict=True) if fit]
            where += f" for the {len(counted)} that are predicted to fit the memory"
        times = [Range(row["time_low_s"][kind], row["time_s"][kind], row["time_high_s"][kind]) for row in counted]
        found = total(times)
        told.append(f"about {roughly(found.middle)} ({roughly(found.low)} to {roughly(found.high)}){where}")
    basis = next(iter(rows[0]["time_basis"].values()))
    data = ", plus the data set's making" if any(row["point"]["data"] for row in left) else ""
    return f"{count}; estimated {basis}: {', '.join(told)}{data}"


def _memory_words(row: Mapping[str, Any]) -> str:
    """Name the device that the memory is of, if the application distinguishes devices."""
    if "cpu" not in row["memory_bytes"]:
        return ""
    cores = row["cores_per_rank"]
    return f"; a CPU's memory is for {cores} {'core' if cores == 1 else 'cores'} a rank"


def _varying(runs: list[Mapping[str, Any]]) -> list[str]:
    """Return the run options that vary between points and are not in the readable part of the id."""
    names = [name for name in Execution.__dataclass_fields__ if name != "ranks"]
    return [name for name in names if len({run[name] for run in runs}) > 1]


def _word(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
