"""The toy of planted bottlenecks on a CUDA device: its types, and its copies."""

from __future__ import annotations

import pytest
import torch

from tests.toys.planted import APP
from tests.unit.test_cosmoflow_training import Alone
from tests.unit.test_planted_toy import point

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]


class OnDevice(Alone):
    device = "cuda:0"


@pytest.mark.filterwarnings("ignore:Attempting to run cuBLAS")  # a thread's first product, backward
@pytest.mark.parametrize(
    ("precision", "kind"),
    [("fp32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_products_are_of_the_precision_asked_for(precision: str, kind: torch.dtype) -> None:
    before = torch.backends.cuda.matmul.allow_tf32
    work = APP.build(OnDevice(), point(precision=precision, n=256, passes=2, calls=10))
    work.run(3)
    assert work._y.dtype == kind
    assert torch.backends.cuda.matmul.allow_tf32 == (precision == "tf32")
    assert work.check() is None
    work.close()
    torch.backends.cuda.matmul.allow_tf32 = before


def test_copies_take_the_time_of_copies_and_are_input() -> None:
    work = APP.build(OnDevice(), point(copies_mb=200))
    work.run(2)
    ran = work.run(5)
    torch.cuda.synchronize()
    copied = ran.finished().phases
    assert 1e9 < 5 * 200e6 / copied["h2d_s"] < 1e12  # bytes a second, of any link there is
    assert copied["copy_wait_s"] == copied["h2d_s"]  # nothing else runs on their stream meanwhile
    lacking = work.without("input")
    assert lacking is not None
    assert lacking.run(5).finished().phases["h2d_s"] == 0.0
    unwaited = work.without("input_wait")
    assert unwaited is not None
    ran = unwaited.run(5)
    torch.cuda.synchronize()
    beside = ran.finished().phases
    assert beside["h2d_s"] > 0 == beside["copy_wait_s"]
    work.close()
