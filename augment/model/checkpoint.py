"""Checkpoints: a trained network in a file, with the data needed to grow it.

    {"app": "cosmoflow", "size": {"edge": 32, "width": 1.0, "depth": 1}, "model": the module's state_dict}

written by torch.save. They are read with torch's safe loader: tensors, numbers, words and containers of them, so that a
file from elsewhere cannot run code. The optimiser's state is not kept: training of a grown network starts with a new
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from augment.errors import DataError
from augment.model.grow import grow
from augment.model.network import Network
from augment.model.torch_weights import load_weights
from augment.model.weights import LayerWeights
from saih.common.files import open_regular, whole


@dataclass(frozen=True)
class Checkpoint:
    """A network's dials and its state_dict."""

    app: str
    size: dict[str, float]
    model: dict[str, Tensor]


def read(path: str | Path) -> Checkpoint:
    """Return the checkpoint in a file. Raises DataError, naming the file, for anything else; no code in it is run."""
    try:
        with open(open_regular(path), "rb") as file:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # whatever a damaged archive makes of a zip reader, an unpickler and a tensor's builder
        raise DataError(f"{path}: not a checkpoint that can be loaded safely (tensors and plain values)") from error
    if not isinstance(content, dict) or set(content) != {"app", "size", "model"}:
        raise DataError(f"{path}: must hold app, size and model; docs/models.md says what")
    if not isinstance(content["model"], dict) or not isinstance(content["size"], dict):
        raise DataError(f"{path}: size and model must be mappings")
    return Checkpoint(str(content["app"]), content["size"], content["model"])


def write(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all."""
    with whole(Path(path)) as file:
        torch.save({"app": checkpoint.app, "size": checkpoint.size, "model": checkpoint.model}, file)


def grow_state(
    state: Mapping[str, Tensor], network: Network, target: Network, module: nn.Module, seed: int = 1
) -> dict[str, Tensor]:
    """Return the state_dict of `module`, a module of `target`, with the same function as `state` of `network`.

    Raises DataError if `state` is not `network`'s, or `target` is no growth of it.
    """
    grown = grow(network, target, _weights(state), seed)
    assert grown.weights is not None
    load_weights(module, grown.weights)
    return dict(module.state_dict())


def _weights(state: Mapping[str, Tensor]) -> tuple[LayerWeights, ...]:
    """Return kernel and bias of each layer, in the order of the module."""
    parts_of: dict[str, dict[str, Any]] = {}
    for name, tensor in state.items():
        layer, _, what = name.rpartition(".")
        if what not in ("weight", "bias") or not isinstance(tensor, Tensor):
            raise DataError(f"model.{name}: neither a weight nor a bias; growing knows convolutions and dense layers")
        parts_of.setdefault(layer, {})[what] = tensor.detach().cpu().numpy()
    for layer, parts in parts_of.items():
        if set(parts) != {"weight", "bias"}:
            raise DataError(f"model.{layer}: must have a weight and a bias")
    return tuple(LayerWeights(parts["weight"], parts["bias"]) for parts in parts_of.values())
