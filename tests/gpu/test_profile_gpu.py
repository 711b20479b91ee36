"""The profiled pass on a CUDA device: its figures against CUDA events, and a real point's layers."""

import contextlib

import pytest
import torch
from torch import nn
from torch.profiler import record_function

from saih import records
from saih.app import Ran
from saih.profile import alone
from saih.profile.run import profile
from saih.profile.tree import REGION
from tests.alone import Alone

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]

SAMPLES = {"block_s": {"full": [[0.05]]}, "block_steps": 1}


class OnGpu(Alone):
    device = "cuda:0"

    def synchronise(self):
        torch.cuda.synchronize()


class Products:
    """Products without a gap, a copy from the host before them that nothing hides, and elementwise work."""

    def __init__(self):
        self._a = torch.rand(4096, 4096, device="cuda")
        self._b = torch.empty_like(self._a)
        self._host = torch.rand(2**24).pin_memory()
        self._there = torch.empty(2**24, device="cuda")
        self._marking = False

    @contextlib.contextmanager
    def marked(self):
        self._marking = True
        yield
        self._marking = False

    def _mark(self, name):
        return record_function(REGION + name) if self._marking else contextlib.nullcontext()

    def products(self):
        for _ in range(20):
            torch.mm(self._a, self._a, out=self._b)
        for _ in range(20):
            self._b.mul_(0.5)

    def run(self, n):
        for _ in range(n):
            with self._mark("input"):
                self._there.copy_(self._host, non_blocking=True)
            with self._mark("forward"):
                self.products()
        return Ran(n)


def seconds(run, repeats=5):
    """Device time of ``run`` by CUDA events, the median."""
    times = []
    run()
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return sorted(times)[repeats // 2]


@pytest.fixture(scope="module")
def found():
    torch.backends.cuda.matmul.allow_tf32 = False
    work = Products()
    work.run(3)
    told = profile(work, OnGpu(), work.marked, SAMPLES, True)
    assert "busy_s" in told, told
    by_events = {
        "busy": seconds(work.products),
        "copy": seconds(lambda: work._there.copy_(work._host, non_blocking=True)),
    }
    return told, by_events


def test_busy_time_agrees_with_cuda_events(found):
    told, by_events = found
    assert told["device"] == "cuda"
    assert told["busy_s"] == pytest.approx(by_events["busy"], rel=0.05)
    assert told["phases"]["forward"] == pytest.approx(told["busy_s"], rel=0.01)


def test_copies_from_the_host_agree_with_cuda_events(found):
    told, by_events = found
    assert told["h2d_s"] == pytest.approx(by_events["copy"], rel=0.05)
    assert told["exposed_input_s"] >= 0.9 * told["h2d_s"]


def test_classes_count_their_kernels_and_bytes(found):
    told, _ = found
    classes = {each["class"]: each for each in told["classes"]}
    assert set(classes) == {"matrix product", "elementwise"}
    assert classes["elementwise"]["count"] == 20
    assert classes["elementwise"]["bytes"] == 20 * 2 * 4 * 4096**2
    assert classes["matrix product"]["count"] >= 20
    assert sum(each["busy_s"] for each in told["classes"]) == pytest.approx(told["busy_s"])


def test_layers_of_a_network_have_all_their_times():
    class Training:
        def __init__(self):
            self.net = nn.Sequential(
                nn.Conv3d(4, 32, 3, padding="same"), nn.LeakyReLU(0.3, inplace=True), nn.MaxPool3d(2), nn.Flatten(),
                nn.Linear(32 * 32**3, 8),
            )  # fmt: skip
            self.net = self.net.cuda().to(memory_format=torch.channels_last_3d)
            self.x = torch.rand(4, 4, 64, 64, 64, device="cuda").to(memory_format=torch.channels_last_3d)

        def layers(self):
            return {"convolution": self.net[0], "pool": self.net[2], "dense": self.net[4]}

        def run(self, n):
            for _ in range(n):
                with torch.autocast("cuda", torch.bfloat16):
                    loss = self.net(self.x).float().square().mean()
                loss.backward()
                self.net.zero_grad(set_to_none=True)
            return Ran(4 * n)

    work = Training()
    work.run(3)
    told = profile(work, OnGpu(), contextlib.nullcontext, SAMPLES, True)
    assert {"phases", "exposed_input_s"} <= set(told["why"])
    assert "alone" not in told["why"], told["why"]
    layers = {layer["name"]: layer for layer in told["layers"]}
    for layer in layers.values():
        assert layer["forward_s"] > 0
        assert layer["backward_s"] > 0
        assert layer["alone_forward_s"] > 0
        assert layer["alone_backward_s"] > 0
    everything = sum(layer["forward_s"] + layer["backward_s"] for layer in layers.values())
    outside = sum(each["busy_s"] for each in told["outside"])
    assert everything + outside == pytest.approx(told["busy_s"])
    classes = {each["class"]: each["busy_s"] for each in told["classes"]}
    assert classes["convolution"] > 0
    assert classes["pool"] == pytest.approx(layers["pool"]["forward_s"] + layers["pool"]["backward_s"], rel=0.05)


def test_alone_leaves_no_memory_behind():
    alone._known.clear()
    layer, x = nn.Conv3d(4, 8, 3).cuda(), torch.rand(1, 4, 32, 32, 32, device="cuda", requires_grad=True)

    class Work:
        def layers(self):
            return {"convolution": layer}

        def run(self, n):
            for _ in range(n):
                layer(x).sum().backward()
                layer.zero_grad(set_to_none=True)
                x.grad = None
            return Ran(n)

    work = Work()
    work.run(2)
    before = torch.cuda.memory_allocated()
    told = profile(work, OnGpu(), contextlib.nullcontext, SAMPLES, True)
    assert told["layers"][0]["alone_backward_s"] > 0
    assert torch.cuda.memory_allocated() == before


def test_a_real_point_has_its_profile_and_the_peak_does_not_know_of_it(saih):
    config = {
        "schema": 1,
        "name": "profiled",
        "app": "cosmoflow",
        "size": {"edge": 64},
        "run": {"batch": 4, "precision": "bf16", "input": "synthetic"},
        "measure": {"target_percent": 5, "max_s": 3},
        "limits": {"point_timeout_s": 120},
        "launch": {"device": "cuda"},
    }
    peaks = {}
    for profiled in (True, False):
        config["name"] = f"profiled-{profiled}"
        config["measure"] = {"target_percent": 5, "max_s": 3, "profile": profiled}
        saih.write("profiled.yaml", config)
        saih("sweep", "profiled.yaml")
        (record,) = records.read_all(saih.folder / "runs" / config["name"] / "points")
        assert record.status == "ok"
        peaks[profiled] = record.value("peak_mem_bytes")
        if profiled:
            told = record.samples["profile"]
    assert peaks[True] == peaks[False]
    assert 0 < told["busy_s"] < 1.05 * told["step_s"]
    assert all(layer["flop"] is not None for layer in told["layers"])
    assert any(layer["forward_s"] > 0 and layer["alone_forward_s"] for layer in told["layers"])
