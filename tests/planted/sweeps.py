"""Sweeps through the command line, as a user runs them, and what this machine can be disturbed with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from saih import launch, records
from saih.config.schema import Launch
from saih.emulate import Settings, require
from saih.emulate.storage import require_disks
from saih.errors import InputError
from saih.records.record import Record
from tests.planted.scoring import Costs
from tests.toys.planted_cost import FOLDER

ROOT = Path(__file__).resolve().parent.parent.parent
FAULTS_TOLD = 2
"""Exit statuses from here on mean that there is no sweep: 0 all is well, 1 a point failed."""


def sweep(config: dict[str, Any], folder: Path, timeout_s: float = 900) -> list[Record]:
    """Measure ``config`` in ``folder``; its records. Raises RuntimeError with what was said where there is no sweep."""
    name = config["name"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    words = [sys.executable, "-m", "saih", "sweep", f"{name}.yaml", "--out", name]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        words, cwd=folder, env=environment, timeout=timeout_s, capture_output=True, text=True, check=False
    )
    if done.returncode >= FAULTS_TOLD:
        raise RuntimeError(f"{name}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return records.read_all(folder / name / "points")


def costs(files: Path) -> Costs:
    """What the plants of points cost, as their processes measured it; ``files``: the configuration's data.folder."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (files / FOLDER).glob("*.json")}


def cannot(emulate: Mapping[str, float], folder: Path) -> str | None:
    """Why points whose files lie in ``folder`` cannot be disturbed so on this machine; None where they can."""
    disturbed = Settings.of(emulate)
    try:
        if disturbed.link_mb_s and launch.find(Launch(device="cpu")).flavour != "mpich":
            return "emulated links need MPICH"
        require(disturbed)
        require_disks(disturbed.storage_mb_s, [str(folder)])
    except InputError as error:
        return str(error)
    return None
