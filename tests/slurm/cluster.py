"""A real Slurm on this host: munge, slurmctld, and a slurmd for every node it pretends to have.

Every daemon runs in the foreground as a child of the tests, with its files, keys and ports in one folder, so that
nothing of the host's own Slurm is touched and nothing stays. GPUs are device files that nobody opens (/dev/null's
numbers): enough for Slurm to hand them out and set CUDA_VISIBLE_DEVICES. No cgroups and no binding: the pretended cores
are more than the host has.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from saih.processes import die_with_parent

DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
CORES, GPUS = 2, 2  # of a node

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=6
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool-%n
TmpFS={folder}/tmp-%n
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
GresTypes=gpu
MpiDefault=none
ReturnToService=2
KillWait=5
JobRequeue=1
SlurmctldTimeout=30
SlurmdTimeout=30
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
"""


def missing() -> str | None:
    """Why no Slurm can be started here; None where one can."""
    if os.geteuid() != 0:
        return "needs root to start Slurm's daemons"
    absent = [name for name in (*DAEMONS, *CLIENTS) if not shutil.which(name, path=SYSTEM_PATH)]
    return f"needs {', '.join(absent)} (Debian: slurmctld slurmd slurm-client munge)" if absent else None


class Cluster:
    """A running Slurm of ``nodes`` nodes n1, n2, ..., each with CORES cores and GPUS GPUs."""

    def __init__(self, folder: Path, nodes: int = 2) -> None:
        self.folder = folder
        self.names = [f"n{i + 1}" for i in range(nodes)]
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._write_configuration()
        # an environment without traces of an allocation that the tests themselves may run in
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "SBATCH_"))}
        self.env = clean | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": SYSTEM_PATH}

    def start(self) -> None:
        """Start every daemon and wait until all nodes are idle."""
        munge = ["--socket", "munge.socket", "--key-file", "munge.key", "--pid-file", "munged.pid"]
        munge += ["--seed-file", "munge.seed", "--log-file", "munge.log"]
        absolute = [word if word.startswith("--") else str(self.folder / word) for word in munge]
        self._daemon("munged", "--foreground", "--force", *absolute)
        self.until(lambda: (self.folder / "munge.socket").exists(), "munge's socket", 10)
        self._daemon("slurmctld", "-D", "-i")
        for name in self.names:
            self.start_node(name)
        self.until(lambda: self.states() == dict.fromkeys(self.names, "idle"), "idle nodes", 30)

    def start_node(self, name: str) -> None:
        """Start a node's slurmd."""
        self._daemon("slurmd", "-D", "-N", name, key=name)  # ReturnToService: it is back once it has registered

    def fail(self, name: str) -> None:
        """Have a node fail: its slurmd is killed, and the controller told at once what it would find out in time."""
        self._daemons[name].kill()
        self._daemons[name].wait()
        self.run("scontrol", "update", f"nodename={name}", "state=down", "reason=killed by a test")

    def stop(self) -> None:
        """End all jobs, then all daemons."""
        with contextlib.suppress(subprocess.SubprocessError, AssertionError):
            self.run("scancel", "--user", "root")
            self.until(lambda: not self.run("squeue", "--noheader", "--states", "R,CG"), "an empty queue", 10)
        for process in reversed(self._daemons.values()):
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()

    def run(self, *words: str, cwd: Path | None = None) -> str:
        """What one of Slurm's commands prints; it must succeed."""
        done = subprocess.run(words, env=self.env, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def states(self) -> dict[str, str]:
        """Each node's state, as sinfo names it."""
        lines = self.run("sinfo", "--noheader", "--Node", "--format", "%N %t").splitlines()
        return dict(line.split() for line in lines)

    def job(self, job: str) -> dict[str, str]:
        """What the controller knows of a job (of an array's task: <job>_<index>)."""
        shown = self.run("scontrol", "--oneliner", "show", "job", job)
        return dict(word.partition("=")[::2] for word in shown.split() if "=" in word)

    def wait_for(self, job: str, state: str, timeout_s: float = 60.0) -> dict[str, str]:
        """The job once it is in ``state``."""
        self.until(lambda: self.job(job)["JobState"] == state, lambda: f"{job} {state}: {self.job(job)}", timeout_s)
        return self.job(job)

    def until(self, true: Callable[[], object], what: str | Callable[[], str], timeout_s: float = 60.0) -> None:
        """Return once ``true`` holds; AssertionError names ``what`` did not come about."""
        deadline = time.monotonic() + timeout_s
        while not true():
            assert time.monotonic() < deadline, f"no {what if isinstance(what, str) else what()}; {self._logs()}"
            time.sleep(0.1)

    def _daemon(self, program: str, *words: str, key: str | None = None) -> None:
        path = shutil.which(program, path=SYSTEM_PATH)
        assert path
        with open(self.folder / f"{key or program}.log", "ab") as log:
            self._daemons[key or program] = subprocess.Popen(
                [path, *words],
                env=self.env,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=die_with_parent,  # should the tests be killed, nothing stays
            )

    def _logs(self) -> str:
        return "\n".join(p.read_text(errors="replace")[-1500:] for p in sorted(self.folder.glob("*.log")))

    def _write_configuration(self) -> None:
        host = socket.gethostname().split(".")[0]
        controller_port, *ports = free_ports(1 + len(self.names))
        lines = [CONFIGURATION.format(host=host, controller_port=controller_port, folder=self.folder)]
        for name, port in zip(self.names, ports, strict=True):
            (self.folder / f"tmp-{name}").mkdir()
            (self.folder / f"spool-{name}").mkdir()
            lines.append(
                f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={CORES} Boards=1 "
                f"SocketsPerBoard=1 CoresPerSocket={CORES} ThreadsPerCore=1 Gres=gpu:{GPUS} State=UNKNOWN\n"
            )
        lines.append("PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=10 OverSubscribe=NO\n")
        (self.folder / "state").mkdir()
        (self.folder / "slurm.conf").write_text("".join(lines))
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        for i in range(GPUS):
            os.mknod(self.folder / f"gpu{i}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        files = f"{self.folder}/gpu[0-{GPUS - 1}]"
        (self.folder / "gres.conf").write_text(f"NodeName={','.join(self.names)} Name=gpu File={files}\n")
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
