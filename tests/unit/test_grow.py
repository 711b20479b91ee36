"""What growing decides, played through against machines of a known memory."""

from dataclasses import replace
from typing import ClassVar

import pytest

from saih.app import Cost, Dial, Execution, InputError, Point
from saih.config.schema import Grow
from saih.records.record import Record
from saih.sweep.growth import Lane, decide, sizes

RUN = Execution(1, 4, "fp32", "plain", "synthetic")


class App:
    """Edge must be a multiple of 4; memory grows with its cube, the width and the batch."""

    name = "cubes"
    dials: ClassVar = {"edge": Dial("edge", minimum=4), "width": Dial("width", float, 1.0, minimum=0.25, step=0.25)}

    def validate(self, point):
        if point.size["edge"] % 4:
            raise InputError("edge: must be a multiple of 4")

    def cost(self, point):
        size = point.size
        return Cost(1, 1, 1, 1, memory_bytes=int(point.run.batch * size["width"] * size["edge"] ** 3))


def start(edge=8, width=1.0):
    return Point("cubes", {"edge": edge, "width": width}, RUN)


def play(grow, memory_bytes, lane=None, rate=lambda point: None, wall_s=1.0, fails=()):
    """Measure what is decided until the lane ends: the points in order, and the last decision."""
    app, lane, records, order = App(), lane or Lane(start()), {}, []
    while (decision := decide(app, grow, lane, records)).point:
        point = decision.point
        assert point.id not in records
        fits = app.cost(point).memory_bytes <= memory_bytes and point not in fails
        metrics = {"flop_per_s_per_device": {"value": rate(point)}} if fits else {}
        error = None if fits else {"kind": "oom", "message": "no memory left"}
        status = "ok" if fits else "oom"
        records[point.id] = Record(point.id, status, {}, metrics, provenance={"wall_s": wall_s}, error=error)
        order.append((point, status))
        assert len(order) < 100
    return order, decision


def edges(order):
    return [(point.size["edge"], status) for point, status in order]


def test_grows_to_the_end_of_memory_brackets_and_confirms_it():
    order, end = play(Grow(along={"edge": 2}, bisections=8), 4 * 44**3)
    assert edges(order) == [
        *((8, "ok"), (16, "ok"), (32, "ok"), (64, "oom")),
        *((44, "ok"), (52, "oom"), (48, "oom"), (44, "ok")),
    ]
    assert order[-1][0].repeat == 1
    assert end.why == "edge=44 width=1 is the largest that ran: edge=48 width=1 ended as oom (no memory left)"
    assert end.beyond is None


def test_bisects_as_often_as_asked():
    order, end = play(Grow(along={"edge": 2}, bisections=1), 4 * 44**3)
    assert edges(order)[4:] == [(44, "ok"), (44, "ok")]
    assert "edge=64 width=1 ended as oom" in end.why


def test_compound_growth_moves_all_dials():
    order, _ = play(Grow(along={"edge": 1.5, "width": 2}, bisections=0, flat_percent=None), 4 * 4 * 20**3)
    assert [tuple(point.size.values()) for point, _ in order] == [(8, 1), (12, 2), (20, 4), (28, 8), (20, 4)]


def test_flat_gain_ends_it():
    gains = {8: 1.0, 16: 2.0, 32: 2.02, 64: 2.03}
    order, end = play(Grow(along={"edge": 2}), 1e12, rate=lambda point: gains[point.size["edge"]])
    assert edges(order) == [(8, "ok"), (16, "ok"), (32, "ok"), (64, "ok")]
    assert end.why == "the last two steps gained less than 3 % each in FLOP/s a device"
    assert end.beyond.size["edge"] == 128


def test_one_flat_step_does_not_end_it():
    gains = {8: 1.0, 16: 1.01, 32: 1.5, 64: 1.51}
    order, end = play(Grow(along={"edge": 2}, steps=4), 1e12, rate=lambda point: gains[point.size["edge"]])
    assert len(order) == 4
    assert end.why == "sweep.grow.steps = 4 sizes were run"
    assert end.beyond.size["edge"] == 128


def test_time_budget_ends_it_and_says_before_what():
    order, end = play(Grow(along={"edge": 2}, budget_s=25), 1e12, wall_s=10)
    assert len(order) == 3
    assert end.why == "the time budget of 25 s is spent"
    assert end.beyond.size["edge"] == 64


def test_largest_batch_that_fits():
    lane = Lane(start(), device_bytes=16 * 8**3)
    order, end = play(Grow(along={"edge": 2}, bisections=0), 16 * 8**3, lane)
    assert [(point.size["edge"], point.run.batch, status) for point, status in order] == [
        *((8, 32, "oom"), (8, 16, "ok"), (16, 4, "oom"), (16, 2, "ok")),
        *((32, 1, "oom"), (16, 4, "oom"), (16, 2, "ok")),
    ]
    assert order[-1][0].repeat == 1
    assert "edge=16 width=1 is the largest that ran" in end.why


def test_first_size_too_large():
    order, end = play(Grow(along={"edge": 2}), 1)
    assert edges(order) == [(8, "oom")]
    assert end.why == "the first size already ended as oom (no memory left)"


def test_a_frontier_that_does_not_hold_is_told():
    confirmation = replace(start(32), repeat=1)
    _, end = play(Grow(along={"edge": 2}, bisections=0), 4 * 32**3, fails=[confirmation])
    assert "is the largest that ran; but that did not run a second time" in end.why


def test_deciding_anew_with_all_records_is_the_same_end():
    app, grow, lane, records = App(), Grow(along={"edge": 2}), Lane(start()), {}
    order, end = play(grow, 4 * 44**3)
    for point, status in order:
        records[point.id] = Record(point.id, status, {}, error={"message": "no memory left"})
    assert decide(app, grow, lane, records).why == end.why
    del records[order[2][0].id]
    assert decide(app, grow, lane, records).point == order[2][0]


@pytest.mark.parametrize(("factor", "expected"), [(1.05, [8, 12, 16, 20]), (3, [8, 24, 72, 216])])
def test_sizes_are_legal_and_rise(factor, expected):
    found = [point.size["edge"] for point in sizes(App(), Grow(along={"edge": factor}, steps=4), start())]
    assert found == expected
