"""Advice knows how a point ran and what its work is; nothing is advised that is there already, or cannot help."""

import pytest

from saih.diagnosis import diagnose, out_of_memory
from tests.made_points import CEILINGS, Truth, passes, product

LONG = Truth((product(1.0, 0.2),), operations=30)  # one of 33 ms
SHORT = Truth((product(1.0, 0.2),), operations=30_000)
MEMORY = Truth((passes(1.0),))
HOST = Truth((product(0.2),), gaps_s=0.8, operations=30_000)
CALLS = Truth((product(0.2),), gaps_s=0.8, device="cpu", operations=60_000)
POINTS = {"long": LONG, "short": SHORT, "memory": MEMORY, "host": HOST, "calls": CALLS, "compute": Truth()}


def helps(truth, **run):
    """All that is advised."""
    return " ".join(cause["help"] for cause in truth.diagnosis(**run)["causes"])


@pytest.mark.parametrize("execution", ["compiled", "graphed", "tuned"])
@pytest.mark.parametrize("name", list(POINTS))
def test_nobody_is_advised_what_the_point_has(name, execution):
    told = helps(POINTS[name], execution=execution, precision="bf16")
    assert "compiled execution" not in told
    assert "graphs" not in told or execution == "compiled"
    assert "precision" not in told


def test_a_plain_point_is_advised_to_compile():
    for name in ("long", "short", "host", "calls"):
        assert "compiled execution" in helps(POINTS[name], execution="plain"), name


def test_work_in_few_long_kernels_is_not_advised_to_have_more_in_each():
    assert "(larger batch, more channels)" in helps(SHORT, execution="plain")
    assert "A larger batch would not help" in helps(LONG, execution="plain")
    long_and_gaps = HOST.but(operations=100)
    assert "larger batch" not in helps(long_and_gaps, execution="plain").replace("A larger batch would not help", "")


@pytest.mark.parametrize(("precision", "lower"), [("fp32", True), ("tf32", True), ("bf16", False), ("fp16", False)])
def test_a_lower_precision_is_advised_where_there_is_one(precision, lower):
    for truth in (MEMORY, Truth()):
        assert ("lower precision" in helps(truth, precision=precision)) == lower
    retries = Truth().samples() | {"telemetry": [{"allocation_retries": 3}]}
    causes = diagnose(Truth().metrics(), retries, CEILINGS, "cuda", {"precision": precision})["causes"]
    assert ("lower precision" in causes[-1]["help"]) == lower
    ended = out_of_memory("out of memory", 2, 1, {"precision": precision})
    assert ("lower precision" in ended["causes"][0]["help"]) == lower


def test_fusing_is_advised_where_there_is_elementwise_work():
    elementwise = {"class": "elementwise", "bytes": 0.8e11, "busy_s": 1.0}
    assert "fuse elementwise" in helps(MEMORY.but(outside=(elementwise,)))
    assert "fuse" not in helps(MEMORY)
    assert "fuse" not in helps(MEMORY.but(outside=(elementwise | {"bytes": 0.8e9, "busy_s": 0.01},)))
    assert helps(MEMORY, precision="bf16").startswith("Left are algorithms that move fewer bytes")


def test_without_knowing_how_the_point_ran_all_of_it_is_advised():
    samples = HOST.samples()
    causes = diagnose(HOST.metrics(samples), samples, CEILINGS, "cuda")["causes"]
    assert "compiled execution or CUDA graphs" in causes[0]["help"]
