"""Groups of work against ceilings, the roofline's data, and the bound of the layers' own shapes, by closed forms."""

from dataclasses import replace

import pytest

from saih.metrics.roofline import layer_bound, least_traffic
from saih.metrics.work_groups import groups
from tests.made_points import BYTES_PER_S, CEILINGS, FLOP_PER_S, Layer, Truth, passes, product


def judged(layer=None, outside=None, flop=None, ceilings=CEILINGS):
    """What a layer's forward part, or a class outside layers, is spent on."""
    profile = Truth((layer,) if layer else (), (outside,) if outside else ()).profile()
    (group,) = groups(profile, ceilings, flop)
    return group.cause


@pytest.mark.parametrize("alone_s", [None, 0.99])
@pytest.mark.parametrize("work", [product, passes])
@pytest.mark.parametrize("near", [0.09, 0.39])
def test_what_is_far_from_its_ceiling_is_due_to_its_kernels_arithmetic_and_traffic_alike(near, work, alone_s):
    assert judged(replace(work(1.0, near), alone_s=alone_s)) == "kernels"


@pytest.mark.parametrize(("near", "cause"), [(0.41, "compute"), (1.04, "compute"), (1.3, "compute")])
def test_arithmetic_counts_from_near_its_ceiling_on(near, cause):
    assert judged(product(1.0, near)) == cause


@pytest.mark.parametrize(
    ("near", "cause"), [(0.41, "memory"), (1.0, "memory"), (1.09, "memory"), (1.11, "cache"), (2.26, "cache")]
)
def test_traffic_that_the_memory_cannot_have_moved_came_from_caches(near, cause):
    assert judged(passes(1.0, near)) == cause


@pytest.mark.parametrize(("high", "cause"), [(1.0e11, "cache"), (1.2e11, "memory")])
def test_what_the_spread_of_the_bandwidth_explains_is_not_from_caches(high, cause):
    ends = {"memory_bytes_per_s_low": 0.9e11, "memory_bytes_per_s_high": high}
    assert judged(passes(1.0, 1.25), ceilings=CEILINGS | ends) == cause


@pytest.mark.parametrize(
    ("entry", "flop", "cause"),
    [
        ({"class": "pool", "bytes": 0.5e11}, None, "memory"),
        ({"class": "pool", "bytes": 0.1e11}, None, "kernels"),
        ({"class": "pool", "bytes": None}, None, None),
        ({"class": "fused", "bytes": 0.5e11}, None, "memory"),
        ({"class": "fused", "bytes": 0.1e11}, None, None),  # arithmetic may be within that nobody counted
        ({"class": "matrix product", "bytes": 0.1e11}, None, None),
        ({"class": "matrix product", "bytes": 0.1e11}, 0.5e12, "compute"),  # what no layer has is its own
        ({"class": "matrix product", "bytes": 0.1e11}, 0.2e12, "kernels"),
    ],
)
def test_work_outside_layers_is_judged_by_what_is_known_of_it(entry, flop, cause):
    assert judged(outside=entry | {"busy_s": 1.0}, flop=flop) == cause


def test_operations_outside_layers_are_what_layers_leave_shared_by_time():
    outside = tuple({"class": name, "busy_s": s, "bytes": 1.0} for name, s in (("convolution", 3.0), ("copy", 1.0)))
    outside += ({"class": "attention", "busy_s": 1.0, "bytes": 1.0},)
    found = groups(Truth((product(1.0),), outside).profile(), CEILINGS, 0.8e12 + 4e9)
    assert [group.flop for group in found] == pytest.approx([0.8e12, 3e9, 0.0, 1e9])


def test_communication_is_no_work():
    outside = ({"class": "communication", "busy_s": 1.0, "bytes": 1.0},)
    assert groups(Truth((), outside).profile(), CEILINGS, 1.0) == []


@pytest.mark.parametrize("missing", ["flop_per_s", "memory_bytes_per_s"])
def test_nothing_is_judged_by_half_of_the_ceilings(missing):
    assert judged(product(1.0), ceilings=CEILINGS | {missing: None}) is None


def test_backward_is_the_rest_of_the_step():
    profile = Truth((product(1.0, 0.5),)).profile()
    profile["layers"][0] |= {"backward_s": 2.0, "flop": 2.1e12, "bytes": 7e9, "alone_backward_s": 1.5}
    forward, backward = groups(profile, CEILINGS, None)
    assert (forward.flop, backward.flop) == (0.5e12, pytest.approx(1.6e12))
    assert (forward.bytes, backward.bytes) == (1e9, pytest.approx(6e9))
    assert backward.label == "product backward"
    assert backward.alone_s == 1.5


def test_the_layer_bound_is_the_layers_alone_and_the_least_traffic_of_the_rest():
    outside = ({"class": "elementwise", "busy_s": 5.0, "bytes": 2e11}, {"class": "sort", "busy_s": 5.0, "bytes": None})
    layers = (
        replace(product(3.0), alone_s=2.5),
        replace(product(1.0, name="faster beside others"), alone_s=1.4),
        product(4.0, 0.5, name="not alone"),
    )
    found = layer_bound(Truth(layers, outside).profile(), CEILINGS, None)
    assert found == {"seconds": pytest.approx(2.5 + 1.0 + 2.0 + 2.0), "alone": 2, "of": 3}


def test_there_is_no_layer_bound_without_layers_or_ceilings():
    why = {"why": {"layers": "execution compiled"}, "layers": None}
    assert layer_bound(Truth().profile() | why, CEILINGS, None) == {"why": "execution compiled"}
    assert "neither timed alone" in layer_bound(Truth().profile(), {}, None)["why"]
    alone = Truth((replace(product(1.0), alone_s=0.5),)).profile()
    assert layer_bound(alone, {}, None)["seconds"] == 0.5


def test_least_traffic_is_known_where_little_is_unknown():
    known = {"class": "copy", "busy_s": 9.5, "bytes": 2e9}
    unknown = {"class": "sort", "busy_s": 0.5, "bytes": None}
    assert least_traffic(Truth((), (known, unknown)).profile()) == {"bytes": 2e9, "layers": 0}
    talk = {"class": "communication", "busy_s": 20.0, "bytes": None}
    assert least_traffic(Truth((), (known, talk)).profile()) == {"bytes": 2e9, "layers": 0}
    assert "why" in least_traffic(Truth((), (known | {"busy_s": 1.0}, unknown)).profile())
    assert least_traffic({"why": {"profile": "off"}}) == {"why": "off"}


def test_the_roofline_holds_the_point_and_its_layers():
    found = Truth((product(1.0), passes(2.0)), input_s=1.0).diagnosis()["roofline"]
    assert found["ridge_flop_per_byte"] == FLOP_PER_S / BYTES_PER_S == 10
    flop, moved = 0.8e12 + 0.02e12, 0.01e11 + 1.6e11
    assert found["point"] == pytest.approx(
        {"flop": flop, "bytes": moved, "layer_bytes": moved, "intensity": flop / moved, "flop_per_s": flop / 4.0}
    )
    first, second = found["layers"]
    assert (first["limit"], first["limit_s"]) == ("compute", pytest.approx(0.8))
    assert (second["limit"], second["limit_s"]) == ("memory", pytest.approx(1.6))
    assert second["flop_per_s"] == pytest.approx(0.01e12)
    assert found["bound_s"] == pytest.approx(0.8 + 1.6)


def test_an_uncounted_layer_has_no_mark():
    truth = Truth((product(1.0), Layer("uncounted", 1.0, None, None)))
    profile = truth.profile()
    assert [group.cause for group in groups(profile, CEILINGS, None)] == ["compute", None]
