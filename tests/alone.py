"""One rank that is alone: what measuring asks of a worker (saih.measure.blocks.Ranks), in the test's own process."""

import os

from saih.telemetry.watch import Telemetry


class Alone:
    rank, device = 0, "cpu"

    def __init__(self):
        self.told = []

    def broadcast(self, value):
        return value

    def gather(self, value):
        return [value]

    def barrier(self):
        pass

    def synchronise(self):
        pass

    def progress(self, what, done, total, block_s=None):
        self.told.append((what, done, total))

    def telemetry(self):
        return Telemetry("cpu", {os.getpid(): sorted(os.sched_getaffinity(0))}, host_first=True)
