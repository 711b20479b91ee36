"""A toy application: powers of a matrix. It holds the seam: the harness sweeps it without knowing its name.

``data: {faults: {"8": oom}}`` makes the points with n = 8 go wrong in that way, by real means, on their last rank.
``data: {hold: 16}``: every sample of a batch is a matrix of its own, held in memory with 15 others.
``data: {folder: PATH}``: the file <n>.bin in it is opened and read at every step.
"""

import os
import signal
import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from saih.app import Context, Cost, Dial, InputError, MetricSpec, Point, Ran

FAULTS = ("oom", "hang", "kill", "raise", "wrong", "exit", "missing", "vanish", "truncate")


class Toy:
    name = "toy"
    version = "1"
    dials: ClassVar = {
        "n": Dial("rows of the matrix", minimum=2),
        "power": Dial("products a step", default=1, minimum=1),
    }
    metrics = (MetricSpec("trace", "1", "none", "trace", "sum of the diagonal"),)

    def resolve_data(self, data):
        faults = data.get("faults", {})
        if not isinstance(faults, dict):
            raise InputError(f"data.faults = {faults}: must be keys and values, such as 8: oom")
        for n, kind in faults.items():
            if kind not in FAULTS:
                raise InputError(f"data.faults.{n} = {kind}: must be one of {', '.join(FAULTS)}")
        return dict(data)

    def validate(self, point: Point) -> None:
        if point.size["n"] % 2:
            raise InputError(f"size.n = {point.size['n']}: must be even")

    def cost(self, point: Point) -> Cost:
        n, power = point.size["n"], point.size["power"]
        flop = 2 * n**3 * power
        held = point.run.batch * point.data.get("hold", 0)
        return Cost(flop, flop, n * n, n * n * 8, (2 + held) * n * n * 8)

    def prepare(self, context: Context, points):
        if "missing" in {fault_of(point) for point in points}:
            raise InputError("data.path = nowhere.h5: does not exist")
        context.progress("making matrices", 1, 1)
        folder = points[0].data.get("folder")
        return {"toy": {"made": len(points)} | ({"path": folder} if folder else {})}

    def build(self, context: Context, point: Point):
        return ToyWork(context, point)


def file_of(point):
    return Path(point.data["folder"], f"{point.size['n']}.bin") if "folder" in point.data else None


def fault_of(point):
    if Path(os.environ.get("TOY_MENDED", "/nonexistent")).exists():  # a test mends the toy while it watches
        return None
    return point.data.get("faults", {}).get(str(point.size["n"]))


class ToyWork:
    def __init__(self, context, point, communicates=True):
        n = point.size["n"]
        self._context, self._point, self._communicates = context, point, communicates
        self._matrix = np.random.default_rng(context.rank).random((n, n)) / n
        hold = point.data.get("hold", 0)
        self._held = [np.ones((hold, n, n)) for _ in range(point.run.batch)] if hold else []
        self._fault = fault_of(point)
        if self._fault == "wrong":
            self._matrix[0, 0] = np.nan

    def run(self, n):
        if self._context.rank == self._context.size - 1:
            self._go_wrong()
        for _ in range(n):
            self._read()
            for _ in self._held or [None]:
                result = np.linalg.matrix_power(self._matrix, self._point.size["power"] + 1)
            if self._communicates and self._context.size > 1:
                self._context.gather(float(result[0, 0]))
        self._trace = float(np.trace(result))
        return self._ran(n)

    def _ran(self, n):
        return Ran(n * self._point.run.batch, {"input_wait_s": 0.0}, 0, {"trace": self._trace})

    def _read(self):
        file = file_of(self._point)
        if file is None:
            return
        try:
            with open(file, "rb") as content:
                content.read(4096)
        except OSError as error:
            raise InputError(f"{file}: {error.strerror}") from error

    def _go_wrong(self):
        if self._fault == "oom":
            self._hoard = [np.ones(2**27) for _ in range(4096)]
        elif self._fault == "hang":
            time.sleep(3600)
        elif self._fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self._fault == "exit":
            os._exit(7)
        elif self._fault == "vanish":
            file_of(self._point).unlink(missing_ok=True)
        elif self._fault == "truncate":
            os.truncate(file_of(self._point), 0)
        elif self._fault == "raise":
            raise RuntimeError("the toy is broken")

    def without(self, part):
        if part != "communication" or self._context.size == 1:
            return None
        return ToyWork(self._context, self._point, communicates=False)

    def check(self):
        return None if np.isfinite(self._trace) else "the trace is not finite"

    def close(self):
        self._matrix = self._held = None


APP = Toy()
