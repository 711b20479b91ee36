"""Steps under torch's profiler: one pass, and its trace.

torch.autograd.profiler is used directly: torch.profiler, which is built on it, would import a compiler first.
"""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.autograd import profiler
from torch.profiler import record_function

from saih.app import Work
from saih.measure.blocks import Ranks
from saih.profile import trace, tree
from saih.profile.layers import Layers, Seen

MOST_BYTES = 200 * 2**20
"""The longest trace that is read: a longer one would take half a minute and gigabytes."""


class Pass:
    """A pass of steps under the profiler; afterwards rank 0 has the `events` of its trace, or `why` there are none.

    `seconds`: the time of the steps.
    """

    def __init__(self, work: Work, ranks: Ranks, modules: Mapping[str, nn.Module]) -> None:
        self._work, self._ranks, self._layers = work, ranks, Layers(modules)
        self.events: list[trace.Event] = []
        self.trace_bytes, self.seconds = 0, 0.0
        self.why: str | None = None

    @property
    def seen(self) -> dict[str, Seen]:
        """The layers in the form in which the steps ran them."""
        return self._layers.seen

    def run(self, steps: int, step_s: float, keep: bool = True, before: int = 0) -> None:
        """Run `steps` of about `step_s` each on all ranks; `keep` False: the trace is made, but not read.

        `before`: the number of steps that run right before them, outside the result. Raises the errors of the steps.
        Errors of the profiler are kept in `why`, and the steps run all the same, since other ranks may wait for them.
        """
        self._ranks.progress("profiling", 0, 1, max(1.0, 4 * (before + steps + 1) * step_s))
        profiling = self._attempt(lambda: begin(self._ranks.device))
        try:
            if before:
                self._work.run(before)
            self._ranks.synchronise()
            self._ranks.barrier()
            start = time.perf_counter()
            with self._layers, record_function(tree.PASS):
                if steps:
                    self._work.run(steps)
                self._ranks.synchronise()
            self.seconds = time.perf_counter() - start
        finally:
            if profiling is not None:
                self._attempt(lambda: end(profiling))
        if profiling is not None and self.why is None and self._ranks.rank == 0:
            self._attempt(lambda: self._export(profiling, keep))

    def _export(self, profiling: profiler.profile, keep: bool) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "trace.json")
            profiling.export_chrome_trace(str(path))  # type: ignore[no-untyped-call]
            self.trace_bytes = path.stat().st_size
            if keep and self.trace_bytes > MOST_BYTES:
                self.why = f"the trace has {self.trace_bytes / 2**20:.0f} MiB, more than the {MOST_BYTES >> 20} to read"
            elif keep:
                self.events = trace.read(path)

    def _attempt(self, what: Callable[[], Any]) -> Any:
        """Run `what`; return its result, or None and keep the reason."""
        try:
            return what()
        except Exception as error:
            self.why = self.why or words(error)
            return None


def begin(device: str) -> profiler.profile:
    """Start a profiler and return it."""
    on_gpu = device.startswith("cuda")
    # without use_kineto a GPU's kernels are left out silently
    kind = "cuda" if on_gpu else None
    profiling = profiler.profile(use_cpu=True, use_device=kind, use_kineto=True, record_shapes=True)
    profiling.__enter__()  # type: ignore[no-untyped-call]
    return profiling


def end(profiling: profiler.profile) -> None:
    """End a profiler; its trace can be exported then."""
    profiling.__exit__(None, None, None)  # type: ignore[no-untyped-call]


@functools.cache
def event_cost_s() -> float:
    """Return the time that the profiler adds to an operation on the host; measured once a process."""
    x = torch.zeros(1)
    plain_s, profiled_s = _fastest_s(x), float("inf")
    profiling = begin("cpu")
    try:
        profiled_s = _fastest_s(x)
    finally:
        end(profiling)
    return max(0.0, profiled_s - plain_s)


def _fastest_s(x: torch.Tensor, calls: int = 200, repeats: int = 5) -> float:
    """Return the seconds of one call in the fastest repeat."""
    times_s = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            x.neg_()
        times_s.append((time.perf_counter() - start) / calls)
    return min(times_s)


def words(error: Exception) -> str:
    """Return an error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
