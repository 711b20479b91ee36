"""A toy of data-parallel steps: each rank multiplies matrices, then all sum a vector, as training sums gradients.

``data: {slow: {"1": 4}}``: rank 1 does its products four times, in every step. A point that begins leaves a file named
after its n in the folder TOY_BEGUN, if there is one. ``data: {stops: 1}``: rank 1 stops itself before its first step,
while the others wait for it in MPI.
"""

import os
import signal
from pathlib import Path

import numpy as np

from tests.toys.toy import Toy, ToyWork

VALUES = 2**16


class Collective(Toy):
    name = "collective"

    def resolve_data(self, data):
        return dict(data)

    def build(self, context, point):
        if "TOY_BEGUN" in os.environ:
            Path(os.environ["TOY_BEGUN"], str(point.size["n"])).touch()
        if point.data.get("stops") == context.rank:
            os.kill(os.getpid(), signal.SIGSTOP)
        context.gather(None)
        return CollectiveWork(context, point)


class CollectiveWork(ToyWork):
    def run(self, n):
        times = self._point.data.get("slow", {}).get(str(self._context.rank), 1)
        for _ in range(n):
            for _ in range(times):
                result = np.linalg.matrix_power(self._matrix, self._point.size["power"] + 1)
            if self._communicates and self._context.size > 1:
                self._sum()
        self._trace = float(np.trace(result))
        return self._ran(n)

    def _sum(self):
        import torch
        import torch.distributed as dist

        dist.all_reduce(torch.ones(VALUES))

    def without(self, part):
        if part != "communication" or self._context.size == 1:
            return None
        return CollectiveWork(self._context, self._point, communicates=False)


APP = Collective()
