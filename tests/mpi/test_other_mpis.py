"""The MPIs that SAIH does not bring along, where they are installed: a sweep of two ranks, one of which is killed."""

import os
import shutil
from pathlib import Path

import pytest

from saih import records
from saih.config.schema import Launch
from saih.launch.launchers import find
from tests.conftest import toy_config

pytestmark = [pytest.mark.mpi, pytest.mark.timeout(600)]


def intel():
    """Intel MPI's mpiexec: its own scripts set I_MPI_ROOT."""
    root = os.environ.get("I_MPI_ROOT")
    path = Path(root, "bin", "mpiexec") if root else None
    return str(path) if path and path.exists() else None


def openmpi():
    """Debian's name, which is there whatever mpiexec means."""
    return shutil.which("mpiexec.openmpi")


WHERE = {
    "intel": (intel, "needs Intel MPI: I_MPI_ROOT names no folder with bin/mpiexec"),
    "openmpi": (openmpi, "needs Open MPI: there is no mpiexec.openmpi (Debian: openmpi-bin)"),
}


@pytest.mark.parametrize("flavour", WHERE)
def test_a_sweep_of_two_ranks_and_the_one_that_is_killed(saih, flavour):
    look, why_not = WHERE[flavour]
    mpiexec = look()
    if mpiexec is None:
        pytest.skip(why_not)
    launch = {"device": "cpu", "mpiexec": mpiexec, "cores_per_rank": 1}
    assert find(Launch(**launch)).flavour == flavour
    saih.write(
        "toy.yaml", toy_config(size={"n": [8, 10]}, run={"ranks": 2}, launch=launch, data={"faults": {"10": "kill"}})
    )
    saih("sweep", "toy.yaml", status=1)
    found = {r.point["size"]["n"]: r for r in records.read_all(saih.folder / "runs" / "toy" / "points")}
    assert found[8].status == "ok"
    assert [len(rank["cores"]) for rank in found[8].system["ranks"]] == [1, 1]
    assert found[10].status == "failed"
    assert found[10].error["rank"] == 1
    assert found[10].error["message"].startswith("rank 1 (process ")
    assert ") was killed by signal 9 (Killed)" in found[10].error["message"]
    system = records.read_json(saih.folder / "runs" / "toy" / "system.json")
    assert system["launcher"] == {"program": mpiexec, "flavour": flavour}
