"""`saih peaks`: measure this machine's ceilings with a worker group, print them, and keep them as JSON."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from saih.common.terminal import say, survive_lost_output
from saih.errors import InputError, Kind
from saih.processes import interrupt_when_told

if TYPE_CHECKING:
    from saih.cli.progress import Progress
    from saih.groups.pool import Groups

SCHEMA = 1
TIMEOUT_S = 1800.0
"""For one ceiling; a processor that emulates a precision may take minutes."""
PRECISIONS = {"cuda": ("fp32", "tf32", "bf16", "fp16"), "cpu": ("fp32", "bf16")}
NO_STORAGE = {"read_bytes_per_s": None, "why": "no --storage PATH was given"}
_STAGES = {
    "memory": "memory",
    "copies": "copies between host and device",
    "launches": "launches",
    "allreduce": "all-reduce",
    "storage": "storage",
}


@dataclass(frozen=True)
class Effort:
    """Time of each case, and amount of data moved."""

    seconds_each: float
    largest_bytes: int
    bytes_a_rank: int


FULL = Effort(1.0, 256 * 2**20, 2**30)
QUICK = Effort(0.25, 16 * 2**20, 128 * 2**20)


def add_parser(verbs: Any) -> None:
    """`peaks` among the commands."""
    parser = verbs.add_parser("peaks", help="measure this machine's ceilings: arithmetic, memory, copies, all-reduce")
    parser.add_argument("--out", type=Path, metavar="FILE", help="keep everything there, as JSON")
    parser.add_argument("--ranks", type=int, metavar="N", help="default: a rank for each GPU of a node; 1 without GPUs")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--storage", type=Path, metavar="PATH", help="read a file, or write and read in a folder")
    parser.add_argument("--quick", action="store_true", help="shorter and smaller: about a minute, and less sure")
    parser.set_defaults(command=_command)


def _command(arguments: argparse.Namespace) -> int:
    """0, or 1 where a figure must not be believed. Raises InputError, Interrupted."""
    from saih import launch, records
    from saih.peaks import table

    launch.refuse_ranks(arguments.words)
    _check(arguments)
    interrupt_when_told()
    result = _measured(arguments)
    for line in [*table.lines(result), *table.suspect(result), *table.doubtful(result["doubts"])]:
        say(line)
    if arguments.out:
        records.write_json(arguments.out, result)
        say(f"kept in {arguments.out}")
    return 1 if result["doubts"] else 0


def _check(arguments: argparse.Namespace) -> None:
    """Everything that can be seen before minutes are spent."""
    if arguments.ranks is not None and arguments.ranks < 1:
        raise InputError(f"--ranks {arguments.ranks}: must be at least 1")
    if arguments.storage and not (arguments.storage.is_dir() or arguments.storage.is_file()):
        raise InputError(f"--storage {arguments.storage}: is neither a file nor a folder")
    if arguments.out and arguments.out.is_dir():
        raise InputError(f"--out {arguments.out}: is a folder")
    if arguments.out and not arguments.out.absolute().parent.is_dir():
        raise InputError(f"--out {arguments.out}: there is no folder {arguments.out.absolute().parent}")


def _measured(arguments: argparse.Namespace) -> dict[str, Any]:
    from rich.console import Console

    from saih import launch
    from saih.cli.progress import Progress
    from saih.config.schema import Launch
    from saih.groups.pool import Groups

    survive_lost_output()
    wanted = Launch(device=arguments.device)
    with (
        Progress(Console(stderr=True)) as progress,
        tempfile.TemporaryDirectory(prefix="saih-peaks-") as logs,
        Groups(wanted, launch.find(wanted), Path(logs), progress.progress, say=progress.note) as groups,
    ):
        return _Measurement(groups, progress, QUICK if arguments.quick else FULL, arguments).run()


@dataclass
class _Measurement:
    """One run of the verb on a machine."""

    groups: Groups
    progress: Progress
    effort: Effort
    arguments: argparse.Namespace

    def run(self) -> dict[str, Any]:
        """The whole result, as it is kept (docs/peaks.md)."""
        from saih import peaks
        from saih.peaks.storage import require_size

        self.progress.stage("looking at the machine")
        system = self._ask({"do": "describe"}, 1)
        machine = system["machine"]
        ranks, cores = self._place(machine)
        if self.arguments.storage and self.arguments.storage.is_file():
            require_size(self.arguments.storage, ranks)
        measured = [self._arithmetic(precision, ranks) for precision in PRECISIONS[machine["device_kind"]]]
        ceilings = [{"ranks": ranks, **{part: self._part(part, ranks) for part in peaks.PARTS}}]
        return {
            "schema": SCHEMA,
            "system": system,
            "cores_per_rank": cores,
            "quick": self.arguments.quick,
            "peaks": measured,
            "ceilings": ceilings,
            "datasheet": peaks.quoted(machine, PRECISIONS[machine["device_kind"]]),
            "doubts": peaks.doubts(machine, measured, ceilings, cores),
        }

    def _place(self, machine: Mapping[str, Any]) -> tuple[int, int]:
        """Return the number of ranks and the cores of each. Raise InputError if the machine has too few."""
        from saih import launch

        nodes, on_gpu = self.groups.launcher.allocation.nodes, machine["device_kind"] == "cuda"
        ranks: int = self.arguments.ranks or (machine["devices"] if on_gpu else 1)
        cores = max(1, machine["cores"] // -(-ranks // nodes))
        each = launch.slots_per_node(machine, cores)
        if ranks > nodes * each:
            has = f"{nodes * each} {'CUDA device' if on_gpu else 'core'}{'' if nodes * each == 1 else 's'}"
            raise InputError(f"--ranks {ranks}: there are {has}, one a rank")
        self.groups.fill(each, cores, machine["cores"])
        return ranks, cores

    def _arithmetic(self, precision: str, ranks: int) -> dict[str, Any]:
        self.progress.stage(f"arithmetic, {precision}")
        return self._ask({"do": "peaks", "precision": precision, "seconds_each": self.effort.seconds_each}, ranks)

    def _part(self, part: str, ranks: int) -> dict[str, Any]:
        if part == "storage" and not self.arguments.storage:
            return dict(NO_STORAGE)
        self.progress.stage(_STAGES[part])
        request: dict[str, Any] = {"do": "ceiling", "part": part, "seconds_each": self.effort.seconds_each}
        if part == "allreduce":
            request |= {"largest_bytes": self.effort.largest_bytes, "smaller_groups": True}
        if part == "storage":
            request |= {"bytes_a_rank": self.effort.bytes_a_rank, "path": str(self.arguments.storage.absolute())}
        return self._ask(request, ranks)

    def _ask(self, request: Mapping[str, Any], ranks: int) -> dict[str, Any]:
        """Without an answer there is no result: any failure is the user's to mend."""
        from saih.errors import GroupError
        from saih.groups.worker_group import Patience

        try:
            return self.groups.ask(request, ranks, "peaks", Patience(TIMEOUT_S))
        except GroupError as error:
            raise InputError(_in_words(error)) from error


def _in_words(error: Any) -> str:
    """Describe a fault in one line, with the last line of the log, which is about to be deleted."""
    from saih.groups.log_file import last_words

    printed = last_words(error.log, 2**16).split("\n")
    last = next((line.strip() for line in reversed(printed) if line.strip()), "")
    known = error.failure.kind is Kind.INPUT or not last or last in str(error)
    return str(error) if known else f"{error} (the ranks' last words: {last[:200]})"


def _nothing(number: int, _: FrameType | None) -> None:
    """Ignore a signal. With SIG_IGN, Python would print an error for one that is pending."""
