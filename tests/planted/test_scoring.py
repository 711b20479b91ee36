"""The judgement itself, on records that are made by hand: what is right, missed, accused, and how gains are judged."""

import pytest

from saih.records import Record
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


BARE = made({"products": 2}, 0.1, ("compute", None, 0.1))
COMPUTE = ("compute", None, 0.1)


def test_a_plant_costs_what_the_step_is_longer_than_without_it():
    found = judged([BARE, made({"products": 2, "passes": 2}, 0.16, COMPUTE, ("memory", None, 0.07))])
    memory = next(f for f in found[1].plants if f.plant == "memory")
    assert memory.share == pytest.approx(0.06 / 0.16)
    assert memory.gain_error == pytest.approx(0.01 / 0.06)
    assert next(f for f in found[1].plants if f.plant == "compute").share is None  # there is no point of passes alone
    assert not scoring.complaints(found)


def test_a_plant_that_matters_must_be_named_and_a_weak_one_need_not():
    found = judged([BARE, *(made({"products": 2, "calls": n}, 0.1 + n / 1000, COMPUTE) for n in (10, 30))])
    assert list(scoring.complaints(found)) == [("missed", "products=2 calls=30", "launch")]


def test_the_first_product_costs_what_its_operations_are_of_the_others():
    """2 and 14 units: with 20 units of passes beside them the larger one's arithmetic is 14 of 34."""
    found = judged([made({"products": k, "passes": 1}, 0.2 + 0.01 * (3 * k - 1)) for k in (1, 5)])
    assert [f.share for each in found for f in each.plants if f.plant == "compute"] == [None, pytest.approx(14 / 34)]


@pytest.mark.parametrize("cause", [("memory", None, 0.05), ("input", "decode", 0.05), ("kernels", None, 0.05)])
def test_naming_what_was_not_planted_is_an_accusation(cause):
    wrong = made({"products": 2, "reads_mb": 4}, 0.2, COMPUTE, ("input", "storage", 0.1), cause)
    name = cause_of({"cause": cause[0], "kind": cause[1]})
    assert list(scoring.complaints(judged([BARE, wrong]))) == [("accused", "products=2 reads_mb=4", name)]
    assert list(scoring.complaints(judged([made({"products": 2}, 0.1, cause)]))) == [("accused", "products=2", name)]


def test_a_gain_may_be_a_third_off():
    for predicted_s, wrong in ((0.13, 0), (0.14, 1), (0.07, 0), (0.06, 1)):
        point = made({"products": 2, "passes": 2}, 0.2, ("memory", None, predicted_s))
        assert [kind for kind, _, _ in scoring.complaints(judged([BARE, point]))] == ["gain"] * wrong


def test_replicates_are_compared_with_their_own_kind():
    again = made({"products": 2}, 0.3, repeat=1)
    planted = [made({"products": 2, "passes": 2}, 0.4, repeat=repeat) for repeat in (0, 1)]
    shares = {(each.repeat, f.plant): f.share for each in judged([BARE, again, *planted]) for f in each.plants}
    assert (shares[0, "memory"], shares[1, "memory"]) == (pytest.approx(0.75), pytest.approx(0.25))


def test_a_point_that_fails_of_its_hoard_has_its_capacity_to_blame_and_one_that_runs_has_not():
    hoards = made({"products": 2, "hoard_mb": 9}, None, ("capacity", None, None), status="oom")
    small = made({"products": 2, "hoard_mb": 1}, 0.1, COMPUTE)
    found = judged([BARE, small, hoards])
    assert [f.share for each in found for f in each.plants if f.plant == "capacity"] == [0, 1]
    assert not scoring.complaints(found)
    silent = made({"products": 2, "hoard_mb": 9}, None, status="oom")
    assert list(scoring.complaints(judged([BARE, silent]))) == [("missed", "products=2 hoard_mb=9", "capacity")]
    blamed = made({"products": 2, "hoard_mb": 1}, 0.1, ("capacity", None, None))
    assert list(scoring.complaints(judged([BARE, blamed]))) == [("accused", "products=2 hoard_mb=1", "capacity")]


def test_the_matrix_counts_points_and_limits_say_from_where_a_plant_is_named():
    weak, strong = (made({"products": 2, "calls": n}, 0.1 + n / 1000, COMPUTE) for n in (15, 25))
    named = made({"products": 2, "calls": 100}, 0.2, COMPUTE, ("launch", None, 0.12))
    found = judged([BARE, weak, strong, named])
    assert scoring.confusion(found) == {
        "nothing": {"points": 1, "none of these": 1},
        "launch": {"points": 2, "none of these": 1, "launch": 1},
    }
    launch = scoring.limits(found)["launch"]
    assert launch["named_from_share"] == pytest.approx(0.5)
    assert launch["not_named_up_to_share"] == pytest.approx(0.2)
    assert launch["gain_error"]["median"] == pytest.approx(0.2)


def test_a_sweep_has_exactly_the_points_that_were_planted():
    base = {"products": 2}
    planting = Planting("p", distinct(control(base), strengths(base, "calls", [5, 9]), control(base)), ranks=2)
    config = planting.config("files", "cpu", 1.0)
    assert [{k: v for k, v in rule.items() if v} for rule in config["sweep"]["only"]] == [
        {"products": 2}, {"products": 2, "calls": 5}, {"products": 2, "calls": 9},
    ]  # fmt: skip
    assert config["size"]["calls"] == [0, 5, 9]
    assert config["size"]["products"] == [2]


def test_a_second_look_takes_the_point_and_those_it_is_judged_by():
    a, b, both, other = (
        {"products": 2, **more} for more in ({"passes": 1}, {"calls": 2}, {"passes": 1, "calls": 2}, {})
    )
    points = [other, a, b, both, {"products": 2, "calls": 9}, {"products": 1, "passes": 1}]
    assert scoring.involved(points, [("missed", "products=2 passes=1 calls=2", "launch")]) == [a, b, both]
    assert scoring.involved(points, [("gain", "products=2 passes=1", "memory")]) == [other, a, points[-1]]
