"""`APP`: CosmoFlow in the form of the harness. Torch is imported by `build` and, for a recipe, by `prepare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.cosmoflow.cost import cost_of
from apps.cosmoflow.dials import DIALS, validate
from apps.cosmoflow.input import settings
from apps.cosmoflow.metrics import METRICS
from apps.cosmoflow.network.architecture import network_of
from apps.cosmoflow.network.layer_costs import layers_of
from augment.model.network import Network
from saih.app import Context, Cost, Dial, Layer, MetricSpec, Point, Work


class CosmoFlow:
    """Data-parallel training of CosmoFlow; saih.app documents the methods."""

    name = "cosmoflow"
    version = "2"
    dials: Mapping[str, Dial] = DIALS
    metrics: Sequence[MetricSpec] = METRICS

    def resolve_data(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration's `data` with its defaults; see `apps.cosmoflow.input.settings.resolve`."""
        return settings.resolve(given)

    def validate(self, point: Point) -> None:
        """Raise InputError naming the key, unless the point can be built."""
        validate(point)
        settings.validate(point)

    def cost(self, point: Point) -> Cost:
        """Return the cost of one sample in a training step."""
        return cost_of(point)

    def cost_on(self, point: Point, device: str, cores: int) -> Cost:
        """Return the cost with the memory on a kind of device: "cuda", or "cpu" with `cores` cores a rank."""
        return cost_of(point, device, cores)

    def network(self, point: Point) -> Network:
        """Return the layers, which `saih augment model` shows and grows."""
        return network_of(point)

    def layers(self, point: Point) -> tuple[Layer, ...]:
        """Return the layers with weights and the pools, with the operations and bytes of each in a step of one rank."""
        return layers_of(point)

    def module(self, point: Point) -> Any:
        """Return the network in torch, with the parameter names of its checkpoints."""
        from apps.cosmoflow.network.module import CosmoFlow as Module

        return Module(network_of(point))

    def prepare(self, context: Context, points: Sequence[Point]) -> dict[str, Any]:
        """Make or check the data sets of `points`; see `apps.cosmoflow.input.prepare.prepare`."""
        from apps.cosmoflow.input.prepare import prepare

        return prepare(context, points)

    def build(self, context: Context, point: Point) -> Work:
        """Return the training step of `point` on this rank."""
        from apps.cosmoflow.training.step import build

        return build(context, point)


APP = CosmoFlow()
