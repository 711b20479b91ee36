"""One Slurm for all of these tests, and the command line inside it."""

import json
import re
import shutil
import tempfile
from pathlib import Path

import pytest
import yaml

from saih import records
from tests import ceilings
from tests.conftest import Cli, toy_config
from tests.slurm import cluster as real


def pytest_collection_modifyitems(items):
    why_not = real.missing()
    for item in items:
        if Path(__file__).parent in item.path.parents and why_not:
            item.add_marker(pytest.mark.skip(reason=f"no Slurm: {why_not}"))


@pytest.fixture(scope="session")
def cluster():
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # short: a socket's path has at most 107 characters
    folder.chmod(0o755)
    running = real.Cluster(folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Login:
    """A login node: ``saih`` in a folder of its own, with Slurm's commands at hand.

    Each rank runs behind a wrapper that notes where it is in the file rank.<node>.<process>.
    """

    def __init__(self, folder, cluster, wrapper):
        self.folder, self.cluster, self.wrapper = folder, cluster, str(wrapper)
        self.saih = Cli(folder)
        self.saih.env = self.saih.env | cluster.env | {"PYTHONPATH": self.saih.env["PYTHONPATH"]}
        self.saih.env["TOY_MENDED"] = str(folder / "mended")
        self.profile()

    def profile(self, **changes):
        site = {"partition": "test", "time": "5", "gpus_per_node": real.GPUS, "setup": ["echo the profile was here"]}
        (self.folder / "site.yaml").write_text(yaml.safe_dump(site | changes))

    def config(self, launcher="auto", **changes):
        """One rank a node, on two nodes: every node lends its two cores to one rank."""
        base = {
            "size": {"n": [16]},
            "run": {"ranks": [2]},
            "measure": {"target_percent": 50, "max_s": 0.2},
            "limits": {"point_timeout_s": 600},
            "launch": {
                "device": "cpu",
                "launcher": launcher,
                "cores_per_rank": real.CORES,
                "wrapper": [self.wrapper],
            },
        }
        self.saih.write("toy.yaml", toy_config(**base | changes))

    def submit(self, *words):
        """Submit toy.yaml; returns the numbers of its jobs. They find ceilings, as the sweeps of other tests do."""
        if not self.saih.measure_ceilings:
            ceilings.seed(self.folder, self.folder / "toy.yaml")
        said = self.saih("submit", "toy.yaml", "--site", "site.yaml", *words).stdout
        return re.findall(r"^job (\d+):", said, re.MULTILINE)

    def records(self, run="toy"):
        """The records so far, by size."""
        return {r.point["size"]["n"]: r for r in records.read_all(self.folder / "runs" / run / "points")}

    def system(self, run="toy"):
        return json.loads((self.folder / "runs" / run / "system.json").read_text())

    def ranks(self):
        """What every rank's wrapper saw: (node, CUDA_VISIBLE_DEVICES)."""
        return {tuple(path.read_text().split()) for path in self.folder.glob("rank.*")}

    def logs(self):
        return "\n".join(path.read_text() for path in self.folder.glob("*.log"))


@pytest.fixture(scope="session")
def wrapper(tmp_path_factory):
    path = tmp_path_factory.mktemp("wrapper") / "wrapper.sh"
    path.write_text(
        '#!/bin/sh\necho "$SLURMD_NODENAME $CUDA_VISIBLE_DEVICES" > "rank.$SLURMD_NODENAME.$$"\nexec "$@"\n'
    )
    path.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def measured(cluster, wrapper, tmp_path_factory):
    """A finished sweep over two nodes; other tests go on from copies of it, whose ceilings are known."""
    login = Login(tmp_path_factory.mktemp("measured"), cluster, wrapper)
    login.config()
    login.saih.measure_ceilings = True
    (login.job,) = login.submit("--nodes", "2")
    cluster.wait_for(login.job, "COMPLETED", 120)
    return login


def emptied(cluster):
    cluster.run("scancel", "--user", "root")
    cluster.until(lambda: not cluster.run("squeue", "--noheader"), "an empty queue", 30)


@pytest.fixture
def login(tmp_path, cluster, wrapper):
    yield Login(tmp_path, cluster, wrapper)
    emptied(cluster)


@pytest.fixture
def copy(measured, tmp_path):
    """A copy of the finished sweep, to be gone on with."""
    shutil.copytree(measured.folder / "runs", tmp_path / "runs")
    yield Login(tmp_path, measured.cluster, measured.wrapper)
    emptied(measured.cluster)


@pytest.fixture
def more(copy):
    """The same with one more point, which hangs until the file ``mended`` is there."""
    copy.config(size={"n": [8]}, data={"faults": {"8": "hang"}})
    return copy
