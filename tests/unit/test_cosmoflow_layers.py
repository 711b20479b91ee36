"""A step told by layer and by region: names, costs against torch's own counts, modules, and the regions entered."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from apps.cosmoflow import APP, training
from apps.cosmoflow.training.step import Training
from augment.model import cost
from saih.app import Layer
from saih.metrics.roofline import least_traffic
from tests.unit.test_cosmoflow_training import Alone, point

pytestmark = pytest.mark.usefixtures("one_thread")

INDEX_BYTES = 8  # of a pool: int64, which torch keeps for backward
STEP = ["input", "forward", "backward", "optimiser"]


@pytest.fixture
def build():
    """Builds works of synthetic input and closes them at the end."""
    works: list[Training] = []

    def build(context: Alone | None = None, **changes: Any) -> Training:
        works.append(training.build(context or Alone(), point(input="synthetic", data={"path": "none"}, **changes)))
        return works[-1]

    yield build
    for work in works:
        work.close()


def layers(**changes: Any) -> dict[str, Layer]:
    found = APP.layers(point(data={"path": "none"}, **changes))
    assert len({layer.name for layer in found}) == len(found)
    return {layer.name: layer for layer in found}


def test_names_are_those_of_the_network() -> None:
    head = ["dense 1", "dense 2", "dense 3"]
    assert list(layers()) == ["block 1 convolution", "block 1 pool", *head]
    assert list(layers(edge=16, depth=2)) == [
        *("block 1 convolution 1", "block 1 convolution 2", "block 1 pool"),
        *("block 2 convolution 1", "block 2 convolution 2", "block 2 pool"),
        *head,
    ]


def test_layers_and_optimiser_are_the_step() -> None:
    wanted = point(data={"path": "none"}, edge=32, batch=3, precision="bf16")
    found, network, whole = APP.layers(wanted), APP.network(wanted), APP.cost(wanted)
    assert sum(layer.flop for layer in found) == 3 * whole.flop_per_sample
    assert sum(layer.forward_flop for layer in found) == 3 * whole.forward_flop_per_sample
    optimiser = cost.OPTIMISER_PASSES * cost.FLOAT_BYTES * whole.parameters
    assert sum(layer.bytes for layer in found) + optimiser == cost.training_bytes(network, 3, 2)


def test_the_reports_least_traffic_is_the_closed_form_and_what_ran_outside_the_layers() -> None:
    """A recorded step (H200, edge 128, width 1, batch 8, bf16, plain): 18.07 GB, of which the network needs 9.98.

    What lies between is activations and their gradients in passes of their own, changes of type and copies.
    """
    wanted = point(data={"path": "none"}, edge=128, width=1.0, batch=8, precision="bf16")
    layers = [{"name": layer.name, "bytes": layer.bytes} for layer in APP.layers(wanted)]
    outside = {"elementwise": 7688175168, "copy": 402653568, "optimiser": 178151120, "reduction": 640, "random": 0}
    classes = [{"class": name, "busy_s": 1e-3, "bytes": moved} for name, moved in outside.items()]
    found = least_traffic({"layers": layers, "outside": classes, "busy_s": 2e-2})
    network_bytes = cost.training_bytes(APP.network(wanted), 8, 2)
    assert (round(found["bytes"] / 1e9, 2), round(network_bytes / 1e9, 2)) == (18.07, 9.98)
    assert found["layers"] + outside["optimiser"] == pytest.approx(network_bytes, rel=1e-4)
    assert found["bytes"] - network_bytes == pytest.approx(outside["elementwise"] + outside["copy"], rel=1e-4)


@pytest.mark.parametrize("depth", [1, 2])
def test_each_module_computes_and_moves_what_its_layer_says(build, depth: int) -> None:
    """FLOPs as torch counts them by module, forward and with backward; bytes of the tensors that really come and go."""
    size = {"edge": 16, "depth": depth, "batch": 3}
    work, wanted = build(**size), layers(**size)
    modules = work.layers()
    assert list(modules) == list(wanted)
    moved, hooks = {}, []

    def seen(module: nn.Module, given: tuple[torch.Tensor], out: torch.Tensor) -> None:
        touched = [*given, out, *module.parameters()]
        moved[module] = sum(tensor.numel() * tensor.element_size() for tensor in touched)
        if isinstance(module, nn.MaxPool3d):
            moved[module] += INDEX_BYTES * out.numel()

    for module in modules.values():
        hooks.append(module.register_forward_hook(seen))
    batch = work._parts.source.next()
    with FlopCounterMode(display=False) as counter:
        loss = work._parts.model(batch.counts, batch.labels)
        forward = by_module(counter, work._parts.model, modules)
        loss.backward()
        both = by_module(counter, work._parts.model, modules)
    for name, module in modules.items():
        assert forward[name] == wanted[name].forward_flop, name
        assert both[name] == wanted[name].flop, name
        assert moved[module] == wanted[name].forward_bytes, name
    for hook in hooks:
        hook.remove()


def by_module(counter: FlopCounterMode, model: nn.Module, modules: dict[str, nn.Module]) -> dict[str, int]:
    counts, paths = counter.get_flop_counts(), {module: path for path, module in model.named_modules()}
    return {name: sum(counts.get(f"Objective.{paths[module]}", {}).values()) for name, module in modules.items()}


def test_a_compiled_network_has_no_layers_that_could_be_watched(build) -> None:
    assert build(execution="compiled").layers() == {}


class Watching(Alone):
    """A context that keeps which regions were entered; they never lie in one another."""

    def __init__(self) -> None:
        super().__init__()
        self.entered: list[str] = []
        self._within: list[str] = []

    @contextlib.contextmanager
    def region(self, name: str) -> Iterator[None]:
        assert not self._within
        self.entered.append(name)
        self._within.append(name)
        yield
        self._within.remove(name)


def test_every_step_goes_through_its_regions_in_order_and_what_is_half_read_is_input(build) -> None:
    context = Watching()
    build(context).run(3)
    assert context.entered == [*(3 * STEP), "input"]
