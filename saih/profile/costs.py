"""Add the cost of each layer, as stated by the application, to a profile; called in the driver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from saih.app import App, Layer, Point
from saih.errors import InputError


def with_costs(profile: Mapping[str, Any], app: App, point: Point) -> dict[str, Any]:
    """Return `profile` with FLOPs and bytes of its layers, by name; "why" gives the reasons of nulls."""
    if not profile.get("layers"):
        return dict(profile)
    try:
        stated: Sequence[Layer] = app.layers(point) if hasattr(app, "layers") else ()
    except InputError as error:
        return {**profile, "why": {**profile["why"], "costs": str(error)}}
    costs = {layer.name: asdict(layer) for layer in stated}
    layers = [layer | costs.get(layer["name"], {}) for layer in profile["layers"]]
    missing = [layer["name"] for layer in layers if layer["name"] not in costs]
    why = {"costs": f"the application states no cost of {', '.join(missing)}"} if missing else {}
    return {**profile, "layers": layers, "why": {**profile["why"], **why}}
