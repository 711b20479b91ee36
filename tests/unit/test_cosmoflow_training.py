"""The training step on one rank."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from apps.cosmoflow import APP, training
from apps.cosmoflow.input.dataset import open_set
from apps.cosmoflow.input.loader import Batch
from apps.cosmoflow.input.sources import hold
from apps.cosmoflow.network.architecture import describe
from apps.cosmoflow.network.module import make, volumes_of
from apps.cosmoflow.training import sanity, step
from apps.cosmoflow.training.step import Training
from saih import metrics
from saih.app import Execution, InputError, Point, Work
from saih.measure.blocks import measure
from saih.metrics import from_blocks as blocks
from tests.alone import Alone as Ranks

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]

RECIPE = {"universes": 8, "edge": 8}
PHASES = {"input_wait_s", "storage_wait_s", "decode_wait_s", "h2d_s", "copy_wait_s", "read_s", "decode_s"}


class Alone:
    """The context of a group of one rank, which keeps what it was told."""

    rank, size, device, seed = 0, 1, "cpu", 1

    def __init__(self) -> None:
        self.said: list[tuple[str, float, float]] = []

    def broadcast(self, value: Any) -> Any:
        return value

    def gather(self, value: Any) -> list[Any]:
        return [value]

    def progress(self, what: str, done: float, total: float) -> None:
        self.said.append((what, done, total))

    def region(self, name: str) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


def point(folder: Path | None = None, data: dict[str, Any] | None = None, **changes: Any) -> Point:
    """A tiny point, of RECIPE in `folder` unless `data` says else."""
    size = {"edge": 8, "width": 0.25, "depth": 1}
    run = {"ranks": 1, "batch": 2, "precision": "fp32", "execution": "plain", "input": "dataset"}
    for key, value in changes.items():
        (size if key in size else run)[key] = value
    resolved = APP.resolve_data(data or {"recipe": RECIPE, "folder": str(folder)})
    return Point("cosmoflow", size, Execution(**run), resolved)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("universes")
    APP.prepare(Alone(), [point(path)])
    return path


@pytest.fixture
def built(folder):
    """Builds works and closes them at the end."""
    works: list[Training] = []

    def build(**changes: Any) -> Training:
        works.append(training.build(Alone(), point(folder, **changes)))
        return works[-1]

    yield build
    for work in works:
        work.close()


def no_dropout(net: nn.Module) -> None:
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_run_says_what_it_did_and_can_be_believed(built, precision: str) -> None:
    work = built(precision=precision, depth=2)
    assert isinstance(work, Work)
    ran = work.run(3).finished()
    assert ran.samples == 3 * 2
    assert ran.read_bytes == 3 * 2 * 8**3 * 4 * 2
    assert set(ran.phases) == PHASES
    for phase in ("input_wait_s", "read_s", "decode_s"):
        assert ran.phases[phase] > 0
    assert 0 < ran.phases["storage_wait_s"] + ran.phases["decode_wait_s"] <= ran.phases["input_wait_s"]
    assert ran.phases["h2d_s"] == ran.phases["copy_wait_s"] == 0.0
    assert work.check() is None


def test_training_reduces_the_training_loss(folder, monkeypatch) -> None:
    """At a rate above the reference's, which is made for days of training."""
    monkeypatch.setattr(step, "learning_rate", lambda epoch, global_batch: 0.005)
    wanted = point(folder, batch=4)
    work = training.build(Alone(), wanted)
    universes, train = open_set(wanted), [0, *range(2, 8)]
    volumes = volumes_of(torch.from_numpy(hold(universes, train, threads=1)))
    labels = torch.from_numpy(universes.labels[train])
    net = work._parts.net

    def loss() -> float:
        net.eval()
        with torch.no_grad():
            found = nn.functional.mse_loss(net(volumes), labels).item()
        net.train()
        return found

    before = loss()
    work.run(300)
    after = loss()
    work.close()
    assert after < 0.5 * before


def test_a_step_is_keras_sgd_on_the_mean_squared_error(built, folder) -> None:
    """Two steps against torch.autograd and the formula, with the rule's learning rates."""
    work = built(batch=7)  # one step an epoch
    no_dropout(work._parts.net)
    batches = []
    take = work._parts.source.next

    def kept() -> Batch:
        batch = take()
        batches.append(Batch(batch.counts.clone(), batch.labels.clone()))
        return batch

    work._parts.source.next = kept
    work.run(2)
    net = make(describe(8, 0.25), seed=Alone.seed)
    no_dropout(net)
    velocity = [torch.zeros_like(p) for p in net.parameters()]
    for batch, lr in zip(batches, [0.001, 0.001 + (0.001 * 7 / 64 - 0.001) / 4], strict=True):
        error = net(volumes_of(batch.counts)) - batch.labels
        gradients = torch.autograd.grad(error.square().mean(), list(net.parameters()))
        velocity = [0.9 * m + lr * g for m, g in zip(velocity, gradients, strict=True)]
        with torch.no_grad():
            for p, m in zip(net.parameters(), velocity, strict=True):
                p -= m
    for found, expected in zip(work._parts.net.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


def test_without_input_reads_nothing_and_trains_the_same_network(built) -> None:
    work = built()
    work.run(1)
    lacking = work.without("input")
    assert lacking is not None
    before = sanity.checksum(work._parts.net.parameters())
    ran = lacking.run(4).finished()
    assert ran.samples == 8
    assert ran.read_bytes == 0
    assert ran.phases == dict.fromkeys(PHASES, 0.0)
    assert sanity.checksum(work._parts.net.parameters()) != before
    assert work.run(1).finished().read_bytes == 2 * 8**3 * 4 * 2


def test_without_waiting_for_input_batches_are_read_and_not_used(built) -> None:
    work = built()
    work.run(1).finished()
    unwaited = work.without("input_wait")
    assert unwaited is not None
    loader = work._parts.source
    used = unwaited._parts.source.next()
    assert used is work.without("input")._parts.source.next()  # one batch for both: it takes memory
    ahead, step = loader.parts_ahead(), loader._step
    before, counts = sanity.checksum(work._parts.net.parameters()), used.counts.clone()
    ran = unwaited.run(20).finished()
    assert (ran.samples, ran.read_bytes) == (40, 0)
    assert ran.phases == dict.fromkeys(PHASES, 0.0)
    assert sanity.checksum(work._parts.net.parameters()) != before
    assert torch.equal(used.counts, counts)
    assert loader._step > step + 10  # read at the steps' pace
    assert loader.parts_ahead() == ahead
    own = work.run(2).finished()
    assert own.phases["read_s"] > 0
    assert own.read_bytes == 2 * 2 * 8**3 * 4 * 2


def test_the_harness_measures_waiting_and_competing_readers(built) -> None:
    """All variants in turn, on real training; what waits and what competes add up to what input costs."""
    work = built()
    wanted = work._parts.point
    samples = measure(work, Ranks(), target_percent=50, max_s=2, begin=int)
    assert set(samples["block_s"]) == {"full", "without_input", "without_input_wait"}
    rounds = len(samples["block_s"]["full"])
    assert [len(blocks) for blocks in samples["block_s"].values()] == [rounds] * 3
    assert len(samples["storage_bytes"]) == len(samples["read_bytes"]) == rounds
    assert {type(each) for block in samples["storage_bytes"] for each in block} <= {int, type(None)}
    samples |= {"telemetry": [], "background": [], "profile": {}}
    found = metrics.compute(samples, APP.cost(wanted), wanted.run, {"why": "none"}, {})
    waits = blocks.excess(samples, "without_input_wait")
    competes = blocks.excess(samples, "without_input", of="without_input_wait")
    together = [a + b for a, b in zip(waits, competes, strict=True)]
    assert together == pytest.approx(blocks.excess(samples, "without_input"))
    for name in ("exposed_input_wait_s", "input_contention_s"):
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]
    storage_s, decode_s, wait_s = (found[name]["value"] for name in ("storage_wait_s", "decode_wait_s", "input_wait_s"))
    assert 0 <= storage_s + decode_s <= wait_s


def test_one_rank_has_no_communication_to_do_without(built) -> None:
    assert built().without("communication") is None


def test_synthetic_input_is_counts_and_needs_no_file(tmp_path) -> None:
    work = training.build(Alone(), point(tmp_path, input="synthetic", batch=16))
    counts = work._parts.source.next().counts
    assert counts.dtype == torch.int16
    assert counts.shape == (16, 8, 8, 8, 4)
    assert counts.min() == 0
    assert counts.float().mean().item() == pytest.approx(1, abs=0.03)
    assert counts.float().var().item() == pytest.approx(1, abs=0.05)
    assert work.without("input") is work.without("input_wait") is None
    assert work.run(2).finished().read_bytes == 0
    assert work.check() is None
    work.close()
    assert list(tmp_path.iterdir()) == []


def test_check_finds_a_parameter_that_is_not_a_number(built) -> None:
    work = built()
    work.run(1)
    with torch.no_grad():
        work._parts.net.head[1].weight[0, 0] = float("nan")
    assert str(work.check()).endswith("or a parameter is not finite")


def test_check_finds_a_loss_that_is_not_finite(built) -> None:
    work = built()
    with torch.no_grad():
        work._parts.net.head[-2].bias[0] = float("nan")
    work.run(1)
    assert "the loss is nan" in str(work.check())


def test_check_before_any_step_has_nothing_to_believe(built) -> None:
    assert "the loss is nan" in str(built().check())


@pytest.mark.parametrize(("precision", "scale"), [("fp32", 1 + 1e-4), ("bf16", 1.1)])
def test_check_finds_a_block_that_computes_something_else(built, precision: str, scale: float) -> None:
    work = built(precision=precision)
    work.run(1)
    pool = work._parts.net.blocks[0][-1]
    work._parts.net.blocks[0][-1] = Scaled(pool, scale)
    assert f"the first block in {precision} is off by" in str(work.check())


class Scaled(nn.Module):
    """Wrong in float32 and below, right in float64."""

    def __init__(self, inner: nn.Module, scale: float) -> None:
        super().__init__()
        self.inner, self.scale = inner, scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.inner(x)
        return found if x.dtype == torch.float64 else found * self.scale


def test_doubts_name_the_rank() -> None:
    good = sanity.Findings(loss=0.3, finite=True, checksum=1, block_error=1e-7)
    other = sanity.Findings(loss=0.3, finite=True, checksum=2, block_error=1e-7)
    assert sanity.doubt([good, good], "fp32", 1e-5) is None
    assert str(sanity.doubt([good, other], "fp32", 1e-5)).startswith("rank 1 holds other parameters")


def test_precision_switches_tf32(built) -> None:
    with pytest.raises(InputError, match=r"^run.precision = tf32: needs a CUDA device"):
        built(precision="tf32")
    built()
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


def test_a_data_set_that_vanished_after_preparation(tmp_path) -> None:
    with pytest.raises(InputError, match=r"universes-edge8-.*: no such data set"):
        training.build(Alone(), point(tmp_path))


def test_closing_twice_is_no_fault(built) -> None:
    work = built()
    work.run(1)
    work.close()
    work.close()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")
def test_compiled_computes_what_plain_computes(built) -> None:
    plain, compiled = built(), built(execution="compiled")
    for work in (plain, compiled):
        no_dropout(work._parts.net)
        work.run(3)
    assert compiled.check() is None
    for found, expected in zip(compiled._parts.net.parameters(), plain._parts.net.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
