"""One MPI rank of a worker group: takes requests, does them with the other ranks, answers through rank 0.

Requests are JSON lines on rank 0's stdin, each with "do": describe | prepare | peaks | ceiling | measure. An answer is
one JSON line on its stdout; before it may come lines {"progress": [what, done, total], "block_s": how long until the
next, or null}, and before all else {"ready": [who and where each rank is]}. Anything else that is printed goes to
stderr. A rank that fails leaves its cause in a file and ends the whole group: peers that wait in a collective operation
could not be told otherwise.

A group serves point after point; each finds the ranks as the first did: random numbers seeded, memory given back.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import os
import queue
import resource
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from saih import emulate, watch
from saih.app import Point, Work, load
from saih.background import Background
from saih.errors import InputError
from saih.mpi import Communicator, World
from saih.process import die_with_parent
from saih.records import write_json
from saih.telemetry.watch import Telemetry

GIB = 2**30
FAULT_STATUS = 3
SIGN_S = 0.1
"""Signs of life are no closer together than this, unless something else begins."""
_NO_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc", "Cannot allocate memory")


class Copy:
    """What an application gets: the ranks that work on one copy of the point, all of the group's as a rule."""

    def __init__(self, worker: Worker, ranks: Communicator) -> None:
        self.rank, self.size, self.device, self.seed = ranks.rank, ranks.size, worker.device, worker.seed
        self.broadcast, self.gather, self.progress = ranks.broadcast, ranks.gather, worker.progress


class Worker:
    """This rank with its device, among all of the group: what measuring needs. ``copy`` is for the application."""

    def __init__(self, world: World, device: str, copies: int, answers: TextIO) -> None:
        import torch

        self._world = world
        self._answers = answers
        self.rank, self.size, self.seed = world.rank, world.size, 1
        self._told, self._told_s = "", 0.0
        on_gpu = torch.cuda.is_available() if device == "auto" else device == "cuda"
        if on_gpu and not torch.cuda.is_available():
            raise InputError("launch.device = cuda: torch sees no CUDA device here")
        self.device = f"cuda:{world.local_rank % torch.cuda.device_count()}" if on_gpu else "cpu"
        self._torch, self._cuda = torch, torch.cuda if on_gpu else None
        if self._cuda:
            self._cuda.set_device(self.device)
        torch.set_num_threads(len(world.cores))
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
        """Let this rank have ``gib`` more than when it was ready: of its device, or of host memory."""
        if gib is None:
            return
        if self._cuda:
            total = self._cuda.get_device_properties(self.device).total_memory
            self._cuda.set_per_process_memory_fraction(min(1.0, gib * GIB / total), self.device)
            return
        resource.setrlimit(resource.RLIMIT_DATA, (self._data_bytes + int(gib * GIB), resource.RLIM_INFINITY))

    def background(self, mb_s: float, paths: Sequence[str]) -> Background | None:
        """This host's share of reading ``mb_s`` over all hosts, on the host's first rank; None on the others."""
        world = self._world
        hosts = sum(self.gather(world.local_rank == 0))
        if not mb_s or world.local_rank:
            return None
        return Background(mb_s / hosts, paths, world.spare_cores or world.host_cores, not world.spare_cores)

    def telemetry(self) -> Telemetry:
        """What watches this rank's device and, on a host's first rank, the host."""
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
        """Which host, device and cores this rank has, and under which disturbances it runs."""
        uuid = f"GPU-{self._cuda.get_device_properties(self.device).uuid}" if self._cuda else None
        own = {"host": socket.gethostname(), "device": self.device, "uuid": uuid, "cores": self._world.cores}
        return {**own, "emulated": emulate.label()}


def describe(worker: Worker, request: Mapping[str, Any]) -> dict[str, Any]:
    """The machine as this group sees it."""
    from saih import system

    return system.describe(worker.device, World.library())


def prepare(worker: Worker, request: Mapping[str, Any]) -> dict[str, Any]:
    """Have the application make or check the input of points."""
    points = [Point.from_dict(raw) for raw in request["points"]]
    return {"data": load(request["app"]).prepare(worker.copy, points)}


def peaks(worker: Worker, request: Mapping[str, Any]) -> dict[str, Any]:
    """The ceiling in one precision while all ranks run."""
    from saih import peaks

    return {"ranks": worker.size, **peaks.measure(worker, request["precision"], request["seconds_each"])}


def ceiling(worker: Worker, request: Mapping[str, Any]) -> dict[str, Any]:
    """One of the other ceilings while all ranks run: memory, copies, launches, allreduce or storage."""
    from saih import peaks

    return peaks.ceiling(worker, request["part"], request)


def measure(worker: Worker, request: Mapping[str, Any]) -> dict[str, Any]:
    """One point: build it, time it, ask whether it can be believed."""
    point = Point.from_dict(request["point"])
    worker.begin_anew()
    with worker.telemetry() as telemetry:
        worker.limit_memory(request["memory_gib"])
        worker.progress("building", 0, 1)
        work = load(point.app).build(worker.copy, point)
        try:
            samples = _timed(worker, work, telemetry, request, point.run.background_read_mb_s)
            worker.progress("checking", 0, 1)
            doubts = [doubt for doubt in worker.gather(work.check()) if doubt]
            peak = max(worker.gather(worker.peak_memory_bytes()))
        finally:
            work.close()
    doubt = doubts[0] if doubts else None
    ranks = worker.gather(worker.whereabouts())
    return {"samples": samples, "peak_mem_bytes": peak, "doubt": doubt, "ranks": ranks}


def _timed(
    worker: Worker, work: Work, telemetry: Telemetry, request: Mapping[str, Any], background_mb_s: float
) -> dict[str, Any]:
    """The timed blocks, watched, and beside the background reading that the point asks for."""
    from saih.measure import measure

    with worker.background(background_mb_s, request["paths"]) or contextlib.nullcontext() as others:
        counted: list[Telemetry | Background] = [telemetry, others] if others else [telemetry]

        def begin() -> None:
            for each in counted:
                each.begin()

        samples = measure(work, worker, request["target_percent"], request["max_s"], begin, telemetry.block)
        samples["telemetry"] = worker.gather(telemetry.end())
        samples["background"] = [each for each in worker.gather(others.end() if others else None) if each]
    return samples


_HANDLERS: dict[str, Callable[[Worker, Mapping[str, Any]], dict[str, Any]]] = {
    "describe": describe,
    "prepare": prepare,
    "peaks": peaks,
    "ceiling": ceiling,
    "measure": measure,
}


def main() -> None:
    """Serve requests until the end of file; never returns after a fault."""
    parser = argparse.ArgumentParser(prog="saih.worker")
    parser.add_argument("--ranks", type=int, required=True)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), required=True)
    parser.add_argument("--cores-per-rank", type=int, required=True)
    parser.add_argument("--copies", type=int, required=True)
    parser.add_argument("--faults", type=Path, required=True)
    arguments = parser.parse_args()
    die_with_parent()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not mix with the answers
    world: World | None = None
    try:
        world = World(arguments.ranks, arguments.cores_per_rank)
        _serve(Worker(world, arguments.device, arguments.copies, answers), world)
    except BaseException as error:
        traceback.print_exc()
        rank = world.rank if world else 0
        write_json(arguments.faults / f"rank{rank}.json", fault(error) | {"rank": rank, "time": time.time()})
        if world:
            world.abort(FAULT_STATUS)
        os._exit(FAULT_STATUS)


def _serve(worker: Worker, world: World) -> None:
    import torch.distributed as dist

    worker.answer({"ready": world.gather(watch.own())})
    requests = _read_requests() if world.rank == 0 else None
    while True:
        request = world.broadcast(requests.get() if requests else None)
        if request is None:
            break
        worker.answer(_HANDLERS[request["do"]](worker, request))
    dist.destroy_process_group()


def fault(error: BaseException) -> dict[str, Any]:
    """{"kind": input | oom | failed, "message"} of what ended a rank."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        return {"kind": "input", "message": text}
    if isinstance(error, MemoryError) or any(words in text for words in _NO_MEMORY):
        return {"kind": "oom", "message": text[:500] or "no memory left"}
    return {"kind": "failed", "message": f"{type(error).__name__}: {text[:500]}"}


def _read_requests() -> queue.Queue[dict[str, Any] | None]:
    """Rank 0's requests; None at the end of file. Should the driver vanish while work is on, the group ends at once."""
    requests: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            requests.put(json.loads(line))
        requests.put(None)
        time.sleep(10)  # long enough for an idle group to end in order
        os._exit(FAULT_STATUS)

    threading.Thread(target=read, daemon=True).start()
    return requests


def _give_back_free_memory() -> None:
    """Have the C library return what it keeps for later: malloc_trim(3), glibc only."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _status_bytes(key: str) -> int:
    """A figure of /proc/self/status, which counts in kB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


if __name__ == "__main__":
    main()
