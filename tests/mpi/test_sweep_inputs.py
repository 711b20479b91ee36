"""CosmoFlow swept for real from every input; and files that go bad while it trains."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pytest

from apps.cosmoflow.metrics import METRICS
from saih import records
from saih.records.record import Record
from tests.conftest import Cli
from tests.sets import random_set

pytestmark = pytest.mark.mpi

EDGE = 16


def config(name: str, **changes: object) -> dict[str, object]:
    base: dict[str, object] = {
        "schema": 1,
        "name": name,
        "app": "cosmoflow",
        "data": {"path": "set", "staging": {"folder": "$STAGING/here"}, "views": ["symmetries"]},
        "size": {"edge": EDGE, "width": 0.125},
        "run": {"batch": 2, "ranks": 1},
        "measure": {"target_percent": 50, "max_s": 0.3},
        "limits": {"point_timeout_s": 100},
        "launch": {"device": "cpu"},
    }
    return base | changes


@pytest.fixture(scope="module")
def cli(tmp_path_factory) -> Cli:
    cli = Cli(tmp_path_factory.mktemp("inputs"))
    cli.env = cli.env | {"STAGING": str(cli.folder)}
    random_set(cli.folder / "set", universes=6, samples=2, edge=EDGE)
    return cli


def found(cli: Cli, name: str) -> list[Record]:
    return records.read_all(cli.folder / "runs" / name / "points")


def test_inputs_are_measured_and_say_where_samples_came_from(cli) -> None:
    """Two ranks of one host; one of them makes the copy."""
    wanted = ["staged-cold", "memory", "synthetic"]
    cli.write("inputs.yaml", config("inputs", run={"batch": 2, "ranks": 2, "input": wanted}))
    cli("sweep", "inputs.yaml")
    by_input = {record.point["run"]["input"]: record for record in found(cli, "inputs")}
    assert {name: record.status for name, record in by_input.items()} == dict.fromkeys(wanted, "ok")
    assert by_input["staged-cold"].value("direct_read_percent") in (0, 100)  # 0 where the file system refuses
    assert by_input["staged-cold"].value("read_bytes_per_s") > 0
    assert by_input["memory"].value("read_bytes_per_s") == 0
    assert by_input["memory"].value("data_to_memory_ratio") > 0
    for spec in METRICS:
        assert by_input["synthetic"].metrics[spec.name]["value"] is None
        assert by_input["synthetic"].metrics[spec.name]["why"]
    assert (next((cli.folder / "here").glob("universes-*")) / "manifest.json").exists()


def test_files_that_vanish_while_training_are_a_failed_point_that_names_one(cli, tmp_path) -> None:
    here = Cli(tmp_path)
    shutil.copytree(cli.folder / "set", tmp_path / "set")
    here.write("bad.yaml", config("bad", data={"path": "set"}, measure={"target_percent": 0.001, "max_s": 8}))
    process = here.start("sweep", "bad.yaml")
    paths = sorted((tmp_path / "set").glob("universe-*.h5"))
    wait_until_open(paths[0].resolve())
    for path in paths:
        path.unlink()
    _, err = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "Traceback" not in err
    (record,) = found(here, "bad")
    assert record.status == "failed"
    message = record.error["message"]
    assert re.search(r"universe-0000\d.h5: sample \d+ \(universe \d\): the file (is gone|was removed)", message)
    assert "\n" not in message


def wait_until_open(path: Path) -> None:
    """Until some process trains on the file: `saih.worker.main` has it open for longer than a look takes."""
    for _ in range(1200):
        if is_open(path):
            time.sleep(0.3)
            if is_open(path):
                return
        time.sleep(0.05)
    raise TimeoutError(path)


def is_open(path: Path) -> bool:
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(link.readlink() == path for link in folder.iterdir()):
                return True
        except OSError:  # it has ended, or is another user's
            continue
    return False
