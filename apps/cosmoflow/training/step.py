"""The training step of CosmoFlow at one point, on one rank: the second half of the application.

    loss = mean over samples and labels of (prediction - label)^2,    as in the reference

Ranks are data-parallel: each has the whole network and its own part of the global batch; DistributedDataParallel
averages the gradients while backward still runs. A step is forward, backward and update, without any wait for the
device.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from apps.cosmoflow.dials import MEMORY, SYNTHETIC
from apps.cosmoflow.input.batches import Begun
from apps.cosmoflow.input.evidence import Evidence, Seen
from apps.cosmoflow.input.kept_batches import Held, Unwaited
from apps.cosmoflow.input.loader import Batch, Loader
from apps.cosmoflow.input.sources import Source, open_source
from apps.cosmoflow.input.timers import Reading
from apps.cosmoflow.network.architecture import LABELS, network_of
from apps.cosmoflow.network.layer_costs import names
from apps.cosmoflow.network.module import CosmoFlow, make, volumes_of
from apps.cosmoflow.training import precision, sanity
from apps.cosmoflow.training.optimizer import KerasSGD, learning_rate
from saih.app import Context, Point, Ran


class Objective(nn.Module):
    """Counts int16 (B, E, E, E, R) and labels (B, 4) -> the loss."""

    def __init__(self, net: CosmoFlow, precision_name: str, device_type: str) -> None:
        super().__init__()
        self.net, self._precision, self._device_type = net, precision_name, device_type

    def forward(self, counts: Tensor, labels: Tensor) -> Tensor:
        """Return the mean squared error."""
        volumes = volumes_of(counts)  # outside autocast: log1p in float32
        with precision.autocast(self._precision, self._device_type):
            prediction = self.net(volumes)
        return nn.functional.mse_loss(prediction.float(), labels)


class Update:
    """Loss -> gradients -> new parameters; `rate(epoch)` is the learning rate."""

    def __init__(self, net: nn.Module, rate: Callable[[int], float], scaler: torch.amp.GradScaler) -> None:
        self._rate, self._scaler = rate, scaler
        self.optimizer = KerasSGD(net.parameters(), rate(0))

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients, averaged over ranks if the model does so."""
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(self, epoch: int) -> None:
        """Do one step of the optimiser; afterwards the gradients' memory is free again."""
        self.optimizer.set_lr(self._rate(epoch))
        self._scaler.step(self.optimizer)
        self._scaler.update()
        self.optimizer.zero_grad(set_to_none=True)


@dataclass(frozen=True)
class Parts:
    """The components of a work, most of them shared by its variants; `model` is the objective as the point runs it."""

    context: Context
    point: Point
    net: CosmoFlow
    model: nn.Module
    update: Update
    source: Loader[Begun] | Held | Unwaited[Begun]
    evidence: Evidence | None


class Training:
    """Training steps on this rank: a `saih.app.Work`."""

    def __init__(self, parts: Parts, communicates: bool = True) -> None:
        self._parts, self._communicates = parts, communicates
        self._loss: Tensor | None = None
        self._kept: Batch | None = None

    def run(self, n: int) -> Ran:
        """Run `n` training steps. On a GPU it returns before they have ended; `Ran.finished` has their cost."""
        parts, region = self._parts, self._parts.context.region
        with parts.source.reading(), self._gradients():
            for _ in range(n):
                with region("input"):
                    batch = parts.source.next()
                with region("forward"):
                    loss = parts.model(batch.counts, batch.labels)
                with region("backward"):
                    parts.update.backward(loss)
                with region("optimiser"):
                    parts.update.step(batch.epoch)
                self._loss = loss.detach()
            with region("input"):
                parts.source.stop()
        samples = n * parts.point.run.batch
        return Ran(samples, finish=partial(self._finish, samples, parts.source.collect()))

    def _finish(self, samples: int, cost: Reading) -> Ran:
        """Return the cost of the steps after the device has done them."""
        parts = self._parts
        parts.source.settle()
        read_bytes = 0 if parts.point.run.input == MEMORY else cost.bytes
        seen = parts.evidence.look() if parts.evidence else Seen(storage_bytes=0)
        return Ran(samples, cost.phases(), read_bytes, seen.values, seen.storage_bytes)

    def without(self, part: str) -> Training | None:
        """Return this work without a part; see `saih.app.Work`. Without communication no gradients are averaged."""
        parts = self._parts
        if part == "input" and isinstance(parts.source, Loader):
            return Training(replace(parts, source=Held(self._keep(parts.source)), evidence=None))
        if part == "input_wait" and isinstance(parts.source, Loader):
            return Training(replace(parts, source=Unwaited(parts.source, self._keep(parts.source))))
        if part == "communication" and parts.context.size > 1:
            # Every rank has gradients of its own here, so a true update would drive the replicas apart. At a learning
            # rate of 0 the same kernels move the same bytes and leave the parameters as they are. The momentum and the
            # loss scale, which do change with these gradients, are this variant's own.
            idle = Update(parts.net, lambda epoch: 0.0, _scaler(parts.point, torch.device(parts.context.device)))
            return Training(replace(parts, update=idle), communicates=False)
        return None

    def _keep(self, loader: Loader[Begun]) -> Batch:
        """Return the single batch of the variants that use no other."""
        self._kept = self._kept or _take(loader)
        return self._kept

    def layers(self) -> dict[str, nn.Module]:
        """Return the layers with weights and the pools by name; none if they are compiled into one."""
        parts = self._parts
        if parts.point.run.execution == "compiled":
            return {}
        modules = (module for module in parts.net.modules() if isinstance(module, nn.Conv3d | nn.Linear | nn.MaxPool3d))
        return dict(zip(names(network_of(parts.point)), modules, strict=True))

    def check(self) -> str | None:
        """Return why the steps cannot be believed, or None, the same on every rank (apps.cosmoflow.training.sanity)."""
        parts = self._parts
        net, point, device = parts.net, parts.point, torch.device(parts.context.device)
        block = net.blocks[0]
        executed = torch.compile(block) if point.run.execution == "compiled" else block
        replicas = [*net.parameters(), *parts.update.optimizer.velocities()] if parts.context.size > 1 else []
        loss = float("nan") if self._loss is None else float(self._loss)
        network = network_of(point)
        findings = sanity.Findings(
            loss=loss,
            finite=math.isfinite(loss) and all(bool(p.isfinite().all()) for p in net.parameters()),
            checksum=sanity.checksum(replicas),
            block_error=sanity.block_error(block, executed, network, point.run.precision, device),
            slab_error=sanity.slab_error(block, executed, network, point.run, device),
        )
        allowed = sanity.tolerance(block, point.run.precision)
        return sanity.doubt(parts.context.gather(findings), point.run.precision, allowed)

    def close(self) -> None:
        """End the loader and release everything on the device. May be called twice; nothing else after it."""
        parts = self.__dict__.pop("_parts", None)
        if parts is None:
            return
        parts.source.close()
        if parts.point.run.execution == "compiled":
            torch.compiler.reset()
        del parts
        gc.collect()  # DistributedDataParallel is in reference cycles, which would keep the parameters

    def _gradients(self) -> AbstractContextManager[None]:
        model = self._parts.model
        stay = isinstance(model, DistributedDataParallel) and not self._communicates
        return model.no_sync() if stay else nullcontext()  # type: ignore[operator]


def build(context: Context, point: Point) -> Training:
    """Return the work of a legal, prepared point. Raises InputError for a file or a precision that cannot be used."""
    device = torch.device(context.device)
    precision.switch(point.run.precision, device)
    torch.manual_seed(_seed(context))  # dropout
    net = make(network_of(point), context.seed, device)
    rate = partial(learning_rate, global_batch=point.run.batch * context.size)
    update = Update(net, rate, _scaler(point, device))
    model = _executed(Objective(net, point.run.precision, device.type), context, point)
    source = _source(context, point, device)
    return Training(Parts(context, point, net, model, update, source.batches, source.evidence))


def _executed(objective: Objective, context: Context, point: Point) -> nn.Module:
    if point.run.execution == "compiled":
        # Torch silently stops compiling after a number of shapes in one process: reset its count.
        torch.compiler.reset()
        objective.compile(fullgraph=True, dynamic=False)
    if context.size == 1:
        return objective
    device = torch.device(context.device)
    devices = [device] if device.type == "cuda" else None
    return DistributedDataParallel(objective, device_ids=devices, gradient_as_bucket_view=True)


def _scaler(point: Point, device: torch.device) -> torch.amp.GradScaler:
    return torch.amp.GradScaler(device.type, enabled=point.run.precision == "fp16")


def _source(context: Context, point: Point, device: torch.device) -> Source:
    if point.run.input == SYNTHETIC:
        return Source(Held(_synthetic(context, point, device)))
    return open_source(context, point, device)


def _synthetic(context: Context, point: Point, device: torch.device) -> Batch:
    """Return counts without structure, Poisson with mean 1, and labels in [-1, 1], made on the device."""
    net = network_of(point)
    shape = (point.run.batch, net.edge, net.edge, net.edge, net.channels)
    generator = torch.Generator(device).manual_seed(_seed(context))
    counts = torch.poisson(torch.ones(shape, device=device), generator=generator).to(torch.int16)
    labels = torch.empty(point.run.batch, LABELS, device=device).uniform_(-1, 1, generator=generator)
    return Batch(counts, labels)


def _take(loader: Loader[Begun]) -> Batch:
    """Return a batch with its own memory, since the loader's buffers are reused."""
    with loader.reading():
        batch = loader.next()
        taken = Batch(batch.counts.clone(), batch.labels.clone())
    loader.collect()
    return taken


def _seed(context: Context) -> int:
    """Return a seed unique to this rank."""
    return int(np.random.SeedSequence([context.seed, context.rank]).generate_state(1)[0])
