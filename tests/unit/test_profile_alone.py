"""Layers alone, at the shapes of a step."""

import pytest
import torch
from torch import nn

from saih.profile import alone
from saih.profile.layers import Layers
from tests.alone import Alone

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(alone, "_known", {})


def seen(modules, run):
    with Layers(modules) as layers:
        run()
    return layers.seen


def filled(modules, seen, seconds=2.0, took_s=1e-4):
    times = {"forward_s": took_s, "backward_s": took_s} | dict.fromkeys(("alone_forward_s", "alone_backward_s"))
    profile = {"layers": [{"name": name, **times} for name in modules], "why": {}}
    found = alone.fill(profile, modules, seen, Alone(), seconds)
    return {layer["name"]: layer for layer in found["layers"]}, found["why"]


def test_a_layer_is_run_in_the_type_layout_and_shapes_of_the_step(monkeypatch):
    """Under autocast the layer gets float32 and gives bfloat16: alone it is bfloat16, in channels last."""
    made = []
    real = alone._Alone.make
    monkeypatch.setattr(alone._Alone, "make", lambda self, *given: (real(self, *given), made.append(self)))
    layer = nn.Conv3d(2, 4, 3, padding="same").to(memory_format=torch.channels_last_3d)
    x = torch.rand(2, 2, 6, 6, 6).to(memory_format=torch.channels_last_3d).requires_grad_()

    def run():
        with torch.autocast("cpu", torch.bfloat16):
            layer(x)

    found, why = filled({"a": layer}, seen({"a": layer}, run))
    assert why == {}
    assert found["a"]["alone_forward_s"] > 0
    assert found["a"]["alone_backward_s"] > 0
    (one,) = made
    assert one._input.dtype == one._layer.weight.dtype == one._output.dtype == torch.bfloat16
    assert one._input.stride() == x.stride()
    assert one._layer.weight.stride() == layer.weight.stride()
    assert one._wanted[0] is one._input
    assert layer.weight.dtype == torch.float32


def test_the_first_layer_needs_no_gradient_of_its_input(monkeypatch):
    wanted = []
    real = torch.autograd.grad
    monkeypatch.setattr(
        torch.autograd, "grad", lambda out, to, *rest, **more: (wanted.append(len(to)), real(out, to, *rest, **more))
    )
    layer, x = nn.Linear(4, 4), torch.rand(2, 4)
    filled({"a": layer}, seen({"a": layer}, lambda: layer(x)))
    assert set(wanted) == {2}  # weight and bias


def test_without_gradients_there_is_no_backward():
    layer = nn.Linear(4, 4)

    def run():
        with torch.no_grad():
            layer(torch.rand(2, 4))

    found, why = filled({"a": layer}, seen({"a": layer}, run))
    assert found["a"]["alone_forward_s"] > 0
    assert found["a"]["alone_backward_s"] is None
    assert why == {}


def test_equal_layers_are_measured_once(monkeypatch):
    runs = []
    real = alone._run
    monkeypatch.setattr(alone, "_run", lambda module, *rest: (runs.append(module), real(module, *rest))[1])
    modules = {"a": nn.Linear(4, 4), "b": nn.Linear(4, 4), "c": nn.Linear(4, 4, bias=False)}
    x = torch.rand(2, 4, requires_grad=True)
    found, _ = filled(modules, seen(modules, lambda: [module(x) for module in modules.values()]))
    assert [module in runs for module in modules.values()] == [True, False, True]
    assert found["a"]["alone_forward_s"] == found["b"]["alone_forward_s"]


def test_reasons_where_a_layer_cannot_run_alone():
    modules = {"in place": nn.LeakyReLU(inplace=True), "words": nn.Embedding(10, 4), "never": nn.Linear(2, 2)}

    def run():
        modules["in place"](torch.rand(5, requires_grad=True) * 2)
        modules["words"](torch.tensor([1, 2]))

    found, why = filled(modules, seen(modules, run))
    assert all(layer["alone_forward_s"] is None for layer in found.values())
    assert "a leaf Variable that requires grad" in why["alone"]
    assert "takes or gives something else than one array of numbers: words, never" in why["alone"]


def test_what_would_not_end_in_time_or_not_fit_does_not_begin(monkeypatch):
    layer, x = nn.Linear(4, 4), torch.rand(2, 4)
    modules = {"a": layer}
    found = seen(modules, lambda: layer(x))
    assert filled(modules, found, took_s=10.0)[1] == {"alone": "the time for this was spent: a"}
    monkeypatch.setattr(alone, "_free_bytes", lambda ranks: 500)
    assert filled(modules, found)[1] == {"alone": "too little memory is left: a"}


def test_settings_and_random_numbers_are_as_before():
    layer, x = nn.Dropout(0.5), torch.rand(2, 4, requires_grad=True)
    found = seen({"a": layer}, lambda: layer(x))
    before = torch.backends.cudnn.benchmark, torch.get_rng_state()
    assert filled({"a": layer}, found)[1] == {}
    assert torch.backends.cudnn.benchmark == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_a_layer_that_runs_several_times_is_marked_each_time():
    layer = nn.Linear(4, 4)
    found = seen({"a": layer}, lambda: layer(layer(torch.rand(2, 4))))
    assert found["a"].given.gradient
    assert found["a"].gave.shape == (2, 4)


def test_a_layer_that_fails_leaves_the_stack_of_marks_in_order():
    modules = {"outer": nn.Sequential(nn.Linear(4, 4)), "inner": nn.Linear(4, 4)}
    modules["outer"][0] = modules["inner"]
    with Layers(modules) as layers:
        with pytest.raises(RuntimeError):
            modules["outer"](torch.rand(2, 5))
        modules["outer"](torch.rand(2, 4))
        assert layers._open == {"outer": [], "inner": []}
    assert set(layers.seen) == {"outer", "inner"}
