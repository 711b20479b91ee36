"""Open MPI started by srun: its ranks find one another through PMIx, which Slurm speaks where its library is there."""

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.mpi]


@pytest.fixture
def openmpi(cluster):
    """Its mpiexec under Debian's name, where this Slurm has PMIx."""
    path = shutil.which("mpiexec.openmpi")
    if path is None:
        pytest.skip("needs Open MPI: there is no mpiexec.openmpi (Debian: openmpi-bin)")
    words = ["srun", "--mpi=pmix", "--nodes=1", "--ntasks=1", "true"]
    done = subprocess.run(words, env=cluster.env, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:  # Debian's Slurm opens pmix2/lib/libpmix.so, which only the development package brings
        pytest.skip(f"needs Slurm with PMIx (Debian: libpmix-dev): {done.stderr.splitlines()[:1]}")
    return path


def test_a_sweep_over_two_nodes_starts_through_pmix(login, cluster, openmpi):
    login.config("srun", launch={
        "device": "cpu", "launcher": "srun", "mpiexec": openmpi, "cores_per_rank": 2, "wrapper": [login.wrapper],
    })  # fmt: skip
    (job,) = login.submit("--nodes", "2")
    cluster.wait_for(job, "COMPLETED", 120)
    assert login.records()[16].status == "ok"
    assert len(login.records()[16].system["ranks"]) == 2
    assert {node for node, _ in login.ranks()} == {"n1", "n2"}
    system = login.system()
    assert (Path(system["launcher"]["program"]).name, system["launcher"]["flavour"]) == ("srun", "openmpi")
    assert system["software"]["mpi"].startswith("Open MPI")
