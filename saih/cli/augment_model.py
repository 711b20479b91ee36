"""`saih augment model`: what an application's network is at each size, and a checkpoint grown to another size.

The application describes its network: `network(point)` as augment.model.network has it, and `module(point)` in torch.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from saih.app import App, Execution, Number, Point
from saih.applications import load
from saih.common.terminal import say
from saih.config import yaml_values
from saih.errors import InputError

RUN = Execution(ranks=1, batch=1, precision="fp32", execution="plain", input="synthetic")
HEAD = ("layer", "in", "out", "parameters", "GFLOP forward", "GFLOP training", "MB moved", "FLOP/B")


def add_parser(verbs: Any) -> None:
    """`model` among the things that `saih augment` makes larger."""
    parser = verbs.add_parser("model", help="show an application's network at each size, or grow a checkpoint")
    parser.add_argument("app", metavar="APP", help="a folder of apps/, or my.module:APP")
    parser.add_argument("dials", nargs="*", metavar="DIAL=VALUE[,VALUE...]", help="such as edge=128 width=1,2,4")
    parser.add_argument("--batch", type=int, default=1, help="samples a step, for bytes moved and memory")
    parser.add_argument("--precision", choices=("fp32", "tf32", "bf16", "fp16"), default="fp32")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="grow this network to the size given")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the grown checkpoint goes")
    parser.add_argument("--seed", type=int, default=1, help="of the random shares of replicated channels")
    parser.set_defaults(command=_command)


def _command(arguments: argparse.Namespace) -> int:
    for line in lines(arguments):
        say(line)
    return 0


def lines(arguments: argparse.Namespace) -> list[str]:
    """What is printed. Raises InputError."""
    if arguments.batch < 1:
        raise InputError(f"--batch {arguments.batch}: must be at least 1")
    app = load(arguments.app)
    for part in ("network", "module"):
        if not hasattr(app, part):
            raise InputError(f"{arguments.app}: has no {part}(point), which growing needs; see docs/adding-an-app.md")
    if (arguments.checkpoint is None) != (arguments.out is None):
        raise InputError("--checkpoint and --out: both or none")
    from augment.errors import DataError

    try:
        return _grow(app, arguments) if arguments.checkpoint else _show(app, arguments)
    except DataError as error:
        raise InputError(str(error)) from error


def _show(app: Any, arguments: argparse.Namespace) -> list[str]:
    run = Execution(1, arguments.batch, arguments.precision, "plain", "synthetic")
    found: list[str] = []
    for size in _sizes(app, _values(arguments.dials)):
        point = Point(arguments.app, size, run, app.resolve_data({}))
        app.validate(point)
        found += [*_table(app, point), ""]
    return found[:-1]


def _table(app: Any, point: Point) -> list[str]:
    """One size: its layers, and what they come to."""
    from augment.model import cost

    number_bytes = 4 if point.run.precision in ("fp32", "tf32") else 2
    network, whole = app.network(point), app.cost(point)
    layers = cost.by_layer(network, point.run.batch, number_bytes)
    rows = [HEAD, *(_row(layer, point.run.batch) for layer in layers)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = [
        "  ".join(
            cell.rjust(w) if i > 2 else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    moved = cost.training_bytes(network, point.run.batch, number_bytes)
    flop = point.run.batch * whole.flop_per_sample
    return [
        f"{_words(point.size)}, batch {point.run.batch}, {point.run.precision}",
        *(line.rstrip() for line in lines),
        f"{whole.parameters:,} parameters, {whole.forward_flop_per_sample / 1e9:.4g} GFLOP a sample forward, "
        f"{whole.flop_per_sample / 1e9:.4g} in training",
        f"at least {moved / 1e6:,.0f} MB moved a step of training, activations done by the layers before them: "
        f"{flop / moved:,.0f} FLOP/B",
        f"GPU memory {whole.memory_bytes / 2**20:,.0f} MiB, workspaces up to {whole.workspace_bytes / 2**20:,.0f} MiB",
    ]


def _row(layer: Any, batch: int) -> tuple[str, ...]:
    flop = batch * layer.training_flop
    return (
        layer.name,
        _shape(layer.before),
        _shape(layer.after),
        f"{layer.parameters:,}",
        f"{layer.forward_flop / 1e9:.4g}",
        f"{layer.training_flop / 1e9:.4g}",
        f"{layer.training_bytes / 1e6:,.1f}",
        f"{flop / layer.training_bytes:,.1f}",
    )


def _shape(shape: Any) -> str:
    return f"{shape.channels}" if shape.edge == 1 else f"{shape.channels} x {shape.edge}^3"


def _grow(app: Any, arguments: argparse.Namespace) -> list[str]:
    from augment.model import checkpoint

    had = checkpoint.read(arguments.checkpoint)
    if had.app != arguments.app:
        raise InputError(f"{arguments.checkpoint}: is of the application {had.app}, not {arguments.app}")
    sizes = list(_sizes(app, {name: [value] for name, value in had.size.items()} | _values(arguments.dials)))
    if len(sizes) > 1:
        raise InputError("a checkpoint grows to one size: give each dial one value")
    old, new = (Point(arguments.app, size, RUN, app.resolve_data({})) for size in (_parsed(app, had.size), sizes[0]))
    for point in (old, new):
        app.validate(point)
    state = checkpoint.grow_state(had.model, app.network(old), app.network(new), app.module(new), arguments.seed)
    try:
        checkpoint.write(arguments.out, checkpoint.Checkpoint(had.app, dict(new.size), state))
    except OSError as error:
        raise InputError(f"{arguments.out}: cannot be written ({error.strerror or error})") from error
    return [f"{arguments.out}: {_words(new.size)}, the same function as {_words(old.size)}; begin the optimiser anew"]


def _values(words: Sequence[str]) -> dict[str, list[Any]]:
    """edge=64 width=1,2 -> {"edge": [64], "width": [1, 2]}."""
    found: dict[str, list[Any]] = {}
    for word in words:
        name, equals, values = word.partition("=")
        if not equals or name in found:
            raise InputError(f"{word}: must be DIAL=VALUE or DIAL=VALUE,VALUE,..., each dial once")
        found[name] = [_value(name, value) for value in values.split(",")]
    return found


def _value(name: str, text: str) -> Any:
    try:
        return yaml_values.parse(text)
    except InputError as error:
        raise InputError(f"{name} = {text}: is not a value ({error})") from None


def _sizes(app: App, given: Mapping[str, Sequence[Any]]) -> Any:
    """Every combination of the dials' values, the others at their defaults."""
    axes: dict[str, Sequence[Any]] = {}
    for name in given:
        if name not in app.dials:
            raise InputError(f"{name}: no dial of {app.name}; allowed: {', '.join(app.dials)}")
    for name, dial in app.dials.items():
        if name not in given and dial.default is None:
            raise InputError(f"{name}: is required ({dial.help})")
        axes[name] = given.get(name, [dial.default])
    for values in itertools.product(*axes.values()):
        yield _parsed(app, dict(zip(axes, values, strict=True)))


def _parsed(app: App, size: Mapping[str, Any]) -> dict[str, Number]:
    return {name: dial.parse(size[name], name) for name, dial in app.dials.items()}


def _words(size: Mapping[str, Number]) -> str:
    return " ".join(f"{name}={value:g}" for name, value in size.items())
