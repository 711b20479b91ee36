"""The profiled pass on a CPU, of real steps of small networks."""

import contextlib
import time

import pytest
import torch
from torch import nn
from torch.profiler import record_function

from saih.app import Layer, Ran
from saih.profile import alone, passes, trace
from saih.profile.breakdown import COSTS
from saih.profile.costs import with_costs
from saih.profile.run import COMPILED, NAMELESS, NO_INPUT, profile
from saih.profile.tree import REGION
from tests.alone import Alone

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]

SAMPLES = {"block_s": {"full": [[0.01]]}, "block_steps": 1}


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv3d(2, 8, 3, padding="same"),
            nn.LeakyReLU(inplace=True),
            nn.MaxPool3d(2),
            nn.Conv3d(8, 8, 3, padding="same"),
            nn.Flatten(),
            nn.Linear(8 * 512, 16),
        )


class Training:
    """Steps of a network, marked as an application marks them."""

    def __init__(self, marks=True):
        self._mark, self.ran = self._region if marks else lambda name: contextlib.nullcontext(), []
        self._marking = False
        self.net = Net()
        self._optimiser = torch.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9, fused=True)
        self._x = torch.rand(2, 2, 16, 16, 16)

    @contextlib.contextmanager
    def marked(self):
        self._marking = True
        yield
        self._marking = False

    def _region(self, name):
        return record_function(REGION + name) if self._marking else contextlib.nullcontext()

    def layers(self):
        return {"first": self.net[0], "pool": self.net[2], "second": self.net[3], "dense": self.net[5]}

    def run(self, n):
        self.ran.append(n)
        for _ in range(n):
            with self._mark("input"):
                time.sleep(0.02)
            with self._mark("forward"):
                loss = self.net(self._x).square().mean()
            with self._mark("backward"):
                loss.backward()
            with self._mark("optimiser"):
                self._optimiser.step()
                self._optimiser.zero_grad(set_to_none=True)
        return Ran(2 * n)

    def without(self, part):
        return None

    def check(self):
        return None

    def close(self):
        pass


def profiled(work, plain=True, samples=SAMPLES):
    work.run(1)
    return profile(work, Alone(), getattr(work, "marked", contextlib.nullcontext), samples, plain)


@pytest.fixture(scope="module")
def training():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    work = Training()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alone, "SECONDS", {"cpu": 2.0})  # enough where others keep the cores busy
        yield work, profiled(work)
    torch.set_num_threads(before)


def test_groups_of_work_add_up_to_the_busy_time(training):
    _, found = training
    busy_s = found["busy_s"]
    assert 0 < busy_s < found["step_s"]
    assert sum(found["phases"].values()) == pytest.approx(busy_s)
    assert sum(each["busy_s"] for each in found["classes"]) == pytest.approx(busy_s)
    layers_s = sum(layer["forward_s"] + layer["backward_s"] for layer in found["layers"])
    assert layers_s + sum(each["busy_s"] for each in found["outside"]) == pytest.approx(busy_s)
    assert found["idle_s"] == pytest.approx(found["step_s"] - busy_s, abs=0.2 * busy_s)


def test_the_input_is_the_time_in_its_region(training):
    _, found = training
    assert 0.02 <= found["exposed_input_s"] < 0.02 + found["idle_s"]


def test_the_profiled_steps_are_those_without_input_where_there_are_such():
    class Read(Training):
        def without(self, part):
            return calm if part == "input" else None

    calm, work = Training(), Read()
    found = profiled(work, samples={"block_s": {"full": [[2.5]], "without_input": [[0.5]]}, "block_steps": 1})
    assert work.ran == [1]  # by `profiled`
    assert calm.ran[:2] == [1, 3]  # not long enough to be profiled once
    assert found["variant"] == "without_input"
    assert found["exposed_input_s"] is None
    assert found["why"]["exposed_input_s"] == NO_INPUT


def test_nobody_communicates_alone(training):
    _, found = training
    assert (found["comm_s"], found["exposed_comm_s"], found["h2d_s"]) == (0, 0, 0)


def test_every_operation_counts_once_a_step(training):
    """What an operation calls is a part of it."""
    _, found = training
    counts = {each["class"]: each["count"] for each in found["classes"]}
    assert counts["convolution"] == 4
    assert counts["pool"] == 2
    assert counts["matrix product"] == 3  # forward, and one for the input, one for the weight
    assert counts["optimiser"] == 1
    assert found["operations"] == sum(counts.values())


def test_layers_have_their_forward_and_backward(training):
    work, found = training
    assert [layer["name"] for layer in found["layers"]] == list(work.layers())
    for layer in found["layers"]:
        assert layer["forward_s"] > 0
        assert layer["backward_s"] > 0
    first = found["layers"][0]
    convolutions = next(each["busy_s"] for each in found["classes"] if each["class"] == "convolution")
    ours = sum(found["layers"][i]["forward_s"] + found["layers"][i]["backward_s"] for i in (0, 2))
    assert ours == pytest.approx(convolutions, rel=0.2)
    assert first["forward_s"] < found["phases"]["forward"]
    assert first["backward_s"] < found["phases"]["backward"]


def test_layers_run_alone_at_their_shapes(training):
    _, found = training
    for layer in found["layers"]:
        assert layer["alone_forward_s"] > 0
        assert layer["alone_backward_s"] > 0
    assert found["why"] == {}


def test_bytes_of_the_optimiser_are_those_of_its_arrays(training):
    """SGD with momentum reads parameter, gradient and momentum, and writes the first and the last: 20 bytes."""
    work, found = training
    (optimiser,) = (each for each in found["outside"] if each["class"] == "optimiser")
    assert optimiser["bytes"] == 20 * sum(each.numel() for each in work.net.parameters())


def test_hooks_and_marks_are_gone_afterwards(training):
    work, _ = training
    for module in work.net:
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    assert work.ran[:3] == [1, 1, 3]


class Disturbed(Training):
    """Something else had the machine in the first pass that is kept."""

    def run(self, n):
        if self.ran == [1, 1]:  # one before, one that warms the profiler up
            time.sleep(2)
        return super().run(n)


def test_a_pass_that_was_disturbed_is_made_again_and_the_fastest_is_kept():
    """Steps of 0.2 s by the blocks: a pass may take 0.75 s; one takes over 2 s."""
    work = Disturbed()
    found = profiled(work, samples={"block_s": {"full": [[0.2]]}, "block_steps": 1})
    assert work.ran[:4] == [1, 1, 3, 3]
    assert found["step_s"] < 2 / 3


def test_a_longer_step_is_profiled_once():
    work = Training()
    found = profiled(work, samples={"block_s": {"full": [[2.5]]}, "block_steps": 1})
    assert found["steps"] == 1
    assert work.ran == [1, 1, 1]


def test_without_marks_there_are_no_phases():
    found = profiled(Training(marks=False))
    assert found["phases"] is None
    assert found["exposed_input_s"] is None
    assert set(found["why"]) == {"phases", "exposed_input_s"}


@pytest.mark.parametrize(("plain", "why"), [(True, NAMELESS), (False, COMPILED)])
def test_without_layers_all_work_is_outside(plain, why):
    class Nameless(Training):
        def layers(self):
            return {}

    found = profiled(Nameless(), plain)
    assert found["layers"] is None
    assert found["why"]["layers"] == why
    assert sum(each["busy_s"] for each in found["outside"]) == pytest.approx(found["busy_s"])


def test_an_application_without_torch_has_no_profile():
    class Counting:
        def run(self, n):
            return Ran(sum(range(n)))

    found = profiled(Counting())
    assert list(found) == ["why"]
    assert "no work of torch" in found["why"]["profile"]


@pytest.mark.parametrize("broken", ["begin", "end", "read"])
def test_a_profiler_that_fails_leaves_the_reason_and_the_steps_run(monkeypatch, broken):
    def fail(*_):
        raise RuntimeError("no profiler here")

    real = passes.end
    if broken == "end":
        monkeypatch.setattr(passes, "end", lambda profiling: (real(profiling), fail()))
    else:
        monkeypatch.setattr(trace if broken == "read" else passes, broken, fail)
    work = Training()
    found = profiled(work)
    assert "RuntimeError: no profiler here" in found["why"]["profile"]
    assert work.ran[:3] == [1, 1, 3]


def test_a_trace_of_another_form_leaves_a_reason(monkeypatch):
    monkeypatch.setattr(trace, "events_of", lambda content: [])
    found = profiled(Training())
    assert found["why"]["profile"].endswith("ValueError: the trace holds 0 passes instead of one")


def test_what_fails_in_the_steps_is_not_swallowed():
    class Failing(Training):
        def run(self, n):
            super().run(n)
            if torch.autograd._profiler_enabled():
                raise MemoryError("no more")

    with pytest.raises(MemoryError):
        profiled(Failing())
    assert not torch.autograd._profiler_enabled()


def test_costs_are_added_by_name():
    layers = [Layer("a", 1, 3, 10, 30), Layer("c", 2, 6, 20, 60)]
    times = {"forward_s": 0.1, "backward_s": 0.2} | dict.fromkeys(COSTS)
    found = {"layers": [{"name": "a", **times}, {"name": "b", **times}], "why": {"x": "y"}}

    class Stating:
        def layers(self, point):
            return layers

    told = with_costs(found, Stating(), None)
    assert told["layers"][0] == {"name": "a", **times, "forward_flop": 1, "flop": 3, "forward_bytes": 10, "bytes": 30}
    assert told["layers"][1]["flop"] is None
    assert told["why"] == {"x": "y", "costs": "the application states no cost of b"}
    assert with_costs({"why": {"profile": "none"}}, Stating(), None) == {"why": {"profile": "none"}}
    assert with_costs(found, object(), None)["why"]["costs"] == "the application states no cost of a, b"
