"""The protocol an application fulfils, in two halves. applications.py finds one and checks what it answers.

The first half is the object `APP` itself. It imports no torch: its dials, what it costs, what is legal. The
command line and the driver see only this half. The second half is what `APP.build` returns inside a worker: work
that runs steps. docs/adding-an-app.md walks through an example.

Applications import this module and nothing else of the harness.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

from saih.errors import InputError
from saih.paths import expanded

__all__ = [
    "App",
    "Context",
    "Cost",
    "Dial",
    "Execution",
    "InputError",
    "Layer",
    "MetricSpec",
    "Point",
    "Ran",
    "Work",
    "expanded",
]

Number = int | float
MOST_INTEGER = 2**63
"""As in a configuration: larger ones no arithmetic of an application expects."""


@dataclass(frozen=True)
class Execution:
    """Run options of a problem.

    `ranks` MPI ranks (one device each), `batch` samples a rank and step, `precision` fp32 | tf32 | bf16 |
    fp16, `execution` and `input` as the application offers them. `background_read_mb_s`: what processes of the
    harness read meanwhile from the same files, in MB/s (1e6 bytes a second) over all hosts together; 0: none do.
    """

    ranks: int
    batch: int
    precision: str
    execution: str
    input: str
    background_read_mb_s: float = 0.0


@dataclass(frozen=True)
class Point:
    """One measurement to make: an application at a size, run in one way on one data set.

    Its id is a readable part and a hash of all that it is: stable between runs, different whenever the work differs,
    and fit as a file name.
    """

    app: str
    size: Mapping[str, Number]
    run: Execution
    data: Mapping[str, Any] = field(default_factory=dict)
    repeat: int = 0

    @property
    def id(self) -> str:
        """Stable name of the point, safe as a file name."""
        digest = hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()
        dials = "-".join(f"{name}{value:g}" for name, value in self.size.items())
        repeat = f"-repeat{self.repeat}" if self.repeat else ""
        background = f"-background{self.run.background_read_mb_s:.10g}" if self.run.background_read_mb_s else ""
        return f"{dials}-ranks{self.run.ranks}{background}{repeat}-{digest[:8]}"

    @property
    def label(self) -> str:
        """The point in words, for people."""
        dials = " ".join(f"{name}={value:g}" for name, value in self.size.items())
        run, repeat = self.run, f" repeat={self.repeat}" if self.repeat else ""
        background = f" background={run.background_read_mb_s:.10g}MB/s" if run.background_read_mb_s else ""
        words = f"{run.precision} {run.execution} {run.input}{background}{repeat}"
        return f"{dials} ranks={run.ranks} batch={run.batch} {words}"

    def to_dict(self) -> dict[str, Any]:
        """The form a record holds and a worker receives."""
        return asdict(self) | {"size": dict(self.size), "data": dict(self.data)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Point:
        """Inverse of `to_dict`."""
        return cls(raw["app"], raw["size"], Execution(**raw["run"]), raw["data"], raw["repeat"])


@dataclass(frozen=True)
class Dial:
    """One number that sets a problem's size. `kind` is int or float; `default` None means required.

    Growing tries multiples of `step`; None: whole numbers, or any number where `kind` is float.
    """

    help: str
    kind: type[int] | type[float] = int
    default: Number | None = None
    minimum: float = 0
    step: Number | None = None

    def parse(self, value: object, where: str) -> Number:
        """`value` as this dial's kind, so that 1 and 1.0 name the same size. Raises InputError."""
        given = f"{where} = {value}"
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"{given}: must be {'an integer' if self.kind is int else 'a number'}")
        if self.kind is int and value != int(value):
            raise InputError(f"{given}: must be an integer")
        if value < self.minimum:
            raise InputError(f"{given}: must be at least {self.minimum:g}")
        if self.kind is int and value > MOST_INTEGER:
            raise InputError(f"{where} = {value:.6g}: must be at most 2^63")
        return self.kind(value)


@dataclass(frozen=True)
class Cost:
    """Cost of one sample of a point, in closed form, for the plain variant of the whole step.

    `flop_per_sample` counts a multiply-add as two; for training it is forward and backward. `sample_bytes` is what
    a sample occupies in the data set. `memory_bytes` is the most that the application's tensors take of a device at
    once, with the point's own batch, `workspace_bytes` what libraries may take besides, at most.
    """

    flop_per_sample: int
    forward_flop_per_sample: int
    parameters: int
    sample_bytes: int
    memory_bytes: int
    workspace_bytes: int = 0


@dataclass(frozen=True)
class Layer:
    """A layer that counts: what it computes in one step of one rank (its whole batch), and the least it must move.

    `name` is the layer's key in `Work.layers`. Forward and whole step (in training: forward and backward) are given
    apart; bytes are those between the device's memory and its arithmetic.
    """

    name: str
    forward_flop: int
    flop: int
    forward_bytes: int
    bytes: int


@dataclass(frozen=True)
class MetricSpec:
    """A metric that an application declares beyond the harness's own. `better` is "higher", "lower" or "none"."""

    name: str
    unit: str
    better: str
    label: str
    method: str
    axis: bool = False


@dataclass(frozen=True)
class Ran:
    """Result of `Work.run`: samples of this rank, seconds by phase (keys end in `_s`), bytes read, own values.

    `samples` is n times the point's batch: rates rest on it. All is checked once given (work_checks.py).

    `read_bytes` counts the bytes of the samples that were read from a data set for these steps; samples that were
    held in memory or drawn there count nothing. `storage_bytes` counts the bytes that were fetched from storage
    beneath the page cache for them; None: not known.

    `finish`, called once the device has finished and the steps' time is taken, gives the answer that replaces this
    one: it adds phases by the device's clock, and all that no step should pay for.
    """

    samples: int
    phases: Mapping[str, float] = field(default_factory=dict)
    read_bytes: int = 0
    values: Mapping[str, float] = field(default_factory=dict)
    storage_bytes: int | None = None
    finish: Callable[[], Ran] | None = None

    def finished(self) -> Ran:
        """Return the final result, once the device has finished."""
        return self.finish() if self.finish else self


@runtime_checkable
class Work(Protocol):
    """The second half: an application at one point, on one rank, ready to run."""

    def run(self, n: int) -> Ran:
        """Do `n` steps (or serve `n` batches). It may return before the device has finished."""

    def without(self, part: str) -> Work | None:
        """Return the same work without `part`, sharing its state, or None; the same answer on all ranks.

        "communication"    nothing is exchanged between ranks
        "input"            nothing is read: the steps use one batch, kept on the device
        "input_wait"       the same beside readers that work as ever and are never waited for; only with "input"
        """

    def check(self) -> str | None:
        """Return why the result cannot be believed, or None. Called on every rank after the measurement."""

    def close(self) -> None:
        """Let go of files, threads and memory."""


class Context(Protocol):
    """The interface of a worker for an application: rank, device and small control messages.

    torch.distributed is initialised with one process a rank. `device` is "cpu" or "cuda:N".
    """

    rank: int
    size: int
    device: str
    seed: int

    def broadcast(self, value: Any) -> Any:
        """Rank 0's `value`, on every rank."""

    def gather(self, value: Any) -> list[Any]:
        """Every rank's `value`, in order of rank, on every rank."""

    def progress(self, what: str, done: float, total: float) -> None:
        """Tell whoever watches; from rank 0 only, from others it is dropped."""

    def region(self, name: str) -> AbstractContextManager[object]:
        """Around a part of a step: "input", "forward", "backward" or "optimiser".

        It tells the profiled pass what the time goes to; in the timed passes it does nothing.
        """


class App(Protocol):
    """The first half. Importing it, and every call but `prepare` and `build`, must not import torch.

    An application whose network `saih augment model` can show and grow has two calls more: `network(point)`, its
    layers (augment.model.network.Network), and `module(point)`, the same as a torch module. One whose memory differs
    between kinds of device has `cost_on(point, device, cores)`: the cost on "cuda" or "cpu", with that many cores.
    One that wants its time told by layer has `layers(point)`, a sequence of `Layer`, and its work has `layers()`:
    name -> torch module.
    """

    name: str
    version: str
    dials: Mapping[str, Dial]
    metrics: Sequence[MetricSpec]

    def resolve_data(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration's `data` with its defaults filled in. Raises InputError naming the key."""

    def validate(self, point: Point) -> None:
        """Raise InputError naming the key, unless the point can be built."""

    def cost(self, point: Point) -> Cost:
        """Return the cost of one sample of `point`."""

    def prepare(self, context: Context, points: Sequence[Point]) -> dict[str, Any]:
        """Make or check the input of `points`, once, on a single rank; returns facts about it for the records.

        Raises InputError where a data set is missing or damaged. Wherever in the facts a key is called `path` (a
        file or folder) or `paths` (a list of them, which counts where both stand together), it names what is read
        from shared storage: there the readers of `run.background_read_mb_s` find their files. All else is the
        application's own.
        """

    def build(self, context: Context, point: Point) -> Work:
        """The work of `point` on this rank. Imported late: this is where torch comes in."""
