"""The judgement itself, on records that are made by hand: what is right, missed, accused, and how gains are judged."""

import pytest

from saih.records.record import Record
from tests.planted import scoring
from tests.planted.plants import PLANTS, Planting, cause_of, control, distinct, strengths
from tests.planted.scoring import judged


def made(dials, step_s, *causes, status="ok", repeat=0):
    """A record of the toy; ``causes`` are (cause, kind, saved_s)."""
    size = {dial: dials.get(dial, 0) for dial in PLANTS}
    entries = [{"cause": cause, "kind": kind, "saved_s": saved_s} for cause, kind, saved_s in causes]
    metrics = {} if step_s is None else {"step_s": {"value": step_s}}
    diagnosis = {"verdict": "as it is", "causes": entries}
    return Record(f"{size}{repeat}", status, {"size": size, "repeat": repeat}, metrics, diagnosis=diagnosis)


COMPUTE = ("compute", None, 0.1)
BARE = made({"products": 2}, 0.1, COMPUTE)


def judge(*found, **shares):
    """``shares``: what each plant costs, a share or one a pair, at every point that has it."""
    cost = {dial: each if isinstance(each, list) else [each] for dial, each in shares.items()}
    return judged(found, {record.id: {k: v for k, v in cost.items() if record.point["size"][k]} for record in found})


def test_a_plant_costs_the_median_of_its_pairs_and_its_gain_is_a_share_of_the_step():
    point = made({"products": 2, "passes": 2}, 0.16, COMPUTE, ("memory", None, 0.07))
    found = judge(BARE, point, passes=[0.4, 0.375, -0.2, 0.9, 0.36])
    memory = next(f for f in found[1].plants if f.plant == "memory")
    assert memory.share == 0.375
    assert memory.saved_s == pytest.approx(0.06)
    assert memory.gain_error == pytest.approx(0.01 / 0.06)
    assert next(f for f in found[1].plants if f.plant == "compute").share is None  # of so few it is not measured
    assert not scoring.complaints(found)


def test_a_plant_that_matters_must_be_named_and_a_weak_one_need_not():
    for share, missed in ((0.14, []), (0.16, [("missed", "products=2 calls=30", "host")])):
        assert list(scoring.complaints(judge(made({"products": 2, "calls": 30}, 0.1, COMPUTE), calls=share))) == missed


def test_what_a_plant_costs_is_judged_by_its_interval():
    """Of six pairs that is their whole range."""
    shares = [0.3, 0.32, 0.34, 0.36, 0.38, 0.4]
    unnamed = made({"products": 2, "calls": 9}, 1.0, COMPUTE)
    assert [kind for kind, _, _ in scoring.complaints(judge(unnamed, calls=shares))] == ["missed"]
    assert not scoring.complaints(judge(unnamed, calls=[0.1, *shares[1:]]))
    for predicted_s, wrong in ((0.21, 0), (0.19, 1), (0.52, 0), (0.54, 1)):
        point = made({"products": 2, "calls": 9}, 1.0, ("host", None, predicted_s))
        assert [kind for kind, _, _ in scoring.complaints(judge(point, calls=shares))] == ["gain"] * wrong


def test_the_first_products_cost_what_their_operations_are_of_the_others():
    """14 units of arithmetic beside 20 of passes; without one of the five products 3 of the 34 are gone."""
    (found,) = judge(made({"products": 5, "passes": 1}, 0.34), products=3 / 34)
    assert found.plants[0].share == pytest.approx(14 / 34)


@pytest.mark.parametrize("cause", [("memory", None, 0.05), ("input", "decode", 0.05), ("kernels", None, 0.05)])
def test_naming_what_was_not_planted_is_an_accusation(cause):
    wrong = made({"products": 2, "reads_mb": 4}, 0.2, COMPUTE, ("input", "storage", 0.1), cause)
    name = cause_of({"cause": cause[0], "kind": cause[1]})
    accused = scoring.complaints(judge(wrong, reads_mb=0.5))
    assert list(accused) == [("accused", "products=2 reads_mb=4", name)]
    assert list(scoring.complaints(judge(made({"products": 2}, 0.1, cause)))) == [("accused", "products=2", name)]


def test_a_gain_may_be_a_third_off():
    for predicted_s, wrong in ((0.13, 0), (0.14, 1), (0.07, 0), (0.06, 1)):
        point = made({"products": 2, "passes": 2}, 0.2, ("memory", None, predicted_s))
        assert [kind for kind, _, _ in scoring.complaints(judge(point, passes=0.5))] == ["gain"] * wrong


def test_a_point_that_fails_of_its_hoard_has_its_capacity_to_blame_and_one_that_runs_has_not():
    hoards = made({"products": 2, "hoard_mb": 9}, None, ("capacity", None, None), status="oom")
    small = made({"products": 2, "hoard_mb": 1}, 0.1, COMPUTE)
    found = judge(BARE, small, hoards)
    assert [f.share for each in found for f in each.plants if f.plant == "capacity"] == [0, 1]
    assert not scoring.complaints(found)
    silent = made({"products": 2, "hoard_mb": 9}, None, status="oom")
    assert list(scoring.complaints(judge(silent))) == [("missed", "products=2 hoard_mb=9", "capacity")]
    blamed = made({"products": 2, "hoard_mb": 1}, 0.1, ("capacity", None, None))
    assert list(scoring.complaints(judge(blamed))) == [("accused", "products=2 hoard_mb=1", "capacity")]


def test_the_matrix_counts_points_and_limits_say_from_where_a_plant_is_named():
    weak, strong = (made({"products": 2, "calls": n}, 0.125, COMPUTE) for n in (15, 25))
    named = made({"products": 2, "calls": 100}, 0.2, COMPUTE, ("host", None, 0.12))
    points = zip((weak, strong, named), (0.13, 0.2, 0.5), strict=True)
    found = judged([BARE, weak, strong, named], {record.id: {"calls": [share]} for record, share in points})
    assert scoring.confusion(found) == {
        "nothing": {"points": 1, "none of these": 1},
        "host": {"points": 2, "none of these": 1, "host": 1},
    }
    host = scoring.limits(found)["host"]
    assert host["named_from_share"] == pytest.approx(0.5)
    assert host["not_named_up_to_share"] == pytest.approx(0.2)
    assert host["gain_error"]["median"] == pytest.approx(0.2)


def test_a_sweep_has_exactly_the_points_that_were_planted():
    base = {"products": 2}
    planting = Planting("p", distinct(control(base), strengths(base, "calls", [5, 9]), control(base)), ranks=2)
    config = planting.config("files", "cpu", 1.0)
    assert [{k: v for k, v in rule.items() if v} for rule in config["sweep"]["only"]] == [
        {"products": 2}, {"products": 2, "calls": 5}, {"products": 2, "calls": 9},
    ]  # fmt: skip
    assert config["size"]["calls"] == [0, 5, 9]
    assert config["size"]["products"] == [2]


def test_a_second_look_takes_the_points_that_complaints_are_about():
    points = [{"products": 2, **more} for more in ({}, {"passes": 1}, {"calls": 2}, {"passes": 1, "calls": 2})]
    assert scoring.involved(points, [("missed", "products=2 passes=1 calls=2", "host")]) == [points[3]]
    wrong = [("gain", "products=2 passes=1", "memory"), ("accused", "products=2", "input")]
    assert scoring.involved(points, wrong) == points[:2]
