"""fp32 must be fp32, while the application is what it was during its steps."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest

from saih.app import Cost, Execution, Point, Ran
from saih.metrics.soundness import FP32_ERROR, reduced_precision
from saih.worker import arithmetic, main
from saih.worker.arithmetic import _error, errors


def test_fp32_that_is_none_is_invalid_and_nothing_else():
    assert reduced_precision({"arithmetic": {"matrix_product_error": 4.8e-4}}, "fp32").startswith(
        "a matrix product in fp32"
    )
    assert reduced_precision({"arithmetic": {"convolution_error": 2e-6}}, "fp32") is None
    assert reduced_precision({"arithmetic": {"convolution_error": 4e-3}}, "bf16") is None
    assert reduced_precision({}, "fp32") is None


@pytest.mark.parametrize("errors_seen", [(4.9e-4, 0.0), (0.0, 4.9e-4)])
def test_one_product_that_is_not_fp32_is_enough(errors_seen):
    found = dict(zip(("matrix_product_error", "convolution_error"), errors_seen, strict=True))
    assert reduced_precision({"arithmetic": found}, "fp32")


def test_products_in_fp32_are_and_in_shorter_types_are_seen():
    import torch

    assert max(errors("cpu").values()) < FP32_ERROR / 16
    exact = torch.rand(64, 64, generator=torch.Generator().manual_seed(1)) + 1
    bits = exact.view(torch.int32)
    tf32 = ((bits + (1 << 12)) & ~((1 << 13) - 1)).view(torch.float32)  # rounded to 10 bits
    assert 4 * FP32_ERROR < _error(exact, lambda _: tf32) < 2.0**-10
    assert _error(exact, lambda x: x.bfloat16().float()) > 2.0**-10


def test_errors_are_those_of_fp32_whatever_type_an_application_prefers():
    import torch

    torch.set_default_dtype(torch.bfloat16)
    try:
        assert max(errors("cpu").values()) < FP32_ERROR / 16
    finally:
        torch.set_default_dtype(torch.float32)


class Tidy:
    """An application, and its work, that sets TF32 on and puts the flag back when it is closed."""

    name, version, metrics = "tidy", "1", ()

    def build(self, context, point):
        import torch

        self._before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = True
        return self

    def cost(self, point):
        return Cost(1, 1, 1, 0, 1)

    def run(self, n):
        return Ran(n)

    def without(self, part):
        return None

    def check(self):
        return None

    def close(self):
        import torch

        torch.backends.cuda.matmul.allow_tf32 = self._before


class Alone(SimpleNamespace):
    """A worker of one rank."""

    def gather(self, value):
        return [value]


WORKER = Alone(
    rank=0,
    device="cpu",
    copy=None,
    telemetry=contextlib.nullcontext,
    whereabouts=lambda: {"host": "n1"},
    peak_memory_bytes=lambda: 1,
    **{name: lambda *_: None for name in ("begin_anew", "limit_memory", "lift_memory_limit", "progress")},
)


def measured(monkeypatch, errors_here, precision="fp32"):
    """The arithmetic of a point of `Tidy`, whose products have ``errors_here``; nothing is timed."""
    monkeypatch.setattr(main, "load", lambda _: Tidy())
    monkeypatch.setattr(main, "_timed", lambda *_: {})
    monkeypatch.setattr(arithmetic, "errors", errors_here)
    point = Point("tidy:APP", {}, Execution(1, 1, precision, "plain", "dataset"), {}, 0)
    request = {"point": point.to_dict(), "memory_gib": None, "no_profile": "not here"}
    return main.measure(WORKER, request)["samples"].get("arithmetic")


def of_flag(device):
    """As on a GPU, where products in fp32 are wrong by 2^-11 while TF32 is on."""
    import torch

    return {"matrix_product_error": 2.0**-11 if torch.backends.cuda.matmul.allow_tf32 else 2.0**-24}


def test_a_flag_that_is_put_back_in_the_end_is_seen(monkeypatch):
    import torch

    found = measured(monkeypatch, of_flag)
    assert not torch.backends.cuda.matmul.allow_tf32
    assert reduced_precision({"arithmetic": found}, "fp32")
    assert measured(monkeypatch, of_flag, "bf16") is None


@pytest.mark.parametrize("lack", [MemoryError(), RuntimeError("CUDA out of memory")])
def test_a_point_that_left_no_memory_is_checked_once_it_is_closed(monkeypatch, lack):
    answers = [lack, {"matrix_product_error": 1e-8}]

    def errors_here(device):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert measured(monkeypatch, errors_here) == {"matrix_product_error": 1e-8}
