"""One rank that is alone: what measuring asks of a worker (saih.measure.Ranks), in the test's own process."""


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
