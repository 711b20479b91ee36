"""What the toy of planted bottlenecks says of itself is what torch counts, and it refuses what it cannot do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from saih.app import Execution, InputError, Point
from tests.toys.planted import APP
from tests.unit.test_cosmoflow_training import PHASES, Alone

pytestmark = pytest.mark.usefixtures("one_thread")


def point(ranks: int = 1, precision: str = "fp32", data: dict[str, Any] | None = None, **dials: int) -> Point:
    size = {name: dial.default for name, dial in APP.dials.items()} | {"n": 64, "array_mb": 1} | dials
    run = Execution(ranks=ranks, batch=3, precision=precision, execution="plain", input="dataset")
    return Point("planted", size, run, APP.resolve_data(data or {}))


def test_each_layer_computes_and_moves_what_it_says() -> None:
    wanted = point(products=3, passes=5)
    layers, work = APP.layers(wanted), APP.build(Alone(), wanted)
    modules = work.layers()
    assert list(modules) == [layer.name for layer in layers]
    moved, begun = {}, set()

    def seen(module: nn.Module, given: tuple[torch.Tensor], out: torch.Tensor) -> None:
        written = out.nbytes  # also where it is the input's own memory
        moved[module] = given[0].nbytes + written + sum(parameter.nbytes for parameter in module.parameters())
        begun.add(out.data_ptr())

    for module in modules.values():
        module.register_forward_hook(seen)
    with FlopCounterMode(display=False) as counter:
        work.run(1)
    work.close()
    assert [moved[modules[layer.name]] for layer in layers] == [layer.forward_bytes for layer in layers]
    assert len(begun) >= 4  # passes take arrays in turn
    whole = APP.cost(wanted)
    assert counter.get_total_flops() == sum(layer.flop for layer in layers) == 3 * whole.flop_per_sample
    assert sum(layer.forward_flop for layer in layers) == 3 * whole.forward_flop_per_sample


def test_nothing_planted_is_nothing_but_products(tmp_path) -> None:
    work = APP.build(Alone(), point())
    ran = work.run(2).finished()
    assert ran.phases == dict.fromkeys(PHASES, 0.0)
    assert (ran.samples, ran.read_bytes) == (2 * 3, 0)
    for part in ("input", "input_wait", "communication"):
        assert work.without(part) is None
    assert work.check() is None
    work.close()


def test_input_is_read_and_inflated_one_step_ahead_and_not_between_runs(tmp_path) -> None:
    wanted = point(reads_mb=1, inflate_mb=2, data={"folder": str(tmp_path)})
    assert APP.prepare(Alone(), [wanted]) == {"planted": {"path": str(tmp_path)}}
    work = APP.build(Alone(), wanted)
    done, source = [], work.source
    all_of_it = source._work
    source._work = lambda: done.append(all_of_it()) or done[-1]
    for n, so_far in ((3, 4), (2, 6)):
        ran = work.run(n).finished()
        assert len(done) == so_far
        assert ran.read_bytes == n * 10**6
        assert ran.phases["read_s"] > 0
        assert ran.phases["decode_s"] > 0
        assert 0 < ran.phases["storage_wait_s"] + ran.phases["decode_wait_s"] <= ran.phases["input_wait_s"] + 1e-9
    lacking = work.without("input")
    assert set(lacking.run(3).finished().phases.values()) == {0.0}
    assert len(done) == 6
    unwaited = work.without("input_wait")
    assert set(unwaited.run(3).finished().phases.values()) == {0.0}
    assert len(done) in (7, 8, 9)  # as many as were there in time, and none is under way
    assert source._ahead.done()
    assert work.run(2).finished().phases["read_s"] > 0
    work.close()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (lambda: point(precision="fp64"), r"run.precision = fp64: must be one of fp32, tf32, bf16, fp16"),
        (lambda: point(reads_mb=1), r"size.reads_mb = 1: needs data: \{folder: PATH\}"),
        (lambda: point(sums_mb=1), r"size.sums_mb = 1: needs run.ranks of at least 2"),
        (lambda: point(late=1), r"size.late = 1: needs run.ranks of at least 2"),
        (lambda: point(data={"path": "x"}), r"data.path: unknown key; allowed: folder"),
    ],
)
def test_what_cannot_be_had_is_refused(wanted, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        APP.validate(wanted())


def test_a_cpu_has_one_precision_and_no_copies() -> None:
    with pytest.raises(InputError, match=r"^run.precision = bf16: needs a CUDA device; allowed on a CPU: fp32"):
        APP.build(Alone(), point(precision="bf16"))
    with pytest.raises(InputError, match=r"^size.copies_mb = 5: needs a CUDA device; allowed on a CPU: 0"):
        APP.build(Alone(), point(copies_mb=5))
