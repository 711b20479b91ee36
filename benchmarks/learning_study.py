"""A study of learning as a command: its common arguments, its universes, and its result, even where it is cut off."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from augment.data.recipe import Recipe
from benchmarks import learning, spectra
from benchmarks.learning_sets import Universes, universes
from benchmarks.spending import Deadline, OutOfTime, machine, write

Row = dict[str, Any]
NO_SETTINGS = ("device", "minutes", "processes", "folder", "out")


def parser(description: str | None, epochs: int | None = None) -> argparse.ArgumentParser:
    """What all studies can be told; of training only where there is any, by default so many epochs of it."""
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--device", default="cpu")
    found.add_argument("--simulated-edge", type=int, default=32, help="universes are made at, and coarsened from")
    found.add_argument("--universes", type=int, default=512)
    found.add_argument("--box-mpc-h", type=float, default=128.0)
    found.add_argument("--inputs", choices=["log", "standardised"], default="standardised")
    found.add_argument("--minutes", type=float, help="end after these, with what has been found")
    found.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)), help="that make universes")
    found.add_argument("--folder", type=Path, help="keep the universes in here, or take them from here")
    found.add_argument("--out", type=Path, help="also write the JSON here")
    if epochs is not None:
        found.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
        found.add_argument("--epochs", type=int, default=epochs)
        found.add_argument("--batch", type=int, default=8)
        found.add_argument("--peak-lr", type=float, default=0.02)
        found.add_argument("--dropout", type=float, default=0.0, help="the application's own is 0.5")
    return found


class Study:
    """Universes, the time left, and the result so far, which is in the file after each training."""

    def __init__(self, name: str, given: argparse.Namespace, rows: str = "trainings") -> None:
        self.given, self.deadline, self.rows = given, Deadline(given.minutes), rows
        settings = {key: value for key, value in vars(given).items() if key not in NO_SETTINGS}
        self.result: Row = {"benchmark": name, "machine": machine(given.device), **settings, "ended": "cut off"}
        self.result |= {"mae_unseen_of_spectra": [], rows: []}

    def universes(self, edges: list[int]) -> dict[int, Universes]:
        """By edge; what a constant and spectra say of the unseen ones is in the result, then. Raises OutOfTime."""
        given = self.given
        recipe = Recipe(universes=given.universes, edge=given.simulated_edge, box_mpc_h=given.box_mpc_h)
        with tempfile.TemporaryDirectory() as temporary:
            folder = (given.folder or Path(temporary)) / f"edge{recipe.edge}-{recipe.universes}"
            finest = universes(recipe, folder, given.device, given.processes, self.deadline, given.inputs)
        found = {edge: finest.at(edge) for edge in edges}
        self.result["unseen_universes"] = len(finest.unseen_labels)
        self.result["mae_unseen_of_a_constant"] = learning.of_a_constant(finest)
        for edge, data in found.items():
            errors = learning.mean_absolute_errors(spectra.predict(data), data.unseen_labels)
            self.result["mae_unseen_of_spectra"].append({"edge": edge, **errors})
            tell(f"edge {edge}, spectra alone: {errors}")
        return found

    def keep(self, row: Row) -> Row:
        """Adds a training, or another row of what is compared, to the result."""
        self.result[self.rows].append(row)
        write(self.given.out, self.result)
        return row

    def run(self, work: Callable[[Study], None]) -> None:
        """Does the work, or what there is time for, and prints the result."""
        try:
            work(self)
            self.result["ended"] = "all done"
        except OutOfTime:
            self.result["ended"] = "out of time"
        write(self.given.out, self.result)
        print(json.dumps(self.result))


def tell(line: str) -> None:
    """Progress, for people."""
    print(line, file=sys.stderr, flush=True)
