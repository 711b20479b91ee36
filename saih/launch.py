"""How ranks start: which MPI, and the command line for a number of ranks. Nothing is started here.

A site's MPI counts as loaded where its mpiexec is on PATH and its library lies beside it; ranks are then told to open
that library (MPI4PY_LIBMPI). Otherwise the MPI that was installed with SAIH is used. Where launcher and library do not
match, N jobs of one rank each start and succeed: every rank therefore compares the size it finds with what was asked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from saih.config import Launch
from saih.errors import InputError

FLAVOURS = {"HYDRA": "mpich", "Intel(R) MPI": "intel", "Open MPI": "openmpi", "OpenRTE": "openmpi", "PRTE": "openmpi"}
"""A word of `mpiexec --version` -> the flavour of MPI."""

_ARGUMENTS = {"mpich": [], "intel": [], "openmpi": ["--bind-to", "none"]}
"""Ranks choose their cores themselves, so that the binding is the same under every launcher."""


_RANK_COUNTS = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
"""Where MPICH's, Open MPI's and Slurm's launchers tell a process how many it is one of."""


@dataclass(frozen=True)
class Launcher:
    """An mpiexec, its flavour, and the MPI library to open (None: the one mpi4py finds)."""

    mpiexec: str
    flavour: str
    library: str | None

    def command(self, ranks: int, words: list[str], wrapper: list[str]) -> list[str]:
        """The command line that starts ``words`` on ``ranks`` ranks, each behind ``wrapper``."""
        return [self.mpiexec, *_ARGUMENTS[self.flavour], "-n", str(ranks), *wrapper, *words]

    def environment(self) -> dict[str, str]:
        """What the ranks' environment needs beyond the driver's own."""
        extra = {"MPI4PY_LIBMPI": self.library} if self.library else {}
        if self.flavour == "openmpi" and os.geteuid() == 0:  # the rule in containers, where there is only root
            extra |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        return extra


def refuse_ranks() -> None:
    """Raise InputError where the driver itself was started by an MPI launcher: it starts the ranks."""
    for variable in _RANK_COUNTS:
        count = os.environ.get(variable, "1")
        if count not in ("", "0", "1"):
            raise InputError(f"{variable} = {count}: saih sweep starts the ranks itself; run it once, not on ranks")


def find(launch: Launch) -> Launcher:
    """The launcher to use: the configured one, else the site's, else the installed one. Raises InputError."""
    if launch.mpiexec is not None:
        path = shutil.which(launch.mpiexec)
        if path is None:
            raise InputError(f"launch.mpiexec = {launch.mpiexec}: is no program that can be started")
        return Launcher(path, _flavour(path), _library(path))
    own_bin = Path(sys.prefix, "bin")
    site_path = os.pathsep.join(d for d in os.get_exec_path() if d and Path(d).resolve() != own_bin.resolve())
    site = shutil.which("mpiexec", path=site_path)
    if site and (library := _library(site)):
        return Launcher(site, _flavour(site), library)
    own = shutil.which("mpiexec", path=str(own_bin))
    if own is None:
        raise InputError("launch.mpiexec: no mpiexec found; load the site's MPI module or pip install 'saih[run]'")
    return Launcher(own, _flavour(own), None)


def own_cores(cores: list[int], rank: int, cores_per_rank: int) -> list[int]:
    """The cores of a host's ``rank``-th rank: neighbours, and no other's while there are enough for all."""
    start = rank * cores_per_rank % len(cores)
    return cores[start : start + cores_per_rank]


def _flavour(mpiexec: str) -> str:
    try:
        answer = subprocess.run([mpiexec, "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"launch.mpiexec = {mpiexec}: does not answer --version ({error})") from error
    for word, flavour in FLAVOURS.items():
        if word in answer:
            return flavour
    first = answer.strip().splitlines()[:1]
    raise InputError(f"launch.mpiexec = {mpiexec}: must be of MPICH, Open MPI or Intel MPI, but says {first}")


def _library(mpiexec: str) -> str | None:
    for prefix in (Path(mpiexec).parent.parent, Path(mpiexec).resolve().parent.parent):
        for pattern in ("lib*/libmpi.so*", "lib*/release/libmpi.so*", "lib/*-linux-gnu*/libmpi*.so*"):
            found = sorted(prefix.glob(pattern))
            if found:
                return str(found[0])
    return None
