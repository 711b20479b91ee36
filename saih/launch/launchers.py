"""MPI launchers and their command lines. Nothing is started here.

A site's MPI counts as loaded where its mpiexec is on PATH and its library lies beside it; ranks are then told to open
that library (MPI4PY_LIBMPI). Otherwise the MPI that was installed with SAIH is used. Where launcher and library do not
match, N jobs of one rank each start and succeed: every rank therefore compares the size it finds with what was asked.

Inside a Slurm job, `launch.launcher: auto` means:

    MPICH, Intel MPI    their own mpiexec, which finds the job's nodes and starts its daemons there through srun
    Open MPI            srun --mpi=pmix, where this Slurm offers it; else its own mpiexec
    no mpiexec at all   srun with the site's default, as where the vendor's MPI has no launcher of its own

and `srun` means srun in any case. SLURM_MPI_TYPE, Slurm's own variable, sets the kind of start-up by hand.
Ranks fill as few nodes as hold them, evenly. They see all GPUs of their node and each takes the one of its number
there: two processes that see only one device each could not copy to each other's directly.

Another batch system is one more function of (ranks, nodes, ranks a node) that returns words: docs/slurm.md.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from saih import processes
from saih.config.schema import Launch
from saih.errors import InputError
from saih.launch import slurm
from saih.paths import expanded
from saih.processes import SIZE_VARIABLES

FLAVOURS = {"HYDRA": "mpich", "Intel(R) MPI": "intel", "Open MPI": "openmpi", "OpenRTE": "openmpi", "PRTE": "openmpi"}
"""A word of `mpiexec --version` -> the flavour of MPI."""

UNKNOWN = "unknown"
START_UP = {"mpich": "pmi2", "intel": "pmi2", "openmpi": "pmix"}
"""How a library of this flavour learns who its ranks are, where srun starts them. Others: Slurm's default."""

Arguments = Callable[[int, int, int], list[str]]
"""(ranks, nodes they lie on, most ranks on one) -> a launcher's arguments."""


@dataclass(frozen=True)
class Launcher:
    """A program that starts ranks, the flavour of MPI, and the MPI library to open (None: the one mpi4py finds).

    `per_node`: the most ranks a node takes. It is unknown (None) until one rank has looked at the machine.
    `ends_on_term`: it must be asked to end its ranks; killed itself, srun leaves them running and their cores taken.
    """

    program: str
    flavour: str
    library: str | None
    arguments: Arguments
    allocation: slurm.Allocation = field(default_factory=slurm.Allocation)
    per_node: int | None = None
    ends_on_term: bool = False

    def filling(self, per_node: int) -> Launcher:
        """The same launcher, told how many ranks a node takes."""
        return replace(self, per_node=per_node)

    def command(self, ranks: int, words: list[str], wrapper: list[str]) -> list[str]:
        """The command line that starts `words` on `ranks` ranks, each behind `wrapper`."""
        nodes, each = slurm.spread(ranks, self.per_node or ranks, self.allocation.nodes)
        return [self.program, *self.arguments(ranks, nodes, each), *wrapper, *words]

    def whole_environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The environment that the launcher is started with, where the driver's own is `given`."""
        dropped = slurm.contradictory(given) if self.allocation.job else ()
        return {name: value for name, value in given.items() if name not in dropped} | self.environment()

    def environment(self) -> dict[str, str]:
        """Return the variables that ranks need besides the driver's own."""
        extra = {"MPI4PY_LIBMPI": self.library} if self.library else {}
        if self.allocation.job:  # a launcher's daemons are a step of their own, whose cores their ranks inherit
            extra |= {"SLURM_CPU_BIND": "none", "I_MPI_JOB_RESPECT_PROCESS_PLACEMENT": "0"}
        if self.flavour == "intel":
            extra["I_MPI_PIN"] = "off"  # ranks choose their cores themselves, as under the other launchers
        if self.flavour == "openmpi" and os.geteuid() == 0:  # the rule in containers, where there is only root
            extra |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        return extra


def hydra(ranks: int, nodes: int, per_node: int) -> list[str]:
    """MPICH's and Intel MPI's mpiexec. Where ranks are few, -ppn keeps them on the first node."""
    return ["-ppn", str(per_node), "-n", str(ranks)]


def openmpi(ranks: int, nodes: int, per_node: int) -> list[str]:
    """Open MPI's mpiexec. Ranks choose their cores themselves, so that the binding is the same under every launcher."""
    placed = ["--map-by", f"ppr:{per_node}:node"] if nodes > 1 else []
    return ["--bind-to", "none", *placed, "-n", str(ranks)]


def srun(mpi_type: str | None, ranks: int, nodes: int, per_node: int) -> list[str]:
    """Slurm's own launcher; standard input is rank 0's, and a rank that ends badly ends the step."""
    start_up = [f"--mpi={mpi_type}"] if mpi_type else []
    placed = [f"--nodes={nodes}", f"--ntasks={ranks}", f"--ntasks-per-node={per_node}"]
    return [*start_up, *placed, "--cpu-bind=none", "--input=0", "--kill-on-bad-exit=1"]


_MPIEXEC: dict[str, Arguments] = {"mpich": hydra, "intel": hydra, "openmpi": openmpi}


def slots_per_node(machine: Mapping[str, Any], cores_per_rank: int) -> int:
    """Return the devices of a node: its GPUs, or as many groups of cores as fit."""
    return int(machine["devices"] if machine["device_kind"] == "cuda" else machine["cores"] // cores_per_rank)


def refuse_ranks(words: Sequence[str]) -> None:
    """Raise InputError where the driver itself was started by an MPI launcher, or by srun: it starts the ranks.

    Within a step of Slurm it could not even do so, since the step has the cores. `words`: the command as given. Of
    many ranks the first speaks for all; the others end without a word.
    """
    why = next((f"{name} = {os.environ[name]}" for name in SIZE_VARIABLES if _counts_several(name)), None)
    if why is None and (step := slurm.step(os.environ)):
        why = f"SLURM_STEP_ID = {step}: this is a step of a job, started by srun"
    if why is None:
        return
    if processes.place(os.environ)[0]:
        raise SystemExit(2)
    instead = shlex.join(["saih", *words])
    raise InputError(f"{why}: saih starts the ranks itself; run it once and without a launcher: {instead}")


def _counts_several(variable: str) -> bool:
    return os.environ.get(variable, "") not in ("", "0", "1")


def find(launch: Launch) -> Launcher:
    """The launcher to use: the configured one, else what suits the MPI at hand (see above). Raises InputError."""
    allocation = slurm.allocation(os.environ)
    kind: str = launch.launcher
    by_srun = kind == "srun" or (kind == "auto" and launch.mpiexec is None and bool(allocation.job))
    program = shutil.which("srun") if by_srun else None
    if kind == "srun" and not (program and allocation.job):
        lack = "srun is not on PATH" if allocation.job else "this is no Slurm job (SLURM_JOB_ID is not set)"
        raise InputError(f"launch.launcher = srun: {lack}; use auto, or start with saih submit, sbatch or salloc")
    found = _mpiexec(launch.mpiexec)
    if program and (found is None or kind == "srun" or _srun_suits(program, found.flavour)):
        return _by_srun(program, found, allocation)
    if found is None:
        raise InputError("launch.mpiexec: no mpiexec found; load the site's MPI module or pip install 'saih[run]'")
    return replace(found, allocation=allocation)


def _srun_suits(program: str, flavour: str) -> bool:
    """Return True if srun should start this MPI by default: Open MPI, whose mpiexec may not know Slurm."""
    return flavour == "openmpi" and START_UP[flavour] in slurm.mpi_types(program)


def _by_srun(program: str, mpi: Launcher | None, allocation: slurm.Allocation) -> Launcher:
    """srun for the MPI whose mpiexec was found, with its own way of starting up where Slurm offers that."""
    flavour, library = (mpi.flavour, mpi.library) if mpi else (UNKNOWN, None)
    wanted = None if os.environ.get("SLURM_MPI_TYPE") else START_UP.get(flavour)
    mpi_type = wanted if wanted in slurm.mpi_types(program) else None
    return Launcher(program, flavour, library, partial(srun, mpi_type), allocation, ends_on_term=True)


def _mpiexec(configured: str | None) -> Launcher | None:
    """The configured mpiexec, else the site's, else the installed one, else None. Raises InputError."""
    if configured is not None:
        meant = expanded("launch.mpiexec", configured)
        path = shutil.which(configured if meant == Path(configured) else str(meant))  # ./mpiexec is not mpiexec
        if path is None:
            raise InputError(f"launch.mpiexec = {configured}: is no program that can be started")
        return _of(path, _library(path))
    own_bin = Path(sys.prefix, "bin")
    site_path = os.pathsep.join(d for d in os.get_exec_path() if d and Path(d).resolve() != own_bin.resolve())
    site = shutil.which("mpiexec", path=site_path)
    if site and (library := _library(site)):
        return _of(site, library)
    own = shutil.which("mpiexec", path=str(own_bin))
    return _of(own, None) if own else None


def _of(mpiexec: str, library: str | None) -> Launcher:
    flavour = _flavour(mpiexec)
    return Launcher(mpiexec, flavour, library, _MPIEXEC[flavour])


def own_cores(cores: list[int], rank: int, cores_per_rank: int) -> list[int]:
    """The cores of a host's `rank`-th rank: neighbours, and no other's while there are enough for all."""
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
