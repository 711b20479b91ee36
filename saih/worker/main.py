"""One MPI rank of a worker group: takes requests, does them with the other ranks, answers through rank 0.

Requests are JSON lines on rank 0's stdin, each with "do": describe | prepare | peaks | ceiling | measure. An answer is
one JSON line on its stdout, after lines of progress and, before all else, one that says who and where each rank is:
protocol.py. Anything else that is printed goes to stderr. A rank that fails leaves its cause in a file and ends the
whole group: peers that wait in a collective operation could not be told otherwise. Where another had ended before it,
the launcher has the first word: that one was killed.

What a rank is to applications and to measuring: rank.py.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import queue
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from saih.app import Point
from saih.applications import load
from saih.common import environment
from saih.common.host import limits
from saih.errors import Kind
from saih.groups import failures, hangs, protocol
from saih.interference.background_load import Background
from saih.processes import die_with_parent, told_rank
from saih.records.record import write_json
from saih.telemetry.watch import Telemetry
from saih.worker import descendants
from saih.worker.leftovers import Before, Streams, together
from saih.worker.rank import Worker
from saih.worker.work_checks import CheckedWork, doubt_of

if TYPE_CHECKING:
    from saih.worker.mpi import World

FAULT_STATUS = 3
WAKE_S = 0.5
"""Time limit for a rank to be seen to end after others failed because of it."""
LAUNCHER_S = 5.0
"""Time limit for a launcher to report a killed rank and to end the others."""


def describe(worker: Worker, request: Mapping[str, Any]) -> dict[str, Any]:
    """The machine as this group sees it."""
    from saih.worker import machine
    from saih.worker.mpi import World

    return machine.describe(worker.device, World.library())


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
    from saih.worker import machine

    point = Point.from_dict(request["point"])
    worker.begin_anew()
    soaking = worker.telemetry() if request.get("soak_s") else None
    with worker.telemetry() as telemetry, soaking or contextlib.nullcontext():
        worker.limit_memory(request["memory_gib"])
        worker.progress("building", 0, 1)
        app = load(point.app)
        built = app.build(worker.copy, point)
        work = CheckedWork(built, point.app, point.run.batch, [each.name for each in app.metrics])
        try:
            samples = _timed(worker, work, telemetry, soaking, request, point.run.background_read_mb_s)
            worker.progress("checking", 0, 1)
            doubt = doubt_of(worker.gather((work.check(), work.phases)))
            peak = max(worker.gather(worker.peak_memory_bytes()))
            samples["profile"] = _profile(worker, work, point, request, samples)
            in_fp32 = point.run.precision == "fp32"
            arithmetic = _arithmetic(worker) if in_fp32 else {}
        finally:
            work.close()
    if in_fp32:
        samples["arithmetic"] = arithmetic or _arithmetic(worker)  # the point may have left no memory for it
    place = worker.whereabouts() | {"settings": _changed(machine.settings(worker.device), request.get("settings"))}
    own = place, environment.listed(environment.started_with())
    ranks = _placed(worker.gather(own), request.get("environment"))
    return {"samples": samples, "peak_mem_bytes": peak, "doubt": doubt, "ranks": ranks, "remarks": work.remarks}


def _changed(settings: Mapping[str, Any], sweeps: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings of this rank's host and GPU that are not as when the sweep looked at its machine."""
    known = {name: value for name, value in (sweeps or {}).items() if value is not None}
    return {name: value for name, value in settings.items() if name in known and value not in (None, known[name])}


def _placed(
    ranks: Sequence[tuple[dict[str, Any], dict[str, str]]], sweeps: Mapping[str, str] | None
) -> list[dict[str, Any]]:
    """Return the place of each rank, with the differences of its environment from the sweep's, or else from rank 0's.

    `sweeps`: listed variables that the sweep's first rank had; a sweep of an older version has not recorded them.
    """
    expected = ranks[0][1] if sweeps is None else sweeps
    return [place | {"environment": environment.differing(expected, own)} for place, own in ranks]


def _arithmetic(worker: Worker) -> dict[str, float]:
    """The largest error over ranks of each product in fp32, with torch's flags as they are now.

    Called before the application is closed, which may put flags back that it had set.
    """
    from saih.worker.arithmetic import errors

    worker.lift_memory_limit()
    try:
        own = errors(worker.device)
    except (RuntimeError, MemoryError):  # the point has all memory, and that is no fault of its arithmetic
        own = {}
    ranks = worker.gather(own)
    return {name: max(rank.get(name, 0.0) for rank in ranks) for name in dict.fromkeys(itertools.chain(*ranks))}


def _timed(
    worker: Worker,
    work: CheckedWork,
    telemetry: Telemetry,
    soaking: Telemetry | None,
    request: Mapping[str, Any],
    background_mb_s: float,
) -> dict[str, Any]:
    """The timed blocks, watched, beside the background reading that the point asks for; a soak has its own watch."""
    from saih.measure.blocks import measure

    with worker.background(background_mb_s, request["paths"]) or contextlib.nullcontext() as others:
        counted: list[Telemetry | Background] = [telemetry, others] if others else [telemetry]

        def begin() -> None:
            for each in counted:
                each.begin()

        def around(part: str) -> contextlib.AbstractContextManager[None]:
            return soaking.whole() if soaking and part == "soak" else telemetry.block(part)

        limits = request["target_percent"], request["max_s"]
        samples = measure(work, worker, *limits, begin, around, request.get("soak_s", 0.0))
        samples["telemetry"] = worker.gather(telemetry.end())
        if soaking:
            samples["soak"]["telemetry"] = worker.gather(soaking.read)
        samples["background"] = [each for each in worker.gather(others.end() if others else None) if each]
    return samples


def _profile(
    worker: Worker, work: CheckedWork, point: Point, request: Mapping[str, Any], samples: Mapping[str, Any]
) -> dict[str, Any]:
    """The profiled pass: last of all, so that neither times nor peak nor check know of it."""
    why_not = request.get("no_profile")
    if why_not:
        return {"why": {"profile": why_not}}
    from saih.profile.run import profile

    worker.lift_memory_limit()
    try:
        return profile(work, worker, worker.copy.marked, samples, point.run.execution == "plain")
    except Exception as error:
        error.add_note(failures.PROFILING)
        raise


_HANDLERS: dict[str, Callable[[Worker, Mapping[str, Any]], dict[str, Any]]] = {
    "describe": describe,
    "prepare": prepare,
    "peaks": peaks,
    "ceiling": ceiling,
    "measure": measure,
}


_OF_APPLICATIONS = (prepare, measure)


def serve(worker: Worker, request: Mapping[str, Any], streams: Streams) -> dict[str, Any]:
    """The answer to a request, with what the application left behind on any rank."""
    handle = _HANDLERS[request["do"]]
    if handle not in _OF_APPLICATIONS:
        return handle(worker, request)
    before = Before(streams)
    answer = handle(worker, request)
    worker.barrier()
    left = together(worker.gather(before.left()))
    return answer | {"remarks": answer.get("remarks", []) + left["remarks"], "fresh": left["fresh"]}


def main() -> None:
    """Serve requests until the end of file; never returns after a fault."""
    parser = argparse.ArgumentParser(prog="saih.worker.main")
    parser.add_argument("--ranks", type=int, required=True)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), required=True)
    parser.add_argument("--cores-per-rank", type=int, required=True)
    parser.add_argument("--copies", type=int, required=True)
    parser.add_argument("--faults", type=Path, required=True)
    arguments = parser.parse_args()
    die_with_parent()
    descendants.adopt_orphans()
    ours = descendants.known(descendants.all_now())  # what disturbs a rank on purpose was there before it
    limits.allow_many_files()
    os.write(2, protocol.begun(told_rank(os.environ), socket.gethostname(), os.getpid()).encode())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not mix with the answers
    requests = os.fdopen(os.dup(0), encoding="utf-8")  # an application may close standard input
    streams = Streams()
    world: World | None = None
    ranks: list[dict[str, Any]] = []
    try:
        from saih.worker.mpi import World  # late: MPI starts with it, and may wait for ranks that never come

        world = World(arguments.ranks, arguments.cores_per_rank)
        worker = Worker(world, arguments.device, arguments.copies, answers)
        ranks = world.gather(hangs.own())
        worker.answer({"ready": ranks})
        _serve(worker, world, requests, streams)
        descendants.end(ours, grace_s=0)
        world.finalise()
        with contextlib.suppress(ValueError):  # an application has closed it
            sys.stdout.flush()
        os._exit(0)  # what torch holds is not taken apart piece by piece, which takes half a second a group
    except BaseException as error:
        traceback.print_exc()
        failure = failures.of_exception(error)
        others = ranks[: world.rank] + ranks[world.rank + 1 :] if world else []
        if failure.kind is Kind.FAILED and hangs.one_has_ended(others, WAKE_S):
            time.sleep(LAUNCHER_S)
        rank = world.rank if world else 0
        failure = replace(failure, rank=rank, time=time.time())
        write_json(arguments.faults / f"rank{rank}.json", failures.to_dict(failure), False)
        descendants.end(ours, grace_s=0)
        if world:
            world.abort(FAULT_STATUS)
        os._exit(FAULT_STATUS)


def _serve(worker: Worker, world: World, lines: TextIO, streams: Streams) -> None:
    import torch.distributed as dist

    requests = _read_requests(lines) if world.rank == 0 else None
    while True:
        request = world.broadcast(requests.get() if requests else None)
        if request is None:
            break
        worker.answer(protocol.answer(request["do"], serve(worker, request, streams)))
    dist.destroy_process_group()


def _read_requests(lines: TextIO) -> queue.Queue[dict[str, Any] | None]:
    """Rank 0's requests; None at the end of file. Should the driver vanish while work is on, the group ends at once."""
    requests: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def read() -> None:
        for line in lines:
            requests.put(json.loads(line))
        requests.put(None)
        time.sleep(10)  # long enough for an idle group to end in order
        os._exit(FAULT_STATUS)

    threading.Thread(target=read, daemon=True).start()
    return requests


if __name__ == "__main__":
    main()
