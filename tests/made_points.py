"""Points whose truth is known: made of parts, from which samples, profile and metrics follow as a sweep gives them.

The made machine does 1e12 FLOP/s, moves 1e11 B/s, and takes 10 us to call an operation.
"""

from dataclasses import dataclass, field, replace

from saih import metrics
from saih.app import Cost, Execution
from saih.diagnosis import diagnose

FLOP_PER_S, BYTES_PER_S, LAUNCH_S = 1e12, 1e11, 1e-5
CEILINGS = {"flop_per_s": FLOP_PER_S, "memory_bytes_per_s": BYTES_PER_S, "launch_s": LAUNCH_S, "why": {}}
BLOCKS, STEPS, BATCH = 9, 4, 2
READ = 8_000_000


@dataclass(frozen=True)
class Layer:
    """A layer's forward part; it has no backward. ``seconds`` include what calling its operations costs on a CPU."""

    name: str
    seconds: float
    flop: float
    bytes: float
    alone_s: float | None = None


def product(seconds, near=0.8, name="product"):
    """Arithmetic that reaches a share of its ceiling, and hardly moves anything."""
    return Layer(name, seconds, near * seconds * FLOP_PER_S, 0.01 * seconds * BYTES_PER_S)


def passes(seconds, near=0.8, name="pass"):
    """Traffic that reaches a share of the memory bandwidth, and hardly computes."""
    return Layer(name, seconds, 0.01 * seconds * FLOP_PER_S, near * seconds * BYTES_PER_S)


@dataclass(frozen=True)
class Truth:
    """What a step is made of, in seconds. ``late``: seconds that each rank takes on top of the others.

    ``contention_s``: of ``input_s``, what readers cost a step that does not wait for them; None: no such blocks, as in
    old records. ``from_storage``: of the bytes read; None: the application does not tell.
    """

    layers: tuple = (product(1.0),)
    outside: tuple = ()
    input_s: float = 0.0
    comm_s: float = 0.0
    gaps_s: float = 0.0
    late: tuple = (0.0,)
    phases: dict = field(default_factory=dict)
    contention_s: float | None = None
    from_storage: float | None = None
    device: str = "cuda"
    operations: float = 100
    profiler_s: float = 0.0
    noise: float = 0.0

    @property
    def work_s(self):
        """What rank 0 is busy, its lateness left out."""
        return sum(layer.seconds for layer in self.layers) + sum(entry["busy_s"] for entry in self.outside)

    @property
    def step_s(self):
        """The step of the slowest rank."""
        return self.work_s + self.gaps_s + max(self.late) + self.input_s + self.comm_s

    def samples(self):
        """As a record holds them; rank 0's lateness is in its operations and gaps alike."""
        calm = self.work_s + self.gaps_s
        own = 1 + self.late[0] / calm
        rows = [[calm + late for late in self.late]] * BLOCKS
        together = [[max(row)] * len(row) for row in rows]
        variants = {
            "full": [[each + self.input_s + self.comm_s for each in row] for row in together],
            "without_input": [[each + self.comm_s for each in row] for row in together],
        }
        if self.contention_s is not None:
            variants["without_input_wait"] = [
                [each + self.contention_s for each in row] for row in variants["without_input"]
            ]
        if len(self.late) > 1:
            variants["without_communication"] = [[each + self.input_s for each in row] for row in rows]
        blocks = {
            name: [[STEPS * each * (1 + self.noise * (-1) ** i) for each in row] for i, row in enumerate(found)]
            for name, found in variants.items()
        }
        phases = {name: [[STEPS * each] * len(self.late)] * BLOCKS for name, each in self.phases.items()}
        return {
            "block_steps": STEPS, "block_s": blocks, "phases_s": phases, "values": {}, "background": [],
            "read_bytes": [[READ] * len(self.late)] * BLOCKS,
            "storage_bytes": [[self._fetched] * len(self.late)] * BLOCKS, "telemetry": [], "profile": self.profile(own),
        }  # fmt: skip

    @property
    def _fetched(self):
        return None if self.from_storage is None else int(self.from_storage * READ)

    def profile(self, own=1.0):
        """The profiled pass; on a CPU its cost is spread over the operations, and counted as time in them."""
        inflated = self.profiler_s / self.operations if self.device == "cpu" else 0.0
        counts = self.operations / (len(self.layers) + len(self.outside) or 1)
        layers = [
            {
                "name": each.name, "forward_s": own * each.seconds + counts * inflated, "backward_s": 0.0,
                "forward_flop": each.flop, "flop": each.flop, "forward_bytes": each.bytes, "bytes": each.bytes,
                "alone_forward_s": each.alone_s, "alone_backward_s": None,
            }
            for each in self.layers
        ]  # fmt: skip
        outside = [
            {**each, "busy_s": own * each["busy_s"] + counts * inflated, "count": counts} for each in self.outside
        ]
        on_cpu = self.device == "cpu"
        busy = own * self.work_s + (self.profiler_s if on_cpu else 0.0)
        step_s = self.step_s - (self.input_s if on_cpu else 0.0)
        return {
            "steps": 3, "step_s": step_s + self.profiler_s, "device": self.device, "busy_s": busy,
            "variant": "without_input" if on_cpu else "full",
            "operations": self.operations, "phases": None, "classes": outside, "layers": layers, "outside": outside,
            "why": {"phases": "not marked"},
        }  # fmt: skip

    def metrics(self, samples=None, ceilings=CEILINGS):
        """The point's metrics."""
        flop = int(sum(layer.flop for layer in self.layers) / BATCH)
        run = Execution(len(self.late), BATCH, "fp32", "plain", "dataset")
        samples = samples or self.samples()
        return metrics.compute(samples, Cost(flop, flop, 1, 1, 1), run, {"why": "made"}, ceilings)

    def diagnosis(self, ceilings=CEILINGS, **run):
        """What the harness says of it; ``run`` as in a record's point."""
        samples = self.samples()
        return diagnose(self.metrics(samples, ceilings), samples, ceilings, self.device, run)

    def but(self, **changes):
        """The same with something changed."""
        return replace(self, **changes)
