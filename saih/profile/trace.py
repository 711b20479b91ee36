"""A trace as exported by torch.profiler (the chrome trace format, JSON), read back as plain events.

The file is the profiler's public form; the objects in memory lack the types of inputs. Times are microseconds there and
seconds here. Used are complete events ("ph": "X") with "cat", "name", "tid", "ts", "dur" and "args".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OPERATION, ANNOTATION = "cpu_op", "user_annotation"
CALLS = ("cuda_runtime", "cuda_driver", "hip_runtime")
KERNEL, COPY, SET = "kernel", "gpu_memcpy", "gpu_memset"
_KINDS = (OPERATION, ANNOTATION, *CALLS, KERNEL, COPY, SET)


@dataclass(frozen=True, slots=True)
class Event:
    """An event with a duration: `kind` is the profiler's category; on `thread` of the host or a stream."""

    kind: str
    name: str
    thread: Any
    begin_s: float
    end_s: float
    args: Mapping[str, Any]

    @property
    def interval(self) -> tuple[float, float]:
        """The begin and the end."""
        return self.begin_s, self.end_s


def events_of(content: Mapping[str, Any]) -> list[Event]:
    """Return the events of work in a trace's JSON content. Raises KeyError or ValueError if it is no trace.

    "gpu_user_annotation" repeats the host's annotations on the device, and is left out.
    """
    events = []
    for raw in content["traceEvents"]:
        if raw.get("ph") == "X" and raw.get("cat") in _KINDS:
            begin_s = float(raw["ts"]) * 1e-6
            end_s = begin_s + float(raw["dur"]) * 1e-6
            events.append(Event(raw["cat"], raw["name"], raw["tid"], begin_s, end_s, raw.get("args") or {}))
    return events


def read(path: Path) -> list[Event]:
    """Return the events in the file that the profiler wrote."""
    return events_of(json.loads(path.read_text(encoding="utf-8", errors="replace")))
