"""`saih augment data`: data sets from a recipe, from one another or from published files, on any number of ranks.

The flags are here; the work is in augment.data, which is imported only when there is some.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saih.common.terminal import say, survive_lost_output

if TYPE_CHECKING:
    from augment.data.making.build import Plan, Stage
    from saih.cli.ranks_together import Team

MOST_FAULT_LINES = 20
RECIPE_FLAGS: dict[str, dict[str, Any]] = {
    "universes": {"type": int, "metavar": "N", "help": "how many; at least 2"},
    "edge": {"type": int, "metavar": "N", "help": "voxels a side of a sample"},
    "seed": {"type": int, "metavar": "N", "help": "of all random numbers (default: 1)"},
    "growth": {"metavar": "fixed_box|fixed_voxel", "help": "what a larger edge means (default: fixed_box)"},
    "box_mpc_h": {"type": float, "metavar": "MPC_H", "help": "width of a sample, comoving (default: 128)"},
    "cuts": {"type": int, "metavar": "N", "help": "a universe is cut into N^3 samples (default: 1)"},
    "redshifts": {"type": float, "nargs": "+", "metavar": "Z", "help": "a channel each (default: 0 0.5 1.5 3)"},
    "steps": {"type": int, "metavar": "N", "help": "COLA steps to today; 0: 2LPT alone (default: 10)"},
}
"""A recipe's keys as flags; augment.data.recipe checks their values."""


def add_parser(kinds: Any) -> None:
    """Adds `data` to the kinds of augmentation."""
    data = kinds.add_parser(
        "data", help="make, derive, convert, link or verify a data set; may be started on MPI ranks"
    )
    operations = data.add_subparsers(title="operations", required=True, metavar="OPERATION")

    simulate = _operation(operations, "simulate", "universes from a recipe, or those that a sweep would make")
    simulate.add_argument("--config", type=Path, metavar="SWEEP", help="take recipe, edges and folder from a sweep")
    for key, flag in RECIPE_FLAGS.items():
        simulate.add_argument(f"--{key.replace('_', '-')}", **flag)
    simulate.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")

    coarsen = _derived(operations, "coarsen", "fewer, wider voxels: exact sums, for every volume")
    coarsen.add_argument("--factor", type=int, required=True, metavar="N")
    refine = _derived(operations, "refine-for-load", "more, narrower voxels by chance: for load only, not physics")
    refine.add_argument("--factor", type=int, required=True, metavar="N")
    refine.add_argument("--seed", type=int, default=1, metavar="N")
    turned = _derived(operations, "symmetries", "turned and mirrored views of every sample, written out")
    turned.add_argument("--views", type=int, required=True, metavar="N", help="of each sample, at most 48")
    turned.add_argument("--seed", type=int, default=1, metavar="N")
    shifts = _derived(operations, "shifts", "periodic boxes seen from other places, written out")
    shifts.add_argument("--views", type=int, required=True, metavar="N", help="of each sample")
    shifts.add_argument("--seed", type=int, default=1, metavar="N")
    tile = _derived(operations, "tile", "copies of periodic boxes side by side: for load; adds no longer wave")
    tile.add_argument("--repeats", type=int, required=True, metavar="N")
    redshifts = _derived(operations, "redshifts", "fewer channels; more can only be simulated")
    redshifts.add_argument("--keep", type=float, nargs="+", required=True, metavar="Z")

    convert = _operation(operations, "convert", "published files, TFRecord or HDF5, in our form")
    link = _operation(operations, "link", "published files that stay where they are, to train on directly", False)
    for parser in (convert, link):
        files = "files, folders of them, patterns in quotes ('train/*.tfrecord'), or lists (files.txt, @files)"
        parser.add_argument("sources", nargs="+", metavar="FILE", help=files)
        parser.add_argument("--edge", type=int, default=128, metavar="N", help="of the cubes (default: 128)")

    verify = operations.add_parser("verify", help="read everything and name what is damaged")
    verify.add_argument("out", type=Path, metavar="SET")
    verify.set_defaults(command=_run, operation="verify")


def _operation(operations: Any, name: str, help_: str, compresses: bool = True) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = operations.add_parser(name, help=help_, description=help_)
    parser.add_argument("--out", type=Path, required=name != "simulate", metavar="SET", help="the data set's folder")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be made, and what it takes")
    parser.add_argument("--verify", action="store_true", help="read everything back at the end")
    if compresses:
        parser.add_argument("--compression", choices=("gzip",), help="default: none, so that reading is a copy")
    parser.set_defaults(command=_run, operation=name, compression=None)
    return parser


def _derived(operations: Any, name: str, help_: str) -> argparse.ArgumentParser:
    parser = _operation(operations, name, help_)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a data set's folder")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from saih.cli.ranks_together import Team

    with Team() as team:
        from augment.data.making.build import Stopped
        from augment.errors import DataError

        team.expect((DataError,), (Stopped,))
        if arguments.operation == "verify":
            return _verify(team, arguments.out)
        sources = team.first(lambda: _sources(arguments))
        plans = team.together(lambda: _plans(arguments, sources, team))
        if arguments.dry_run:
            team.first(lambda: _say(line for plan in plans for line in plan.told()))
            return 0
        survive_lost_output()
        return max([_make(team, plan.plan, arguments.verify) for plan in plans])


def _sources(arguments: argparse.Namespace) -> Any:
    """The published files asked for, if any are: looked for by one rank for all."""
    from augment.data.foreign.survey import Sources

    return Sources.of(arguments.sources, arguments.edge) if arguments.operation in ("link", "convert") else None


def _plans(arguments: argparse.Namespace, sources: Any, team: Team) -> Sequence[Any]:
    from saih.cli import augment_plans

    return augment_plans.plans(arguments, sources, team.local_rank, team.cores)


def _make(team: Team, plan: Plan, verifies: bool) -> int:
    from contextlib import ExitStack

    from augment.data.making.build import begun

    if team.first(plan.is_whole):
        team.first(lambda: _say([f"{plan.folder}: is whole already"]))
    else:
        begin_s = time.monotonic()
        with ExitStack() as stack:
            team.first(lambda: stack.enter_context(begun(plan)))
            _stages(team, plan)
            team.first(plan.finish)
        team.first(lambda: _say([_summary(plan.folder, time.monotonic() - begin_s)]))
    return _verify(team, plan.folder) if verifies else 0


def _stages(team: Team, plan: Plan) -> None:
    stages = plan.stages()
    while (stage := team.together(lambda: next(stages, None))) is not None:
        _stage(team, plan.folder, stage)


def _stage(team: Team, folder: Path, stage: Stage) -> None:
    from contextlib import nullcontext

    from augment.data.making.build import work
    from saih.cli.augment_progress import Watch

    with _line(team) as line, Watch(line, stage.what, stage.outputs, stage.size) if line else nullcontext():
        team.together(lambda: work(folder, stage, (team.rank, team.size), check=team.check))


def _line(team: Team) -> Any:
    from contextlib import nullcontext

    if team.rank:
        return nullcontext()
    from rich.console import Console

    from saih.cli.progress import Line

    return Line(Console())


def _verify(team: Team, folder: Path) -> int:
    """2 where damage was found: a line each on standard error, up to a number."""
    from augment.data.reading.verify import verify
    from augment.data.storage.data_set import UniverseSet
    from saih.cli.augment_progress import Tally

    begin_s = time.monotonic()
    with _line(team) as line:
        tally = Tally("samples read, of this rank" if team.size > 1 else "samples read", 0)

        def progress(done: int, total: int) -> None:
            team.check()
            if line:
                tally.done, tally.total = done, total
                line.show(tally.line())

        mine = team.together(lambda: verify(folder, progress, (team.rank, team.size), max(1, team.cores)))
    found = [fault for faults in team.gather(mine) for fault in faults]
    if found:
        team.first(lambda: _say_faults(found))
        return 2
    seconds = time.monotonic() - begin_s

    def said() -> None:
        universes = UniverseSet(folder, asks_files=False)
        total = universes.samples * universes.sample_bytes
        _say([f"{folder}: all {universes.samples} samples are as written ({total / 1e9 / seconds:.3g} GB/s)"])

    team.first(said)
    return 0


def _summary(folder: Path, seconds: float) -> str:
    import numpy as np

    from augment.data.making.job import gigabytes
    from augment.data.storage.data_set import UniverseSet

    found = UniverseSet(folder, asks_files=False)
    shape = f"{found.edge}^3 x {len(found.redshifts)}"
    stored = int(found.stored_bytes.sum())
    return (
        f"{folder}: {found.samples} samples of {shape} in {len(np.unique(found.universe))} universes, "
        f"{gigabytes(stored)} ({found.codec}), digest {found.digest}, "
        f"in {_seconds(seconds)} ({stored / 1e9 / seconds:.3g} GB/s)"
    )


def _seconds(seconds: float) -> str:
    from saih.cli.progress import duration

    return duration(seconds) if seconds >= 10 else f"{seconds:.2g} s"


def _say(lines: Any) -> None:
    for line in lines:
        say(line)


def _say_faults(found: Sequence[str]) -> None:
    for fault in found[:MOST_FAULT_LINES]:
        say(f"saih: {fault}", error=True)
    if len(found) > MOST_FAULT_LINES:
        say(f"saih: and {len(found) - MOST_FAULT_LINES} more are damaged", error=True)
