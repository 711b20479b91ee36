import os
import subprocess
import sys
from pathlib import Path

import pytest

from saih import launch
from saih.config.schema import Launch
from saih.errors import InputError
from saih.launch.launchers import own_cores


def site_mpi(prefix: Path, says: str, library: str | None) -> Path:
    """A site's installation: an mpiexec that answers --version, and perhaps the library beside it."""
    (prefix / "bin").mkdir(parents=True)
    (prefix / "lib").mkdir()
    mpiexec = prefix / "bin" / "mpiexec"
    mpiexec.write_text(f"#!/bin/sh\necho '{says}'\n")
    mpiexec.chmod(0o755)
    if library:
        (prefix / "lib" / library).touch()
    return mpiexec


@pytest.fixture(autouse=True)
def outside_of_jobs(monkeypatch):
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def in_a_job(tmp_path, monkeypatch):
    """A job of three nodes, whose srun offers what real ones list."""
    tools = tmp_path / "slurm"
    tools.mkdir()
    srun = tools / "srun"
    srun.write_text("#!/bin/sh\necho 'MPI plugin types are...' >&2\nprintf '\\tnone\\n\\tpmi2\\n\\tpmix\\n' >&2\n")
    srun.chmod(0o755)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "3")
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    return str(srun)


def test_the_installed_mpi_is_used_where_none_is_loaded(monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.prefix, 'bin')}{os.pathsep}/nonexistent")
    found = launch.find(Launch())
    assert Path(found.program).parent == Path(sys.prefix, "bin")
    assert found.library is None
    assert subprocess.run([found.program, "--version"], check=False).returncode == 0


@pytest.mark.parametrize(
    ("says", "flavour", "arguments"),
    [
        ("HYDRA build details:", "mpich", ["-ppn", "3"]),
        ("mpiexec (Open MPI) 4.1.6", "openmpi", ["--bind-to", "none"]),
        ("mpiexec (OpenRTE) 4.1.4", "openmpi", ["--bind-to", "none"]),
        ("Intel(R) MPI Library for Linux* OS, Version 2021.11", "intel", ["-ppn", "3"]),
    ],
)
def test_a_loaded_site_mpi_comes_first(tmp_path, monkeypatch, says, flavour, arguments):
    mpiexec = site_mpi(tmp_path, says, "libmpi.so.40")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    found = launch.find(Launch())
    assert found.program == str(mpiexec)
    assert found.flavour == flavour
    assert found.environment()["MPI4PY_LIBMPI"] == str(tmp_path / "lib" / "libmpi.so.40")
    assert found.command(3, ["x"], ["numactl"]) == [str(mpiexec), *arguments, "-n", "3", "numactl", "x"]


def test_a_launcher_without_its_library_is_not_a_loaded_mpi(tmp_path, monkeypatch):
    site_mpi(tmp_path, "HYDRA", None)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert not launch.find(Launch()).program.startswith(str(tmp_path))


def test_a_configured_launcher_comes_before_all(tmp_path):
    mpiexec = site_mpi(tmp_path, "HYDRA", "libmpi.so.12")
    assert launch.find(Launch(mpiexec=str(mpiexec))).program == str(mpiexec)


def test_a_launcher_that_is_not_there_or_unknown_is_told(tmp_path):
    with pytest.raises(InputError, match=r"launch\.mpiexec = /none: is no program"):
        launch.find(Launch(mpiexec="/none"))
    odd = site_mpi(tmp_path, "quantum launcher 1.0", "libmpi.so")
    with pytest.raises(InputError, match="must be of MPICH, Open MPI or Intel MPI"):
        launch.find(Launch(mpiexec=str(odd)))


@pytest.mark.parametrize(("cores", "ranks", "each"), [(8, 2, 4), (8, 3, 2), (2, 2, 1), (7, 4, 1)])
def test_ranks_have_cores_of_their_own_and_equally_many(cores, ranks, each):
    parts = [own_cores(list(range(10, 10 + cores)), rank, each) for rank in range(ranks)]
    assert [len(part) for part in parts] == [each] * ranks
    assert len({core for part in parts for core in part}) == ranks * each


def test_more_ranks_than_cores_take_turns():
    assert [own_cores([4, 5], rank, 1) for rank in range(3)] == [[4], [5], [4]]


def test_in_a_job_mpich_starts_through_its_own_mpiexec_on_as_few_nodes_as_hold_the_ranks(in_a_job):
    found = launch.find(Launch()).filling(4)
    assert Path(found.program).name == "mpiexec"
    assert found.command(6, ["x"], [])[1:] == ["-ppn", "3", "-n", "6", "x"]
    assert found.command(3, ["x"], [])[1:] == ["-ppn", "3", "-n", "3", "x"]
    assert found.environment()["SLURM_CPU_BIND"] == "none"
    assert not found.ends_on_term


def test_in_a_job_open_mpi_starts_through_srun_and_pmix(in_a_job, tmp_path, monkeypatch):
    site_mpi(tmp_path / "ompi", "mpiexec (Open MPI) 5.0.3", "libmpi.so.40")
    monkeypatch.setenv("PATH", f"{tmp_path / 'ompi' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    found = launch.find(Launch()).filling(4)
    placed = ["--nodes=2", "--ntasks=6", "--ntasks-per-node=3"]
    ends = ["--cpu-bind=none", "--input=0", "--kill-on-bad-exit=1"]
    assert found.command(6, ["x"], ["w"]) == [in_a_job, "--mpi=pmix", *placed, *ends, "w", "x"]
    assert found.environment()["MPI4PY_LIBMPI"].endswith("libmpi.so.40")
    assert found.ends_on_term
    monkeypatch.setenv("SLURM_MPI_TYPE", "pmix_v4")  # srun reads it itself; an argument would override it
    assert "--mpi=pmix" not in launch.find(Launch()).command(1, ["x"], [])


def test_open_mpi_without_pmix_starts_through_its_own_mpiexec(in_a_job, tmp_path, monkeypatch):
    Path(in_a_job).write_text("#!/bin/sh\necho none pmi2\n")
    site_mpi(tmp_path / "ompi", "mpiexec (Open MPI) 5.0.3", "libmpi.so.40")
    monkeypatch.setenv("PATH", f"{tmp_path / 'ompi' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    words = launch.find(Launch()).filling(2).command(4, ["x"], [])
    assert words[1:] == ["--bind-to", "none", "--map-by", "ppr:2:node", "-n", "4", "x"]


def test_srun_is_taken_where_it_is_asked_for(in_a_job):
    found = launch.find(Launch(launcher="srun"))
    assert found.command(1, ["x"], [])[:2] == [in_a_job, "--mpi=pmi2"]


def test_srun_needs_a_job(tmp_path):
    with pytest.raises(InputError, match=r"launch\.launcher = srun: this is no Slurm job"):
        launch.find(Launch(launcher="srun"))


def test_mpiexec_is_taken_where_it_is_asked_for(in_a_job):
    assert Path(launch.find(Launch(launcher="mpiexec")).program).name == "mpiexec"


@pytest.mark.parametrize(
    ("machine", "cores_per_rank", "slots"),
    [
        ({"device_kind": "cuda", "devices": 4, "cores": 64}, 16, 4),
        ({"device_kind": "cpu", "devices": 64, "cores": 64}, 16, 4),
        ({"device_kind": "cpu", "devices": 2, "cores": 2}, 4, 0),
    ],
)
def test_a_nodes_slots_are_its_gpus_or_its_groups_of_cores(machine, cores_per_rank, slots):
    assert launch.slots_per_node(machine, cores_per_rank) == slots
