"""The cost of starting work on a device: an operation on one number, with negligible arithmetic and no other argument.

(Turning a Python number into an array costs a CPU more than the operation.)

Three ways: one after another without waiting (the host's launch rate: a step of n operations takes n of these at
least), one and a wait for it (a round trip), and many recorded once and replayed as a CUDA graph (the device's own time
from one to the next).
"""

from __future__ import annotations

from typing import Any

from saih.measure.blocks import Ranks
from saih.peaks.timing import repeats, shortest

GRAPH_NODES = 512
MOST_QUEUED = 1000
"""Fewer than the capacity of a device's queue, so that launching never waits for it."""
_METHOD = "an operation on one number, slowest rank, all ranks at once"
_ON_GPU = f": handed out without waiting; handed out and waited for; one of {GRAPH_NODES} in a CUDA graph"
_CPU = "the device is the host's own cores: nothing is launched"


def measure(ranks: Ranks, seconds_each: float) -> dict[str, Any]:
    """Measure launches; return {"launch_s", "round_trip_s", "graph_launch_s", "entries", "method"}.

    Times are seconds of one operation, the fastest repeat's. On CPUs "launch_s" is the cost of calling a tiny
    operation; the other two are None, and "why" has the reason.
    """
    import torch

    x = torch.zeros(1, device=ranks.device)

    def operation() -> None:
        x.neg_()

    ranks.progress("measuring launches", 0, 3)
    entries = [{"name": "operation", **shortest(repeats(operation, ranks, seconds_each, MOST_QUEUED))}]
    if not ranks.device.startswith("cuda"):
        return _found(entries) | {"why": _CPU}

    def round_trip() -> None:
        x.neg_()
        ranks.synchronise()

    ranks.progress("measuring launches", 1, 3)
    entries.append({"name": "round trip", **shortest(repeats(round_trip, ranks, seconds_each))})
    ranks.progress("measuring launches", 2, 3)
    graph = _graph(x)
    each_s = [seconds / GRAPH_NODES for seconds in repeats(graph.replay, ranks, seconds_each)]
    entries.append({"name": "in a graph", **shortest(each_s)})
    return _found(entries)


def _graph(x: Any) -> Any:
    import torch

    graph = torch.cuda.CUDAGraph()
    # thread_local: another thread, such as a communication library's, may still query the device
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        for _ in range(GRAPH_NODES):
            x.neg_()
    return graph


def _found(entries: list[dict[str, Any]]) -> dict[str, Any]:
    seconds = {entry["name"]: entry["seconds"] for entry in entries}
    return {
        "launch_s": seconds["operation"],
        "round_trip_s": seconds.get("round trip"),
        "graph_launch_s": seconds.get("in a graph"),
        "entries": entries,
        "method": _METHOD + (_ON_GPU if len(entries) > 1 else ""),
    }
