"""An application that does what it must not: its dial says which misdeed, by its place in `MISDEEDS`."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

from saih.app import Cost, Dial, MetricSpec, Ran

MISDEEDS = ("none", "nan", "undeclared", "leaves", "hangs", "prints")
SPIN = "while True: pass"
DETACHED = f"""
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        exec({SPIN!r})
    os._exit(0)
"""


def detach():
    """Start a process that computes for ever, in a session of its own, whose parents end."""
    subprocess.run([sys.executable, "-c", DETACHED], check=True)


def print_much(megabytes=40):
    """Many short lines and one that has no end for long, once."""
    if getattr(print_much, "done", False):
        return
    print_much.done = True
    for _ in range(megabytes):
        os.write(1, b"nothing to see here\n" * 50_000)
    for _ in range(megabytes):
        os.write(1, b"x" * 1_000_000)
    os.write(1, b"\n")


class Misdeeds:
    name = "misdeeds"
    version = "1"
    dials: ClassVar = {"misdeed": Dial("which one")}
    metrics = (MetricSpec("loss", "1", "lower", "loss", "as it is given"),)

    def resolve_data(self, data):
        return dict(data)

    def validate(self, point):
        pass

    def cost(self, point):
        return Cost(100, 100, 1, 0, 1000)

    def prepare(self, context, points):
        return {}

    def build(self, context, point):
        return Work(context, point)


class Work:
    def __init__(self, context, point):
        self._rank, self._batch, self._misdeed = context.rank, point.run.batch, MISDEEDS[point.size["misdeed"]]

    def run(self, n):
        time.sleep(0.01 * n)
        if self._misdeed == "prints":
            print_much()
        if self._misdeed == "hangs":
            detach()
            Path(os.environ["MISDEEDS_BEGUN"], str(self._rank)).touch()
            time.sleep(3600)
        values = {"nan": {"loss": float("nan")}, "undeclared": {"los": 1.0}}.get(self._misdeed, {"loss": 0.5})
        return Ran(n * self._batch, values=values)

    def without(self, part):
        return None

    def check(self):
        return None

    def close(self):
        if self._misdeed == "leaves" and self._rank == 0:
            leave()


def leave():
    """Leave behind what a process can."""
    import torch

    subprocess.Popen([sys.executable, "-c", SPIN])
    detach()
    threading.Thread(target=time.sleep, args=(3600,), daemon=True, name="sleeper").start()
    threading.Thread(target=exec, args=(SPIN,), daemon=True, name="spinner").start()
    os.environ["LEFT"] = "1"
    os.chdir("/")
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    torch.set_num_threads(3)
    os.close(0)
    os.close(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


APP = Misdeeds()
