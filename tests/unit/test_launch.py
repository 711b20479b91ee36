import os
import subprocess
import sys
from pathlib import Path

import pytest

from saih import launch
from saih.config import Launch
from saih.errors import InputError
from saih.launch import own_cores


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


def test_the_installed_mpi_is_used_where_none_is_loaded(monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.prefix, 'bin')}{os.pathsep}/nonexistent")
    found = launch.find(Launch())
    assert Path(found.mpiexec).parent == Path(sys.prefix, "bin")
    assert found.library is None
    assert subprocess.run([found.mpiexec, "--version"], check=False).returncode == 0


@pytest.mark.parametrize(
    ("says", "flavour", "arguments"),
    [
        ("HYDRA build details:", "mpich", []),
        ("mpiexec (Open MPI) 4.1.6", "openmpi", ["--bind-to", "none"]),
        ("mpiexec (OpenRTE) 4.1.4", "openmpi", ["--bind-to", "none"]),
        ("Intel(R) MPI Library for Linux* OS, Version 2021.11", "intel", []),
    ],
)
def test_a_loaded_site_mpi_comes_first(tmp_path, monkeypatch, says, flavour, arguments):
    mpiexec = site_mpi(tmp_path, says, "libmpi.so.40")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    found = launch.find(Launch())
    assert found.mpiexec == str(mpiexec)
    assert found.flavour == flavour
    assert found.environment()["MPI4PY_LIBMPI"] == str(tmp_path / "lib" / "libmpi.so.40")
    assert found.command(3, ["x"], ["numactl"]) == [str(mpiexec), *arguments, "-n", "3", "numactl", "x"]


def test_a_launcher_without_its_library_is_not_a_loaded_mpi(tmp_path, monkeypatch):
    site_mpi(tmp_path, "HYDRA", None)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert not launch.find(Launch()).mpiexec.startswith(str(tmp_path))


def test_a_configured_launcher_comes_before_all(tmp_path):
    mpiexec = site_mpi(tmp_path, "HYDRA", "libmpi.so.12")
    assert launch.find(Launch(mpiexec=str(mpiexec))).mpiexec == str(mpiexec)


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
