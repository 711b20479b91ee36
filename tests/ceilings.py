"""Ceilings of this machine, measured once a test run: what the sweeps of most tests need not measure again.

A sweep that finds ceilings in its folder keeps them, as it does when it is resumed. So a test's run folder begins with
them, and with the configuration; all else is as in a new folder.
"""

import fcntl
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

TOYS = Path(__file__).resolve().parent / "toys"
RANKS = (1, 2)
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
"""The same in all processes of a test run."""
FOLDER = Path(tempfile.gettempdir(), f"saih-test-ceilings-{RUN}")

CONFIG = {
    "schema": 1,
    "name": "ceilings",
    "app": "toy:APP",
    "size": {"n": [8]},
    "run": {"ranks": list(RANKS)},
    "measure": {"target_percent": 50, "max_s": 0.2, "profile": False},
    "launch": {"device": "cpu"},
}


@functools.cache
def known() -> str:
    """The sections of system.json that hold ceilings, as JSON."""
    FOLDER.mkdir(exist_ok=True)
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = FOLDER / "known.json"
        if not kept.exists():
            (FOLDER / "ceilings.yaml").write_text(yaml.safe_dump(CONFIG))
            command = [sys.executable, "-m", "saih", "sweep", "ceilings.yaml", "--no-report"]
            paths = os.pathsep.join(filter(None, (str(TOYS), os.environ.get("PYTHONPATH"))))
            environment = os.environ | {"PYTHONPATH": paths}
            subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, check=True, timeout=300)
            system = json.loads((FOLDER / "runs" / "ceilings" / "system.json").read_text())
            kept.write_text(json.dumps({key: system[key] for key in ("peaks", "ceilings")}))
        return kept.read_text()


def seed(folder: Path, config: Path) -> None:
    """Begin a run's folder with known ceilings, unless it exists or its configuration asks for other ones."""
    try:
        content = yaml.safe_load(config.read_text())
        name, ranks = content["name"], content.get("run", {}).get("ranks", 1)
        sweep, device = content.get("sweep", {}), content.get("launch", {}).get("device")
    except (OSError, yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError):
        return  # what is wrong with it, the test asks
    asked = ranks if isinstance(ranks, list) else [ranks]
    special = "emulate" in content or {"everywhere", "kind"} & set(sweep) or device != "cpu"
    run = folder / "runs" / str(name)
    if special or not set(asked) <= set(RANKS) or run.exists():
        return
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(config.read_text())
    (run / "system.json").write_text(known())


def forget() -> None:
    """Remove what was kept, once the test run has ended."""
    shutil.rmtree(FOLDER, ignore_errors=True)
