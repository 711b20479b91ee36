"""`APP`: CosmoFlow as the harness sees it. Torch comes in with `build` and, for a recipe, with `prepare`."""

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
    """Data-parallel training of CosmoFlow. The protocol's docstrings in saih.app say what each part answers."""

    name = "cosmoflow"
    version = "2"
    dials: Mapping[str, Dial] = DIALS
    metrics: Sequence[MetricSpec] = METRICS

    def resolve_data(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration's `data` with its defaults; see `apps.cosmoflow.input.settings.resolve`."""
        return settings.resolve(given)

    def validate(self, point: Point) -> None:
        """Raises InputError naming the key, unless the point can be built."""
        validate(point)
        settings.validate(point)

    def cost(self, point: Point) -> Cost:
        """What one sample of a training step costs."""
        return cost_of(point)

    def cost_on(self, point: Point, device: str, cores: int) -> Cost:
        """The same with the memory on a kind of device: "cuda", or "cpu" with so many cores a rank."""
        return cost_of(point, device, cores)

    def network(self, point: Point) -> Network:
        """The layers, which `saih augment model` shows and grows."""
        return network_of(point)

    def layers(self, point: Point) -> tuple[Layer, ...]:
        """The layers with weights and the pools, and what each computes and moves in a step of one rank."""
        return layers_of(point)

    def module(self, point: Point) -> Any:
        """The same in torch, with the names that its checkpoints have."""
        from apps.cosmoflow.network.module import CosmoFlow as Module

        return Module(network_of(point))

    def prepare(self, context: Context, points: Sequence[Point]) -> dict[str, Any]:
        """Makes or checks the data sets of `points`; see `apps.cosmoflow.input.prepare.prepare`."""
        from apps.cosmoflow.input.prepare import prepare

        return prepare(context, points)

    def build(self, context: Context, point: Point) -> Work:
        """The training step of `point` on this rank."""
        from apps.cosmoflow.training.step import build

        return build(context, point)


APP = CosmoFlow()
