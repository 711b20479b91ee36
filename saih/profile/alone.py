"""Each layer run alone, at its own shape: the ceiling that a library sets for this very layer.

Random data of the step's shapes, layout and output type, all ranks at once, the fastest repeat, as for ceilings
(saih/peaks/timing.py). Forward as in training, backward for the input (unless the step does not need that gradient) and
the parameters. The layer is copied in the output's type, so that no change of type is included.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from saih.common.host import memory
from saih.measure.blocks import Ranks
from saih.peaks.timing import FEWEST_REPEATS, WARM_UPS, repeats
from saih.profile.layers import Form, Seen

SECONDS = {"cpu": 0.5, "cuda": 4.0}
"""The time for all layers of a point; on a GPU it includes loading and selecting kernels."""
STEPS, MOST_S = 6, 5.0
"""If steps are long, the time for all layers is that of this many steps, up to this many seconds."""
MEMORY_SHARE = 0.5
"""The share of free memory that a layer alone may take."""

_known: dict[tuple[Any, ...], dict[str, float]] = {}
"""Results of this process so far, by everything that they depend on."""


def fill(
    profile: Mapping[str, Any], modules: Mapping[str, nn.Module], seen: Mapping[str, Seen], ranks: Ranks, seconds: float
) -> dict[str, Any]:
    """Return `profile` with "alone_forward_s" and "alone_backward_s" of its layers; "why" gives the reasons of nulls.

    The layers with the longest time come first; none is started that would exceed `seconds`.
    """
    layers = [dict(layer) for layer in profile["layers"]]
    reasons: dict[str, str] = {}
    until = time.perf_counter() + seconds
    free_bytes = _free_bytes(ranks)
    order = sorted(layers, key=lambda layer: -(layer["forward_s"] + layer["backward_s"]))
    for number, layer in enumerate(order):
        name = layer["name"]
        ranks.progress("profiling", number, len(order), 1 + seconds)
        least_s = (WARM_UPS + FEWEST_REPEATS) * (layer["forward_s"] + layer["backward_s"])
        in_time = time.perf_counter() + least_s < until
        times, why = _measured(modules[name], seen.get(name), ranks, in_time, free_bytes, seconds / len(order) / 4)
        layer |= times
        if why:
            reasons[name] = why
    sentences = [
        f"{why}: {', '.join(n for n in reasons if reasons[n] == why)}" for why in dict.fromkeys(reasons.values())
    ]
    reason = {"alone": "; ".join(sentences)} if sentences else {}
    return {**profile, "layers": layers, "why": {**profile["why"], **reason}}


def _measured(
    module: nn.Module, seen: Seen | None, ranks: Ranks, in_time: bool, free_bytes: float, seconds: float
) -> tuple[dict[str, float], str | None]:
    """Return the two times, or the reason why there are none; the same on all ranks."""
    key = _key(module, seen, ranks.device) if seen else None
    why = None
    if seen is None or not seen.floats:
        why = "takes or gives something else than one array of numbers"
    elif key not in _known and not in_time:
        why = "the time for this was spent"
    elif key not in _known and _bytes(module, seen) > MEMORY_SHARE * free_bytes:
        why = "too little memory is left"
    everyone = ranks.gather((why, key in _known))
    doubts = [each for each, _ in everyone if each]
    if doubts:
        return {}, doubts[0]
    assert seen is not None
    assert key is not None
    if not all(known for _, known in everyone):
        times, why = _run(module, seen, ranks, seconds)
        if why:
            return {}, why
        _known[key] = times
    return _known[key], None


def _run(module: nn.Module, seen: Seen, ranks: Ranks, seconds: float) -> tuple[dict[str, float], str | None]:
    """Return the times of forward and backward, or any rank's error as the reason; no rank waits for a failed one."""
    errors: list[str] = []

    def careful(run: Callable[[], Any]) -> Callable[[], Any]:
        def try_() -> None:
            if not errors:
                try:
                    run()
                except Exception as error:
                    errors.append(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")

        return try_

    times: dict[str, float] = {}
    with _tuned(ranks.device):
        layer = _Alone()
        careful(lambda: layer.make(module, seen, ranks.device))()
        times["alone_forward_s"] = min(repeats(careful(layer.forward), ranks, seconds))
        if seen.gave.gradient:
            times["alone_backward_s"] = min(repeats(careful(layer.backward), ranks, seconds))
    failed = [each for all_ in ranks.gather(errors) for each in all_]
    return ({}, failed[0]) if failed else (times, None)


class _Alone:
    """A copy of a layer with random data."""

    def make(self, module: nn.Module, seen: Seen, device: str) -> None:
        """Allocate and fill the data."""
        given, gave = seen.given, seen.gave
        self._learns = gave.gradient
        self._layer = copy.deepcopy(module).to(gave.dtype)
        self._input = _random(given, gave.dtype, device).requires_grad_(given.gradient)
        self._gradient = _random(gave, gave.dtype, device)
        self._output: Tensor | None = None
        parameters = [each for each in self._layer.parameters() if each.requires_grad]
        self._wanted = [self._input, *parameters] if given.gradient else parameters

    def forward(self) -> None:
        """Run forward once, as in a step: data for backward is kept, and that of the previous run is released."""
        self._output = None
        with torch.set_grad_enabled(self._learns):
            self._output = self._layer(self._input)

    def backward(self) -> None:
        """Run backward once through the last forward."""
        assert self._output is not None
        torch.autograd.grad(self._output, self._wanted, self._gradient, retain_graph=True)


def _random(form: Form, dtype: torch.dtype, device: str) -> Tensor:
    return torch.empty_strided(form.shape, form.strides, dtype=dtype, device=device).normal_()


@contextlib.contextmanager
def _tuned(device: str) -> Iterator[None]:
    """Let cuDNN select its algorithms, without autocast; random numbers and settings are restored afterwards."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    kind = device.split(":")[0]
    devices = [device] if kind == "cuda" else []
    try:
        with torch.random.fork_rng(devices), torch.autocast(kind, enabled=False):
            yield
    finally:
        torch.backends.cudnn.benchmark = before


def _key(module: nn.Module, seen: Seen, device: str) -> tuple[Any, ...]:
    """Return everything that the times depend on within one worker group."""
    settings = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    parameters = tuple((tuple(p.shape), p.stride()) for p in module.parameters())
    return (module.__class__, module.extra_repr(), parameters, module.training, seen, device, settings)


def _bytes(module: nn.Module, seen: Seen) -> int:
    """Return the bytes of input, output, their gradients, and the parameters three times."""
    numbers = 2 * (_reach(seen.given) + _reach(seen.gave))
    numbers += 3 * sum(each.numel() for each in module.parameters())
    return numbers * seen.gave.dtype.itemsize


def _reach(form: Form) -> int:
    """Return the span of an array: the numbers from its first element to its last."""
    if not all(form.shape):
        return 0
    return 1 + sum((n - 1) * stride for n, stride in zip(form.shape, form.strides, strict=True))


def _free_bytes(ranks: Ranks) -> float:
    """Return the memory that one rank may take: of its device, with torch's unused cache; of the host, a share."""
    if ranks.device.startswith("cuda"):
        unused = torch.cuda.memory_reserved(ranks.device) - torch.cuda.memory_allocated(ranks.device)
        return float(torch.cuda.mem_get_info(ranks.device)[0] + unused)
    return memory.free_bytes() / len(ranks.gather(None))
