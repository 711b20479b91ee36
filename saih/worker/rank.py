"""This rank with its device, among all of a worker group: what an application gets, and what measuring needs.

Each point finds the rank as the first did: random numbers seeded, memory given back, the peak forgotten.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from saih import emulate
from saih.common.host import affinity, limits
from saih.errors import InputError
from saih.interference.background_load import Background
from saih.profile.tree import REGION
from saih.telemetry.watch import Telemetry

if TYPE_CHECKING:
    from saih.worker.mpi import Communicator, World

GIB = 2**30
_UNMARKED = contextlib.nullcontext()
SIGN_S = 0.1
"""Signs of life are no closer together than this, unless something else begins."""


class Copy:
    """The context of an application: the ranks that work on one copy of the point, usually all."""

    def __init__(self, worker: Worker, ranks: Communicator) -> None:
        self.rank, self.size, self.device, self.seed = ranks.rank, ranks.size, worker.device, worker.seed
        self.broadcast, self.gather, self.progress = ranks.broadcast, ranks.gather, worker.progress
        self._mark: Callable[[str], contextlib.AbstractContextManager[object]] | None = None

    def region(self, name: str) -> contextlib.AbstractContextManager[object]:
        """Around a part of a step: marked in the trace of the profiled pass, nothing elsewhere."""
        return _UNMARKED if self._mark is None else self._mark(name)

    @contextlib.contextmanager
    def marked(self) -> Iterator[None]:
        """A context in which regions are marked."""
        from torch.profiler import record_function

        self._mark = lambda name: record_function(f"{REGION}{name}")
        try:
            yield
        finally:
            self._mark = None


class Worker:
    """This rank with its device, among all of the group: what measuring needs. `copy` is for the application."""

    def __init__(self, world: World, device: str, copies: int, answers: TextIO) -> None:
        import torch

        self._world = world
        self._answers = answers
        self.rank, self.size, self.seed = world.rank, world.size, 1
        self._told, self._told_s = "", 0.0
        self._emulated = emulate.label()
        on_gpu = torch.cuda.is_available() if device == "auto" else device == "cuda"
        if on_gpu and not torch.cuda.is_available():
            raise InputError("launch.device = cuda: torch sees no CUDA device here")
        self.device = f"cuda:{world.local_rank % torch.cuda.device_count()}" if on_gpu else "cpu"
        self._torch, self._cuda = torch, torch.cuda if on_gpu else None
        if self._cuda:
            self._cuda.set_device(self.device)
        torch.set_num_threads(len(world.cores))
        torch.ones(2**16).neg_()  # on all its threads: some OpenMP libraries bind the first one only now
        self._bound_to = affinity.restore(world.cores)
        self.broadcast, self.gather, self.barrier = world.broadcast, world.gather, world.barrier
        ranks = world.part(copies)
        ranks.start_torch_distributed("nccl" if on_gpu else "gloo")
        self.copy = Copy(self, ranks)
        self._data_bytes = _status_bytes("VmData")
        self._resident_bytes = _status_bytes("VmRSS")

    def synchronise(self) -> None:
        """Wait until the device has done all it was given."""
        if self._cuda:
            self._cuda.synchronize()

    def progress(self, what: str, done: float, total: float, block_s: float | None = None) -> None:
        """Pass on to the driver how far rank 0 is and, where it is known, how long the next such sign takes."""
        now = time.monotonic()
        if what == self._told and now - self._told_s < SIGN_S:
            return
        self._told, self._told_s = what, now
        self.answer({"progress": [what, done, total], "block_s": block_s})

    def answer(self, content: Mapping[str, Any]) -> None:
        """Send a line to the driver, from rank 0."""
        if self.rank == 0:
            self._answers.write(json.dumps(content, allow_nan=False) + "\n")
            self._answers.flush()

    def limit_memory(self, gib: float | None) -> None:
        """Let this rank have `gib` more than when it was ready: of its device, or of host memory."""
        if gib is None:
            return
        if self._cuda:
            total = self._cuda.get_device_properties(self.device).total_memory
            self._cuda.set_per_process_memory_fraction(min(1.0, gib * GIB / total), self.device)
            return
        limits.allow_data(self._data_bytes + int(gib * GIB))

    def lift_memory_limit(self) -> None:
        """Let this rank have all that it may have: what comes now is no part of the point."""
        if self._cuda:
            self._cuda.set_per_process_memory_fraction(1.0, self.device)
        else:
            limits.allow_data(None)

    def background(self, mb_s: float, paths: Sequence[str]) -> Background | None:
        """This host's share of reading `mb_s` over all hosts, on the host's first rank; None on the others."""
        world = self._world
        hosts = sum(self.gather(world.local_rank == 0))
        if not mb_s or world.local_rank:
            return None
        return Background(mb_s / hosts, paths, world.spare_cores or world.host_cores, not world.spare_cores)

    def telemetry(self) -> Telemetry:
        """Return the telemetry of this rank's device and, on a host's first rank, of the host."""
        here = socket.gethostname()
        told = self.gather((here, os.getpid(), self._world.cores))
        ranks = {pid: cores for host, pid, cores in told if host == here}
        return Telemetry(self.device, ranks, self._world.local_rank == 0)

    def begin_anew(self) -> None:
        """Leave no trace of the point before: give its memory back, forget the peak, seed torch's random numbers."""
        gc.collect()
        self._torch.manual_seed(self.seed)
        if self._cuda:
            self._cuda.empty_cache()
            self._cuda.reset_peak_memory_stats(self.device)
        else:
            _give_back_free_memory()
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
            self._resident_bytes = _status_bytes("VmRSS")

    def peak_memory_bytes(self) -> int:
        """The most this rank has held for this point: tensors on a device, or growth of the process."""
        if self._cuda:
            return int(self._cuda.max_memory_allocated(self.device))
        return max(0, _status_bytes("VmHWM") - self._resident_bytes)

    def whereabouts(self) -> dict[str, Any]:
        """Which host, device and cores this rank has, and under which disturbances it runs.

        `bound_to`: the cores to which OpenMP had bound its first thread; None where it had not.
        """
        found = getattr(self._cuda.get_device_properties(self.device), "uuid", None) if self._cuda else None
        uuid = None if found is None else f"GPU-{found}"
        own = {"host": socket.gethostname(), "device": self.device, "uuid": uuid, "cores": self._world.cores}
        return {**own, "bound_to": self._bound_to, "emulated": self._emulated}


def _give_back_free_memory() -> None:
    """Have the C library return what it keeps for later: malloc_trim(3), glibc only."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _status_bytes(key: str) -> int:
    """A figure of /proc/self/status, which counts in kB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))
