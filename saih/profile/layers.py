"""Layers marked in a trace, by hooks on their modules, with the form of their input and output for a run alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from saih.profile.tree import LAYER


@dataclass(frozen=True)
class Form:
    """The properties of an array without its values; `gradient`: True if it requires a gradient, or comes with one."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    gradient: bool

    @classmethod
    def of(cls, tensor: Tensor) -> Form:
        """Return the form of `tensor`."""
        return cls(tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.requires_grad)


@dataclass(frozen=True)
class Seen:
    """A layer in the step: the forms of its input and its output."""

    given: Form
    gave: Form

    @property
    def floats(self) -> bool:
        """True if input and output are floating-point numbers, so that random numbers can replace them."""
        return self.given.dtype.is_floating_point and self.gave.dtype.is_floating_point


class Layers:
    """A context in which the modules are marked; `seen` then has those with one tensor as input and one as output."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        self._modules = modules
        self._open: dict[str, list[Any]] = {name: [] for name in modules}
        self._hooks: list[Any] = []
        self.seen: dict[str, Seen] = {}

    def __enter__(self) -> Layers:
        for name, module in self._modules.items():
            self._hooks.append(module.register_forward_pre_hook(self._begin(name), prepend=True))
            self._hooks.append(module.register_forward_hook(self._end(name), always_call=True))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _begin(self, name: str) -> Any:
        def begin(module: nn.Module, given: tuple[Any, ...]) -> None:
            mark = record_function(LAYER + name)
            mark.__enter__()  # type: ignore[no-untyped-call]
            form = given[0] if len(given) == 1 and isinstance(given[0], Tensor) else None
            # taken before the layer runs: an operation in place would change the input's form
            self._open[name].append((mark, None if form is None else Form.of(form)))

        return begin

    def _end(self, name: str) -> Any:
        def end(module: nn.Module, given: tuple[Any, ...], gave: Any) -> None:
            mark, asked = self._open[name].pop()
            mark.__exit__(None, None, None)
            if asked is not None and isinstance(gave, Tensor):
                self.seen[name] = Seen(asked, Form.of(gave))

        return end
