"""What tests share: the command line as a user runs it, and configurations of the toy application."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import ceilings

ROOT = Path(__file__).resolve().parent.parent
TOYS = ROOT / "tests" / "toys"


def pytest_addoption(parser):
    parser.addoption("--run-long", action="store_true", help="also the tests that take minutes")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--run-long"):
        return
    for item in items:
        if "long" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="takes minutes: make test-long"))


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):  # the process that started all others
        ceilings.forget()


class Cli:
    """Runs ``saih`` in a folder of its own.

    Sweeps write a report only if asked: it takes longer than a small point. They find the machine's ceilings in their
    run folder, if that is new, unless they are to measure them themselves.
    """

    def __init__(self, folder: Path, reports: bool = False, measure_ceilings: bool = False) -> None:
        self.folder, self.reports, self.measure_ceilings = folder, reports, measure_ceilings
        path = os.pathsep.join(filter(None, (str(TOYS), os.environ.get("PYTHONPATH"))))
        self.env = os.environ | {"PYTHONPATH": path, "COLUMNS": "200"}

    def write(self, name: str, content: dict) -> str:
        (self.folder / name).write_text(yaml.safe_dump(content))
        return name

    def start(self, *words: str, **more) -> subprocess.Popen:
        without = ["--no-report"] if words[:1] == ("sweep",) and not self.reports else []
        if words[:1] == ("sweep",) and not self.measure_ceilings and not {"--out", "--dry-run"} & set(words):
            ceilings.seed(self.folder, self.folder / words[1])
        command = [sys.executable, "-m", "saih", *words, *without]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=self.env, **pipes, **more)

    def __call__(self, *words: str, status: int | None = 0) -> subprocess.CompletedProcess:
        process = self.start(*words)
        out, err = process.communicate(timeout=600)
        assert status in (None, process.returncode), f"exit status {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err
        return subprocess.CompletedProcess(words, process.returncode, out, err)


@pytest.fixture
def saih(tmp_path):
    return Cli(tmp_path)


def toy_config(**changes) -> dict:
    """A small sweep of the toy; ``changes`` replace whole sections."""
    base = {
        "schema": 1,
        "name": "toy",
        "app": "toy:APP",
        "size": {"n": [8, 16]},
        "run": {"ranks": [1, 2]},
        "measure": {"target_percent": 50, "max_s": 0.5},
        "limits": {"point_timeout_s": 60},
        "launch": {"device": "cpu"},
    }
    return base | changes


@pytest.fixture(scope="module")
def one_thread():
    """Operations as small as the tests' wait for one another on several threads, above all where cores are busy."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
