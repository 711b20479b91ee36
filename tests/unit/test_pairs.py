"""Differences of neighbouring blocks: the signed-rank test against scipy's, and its interval against its definition."""

import random

import numpy as np
import pytest
import scipy.stats

from benchmarks.null_study import accused, odd, samples
from saih.statistics import paired
from saih.statistics.paired import difference_interval, shown, signed_rank_chance


def differences(seed, n, middle=0.0):
    draw = random.Random(seed)
    return [draw.gauss(middle, 1) for _ in range(n)]


@pytest.mark.parametrize("n", [3, 8, 15, 40, 80])
def test_the_chance_is_scipy_s(n):
    for seed in range(5):
        values = differences(seed, n, 0.3)
        method = "exact" if n <= 60 else "asymptotic"
        wanted = scipy.stats.wilcoxon(values, alternative="greater", method=method, correction=True).pvalue
        assert signed_rank_chance(values) == pytest.approx(wanted, rel=0.02)


def test_ties_and_zeros_are_counted_by_all_their_signs():
    values = [1.0, 1.0, -1.0, 2.0, 0.0]
    signs = np.array(np.meshgrid(*[[-1, 1]] * 4)).reshape(4, -1)
    ranks = np.array([2.0, 2.0, 2.0, 4.0])
    seen = ranks @ np.array([1, 1, 0, 1])
    assert signed_rank_chance(values) == pytest.approx(((ranks @ (signs > 0)) >= seen).mean())
    assert signed_rank_chance([0.0, 0.0]) == 1


@pytest.mark.parametrize("n", [6, 9, 25])
def test_the_interval_s_ends_are_means_of_pairs(n):
    """Hollander and Wolfe: order statistics of the means of all pairs, each value with itself too."""
    values = differences(n, n)
    means = sorted((values[i] + values[j]) / 2 for i in range(n) for j in range(i, n))
    k = 0
    while paired._tail(tuple(2 * i for i in range(1, n + 1)))[2 * (n * (n + 1) // 2 - k)] <= 0.025:
        k += 1
    found = difference_interval(values)
    assert (found.low, found.high) == pytest.approx((means[k - 1], means[-k]))


def test_fewer_than_six_pairs_have_student_s_interval_or_more():
    values = [0.1, 0.2, 0.4]
    found = difference_interval(values)
    half = scipy.stats.t.ppf(0.975, 2) * np.std(values, ddof=1) / 3**0.5
    assert (found.low, found.high) == pytest.approx((0.2 - half, 0.2 + half))
    assert difference_interval([0.5]).confidence == 0


def test_the_interval_holds_as_often_as_it_says():
    found = [difference_interval(differences(seed, 12)) for seed in range(600)]
    assert sum(each.low <= 0 <= each.high for each in found) / 600 == pytest.approx(0.95, abs=0.025)


def test_fewer_than_eight_pairs_show_nothing_however_alike():
    assert not shown([1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.0])
    assert shown([1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.0, 1.03])


def test_noise_shows_nothing():
    found = [shown(differences(seed, n)) for seed in range(500) for n in (8, 12, 30)]
    assert sum(found) / len(found) <= 0.01


def test_the_latest_of_many_must_be_later_than_the_latest_of_many_is_by_chance():
    draw = random.Random(2)
    wrong = 0
    for _ in range(300):
        ranks = [[draw.gauss(0, 1) for _ in range(10)] for _ in range(64)]
        wrong += shown(max(ranks, key=sum), looks=64)
    assert wrong / 300 <= 0.02
    assert shown([draw.gauss(5, 1) for _ in range(10)], looks=64)


def test_points_without_any_effect_accuse_nothing():
    """A few of benchmarks/null_study.py, whose 2,000 are kept in benchmarks/results."""
    wrong = []
    for seed in range(120):
        draw = np.random.default_rng(seed)
        made = {
            "rounds": int(draw.choice([3, 5, 8, 20])),
            "rho": float(draw.choice([0.0, 0.5, 0.9])),
            "noise": 0.2,
            "shape": ("normal", "bimodal", "spiky")[seed % 3],
        }
        ranks = (1, 2, 8)[seed // 3 % 3]
        wrong += accused(samples(draw, ranks=ranks, **made), ranks)
    assert len(wrong) <= 2


def test_an_effect_is_named_where_rounds_are_enough_to_show_it():
    for rounds, named in ((3, []), (10, ["input"])):
        draw = np.random.default_rng(5)
        found = samples(draw, rounds=rounds, ranks=1, rho=0.3, noise=0.01, shape="normal", planted=0.2)
        assert accused(found, 1) == named


def test_a_slow_copy_is_odd_and_noise_is_not():
    quiet = {"rounds": 10, "copies": 8, "rho": 0.3, "noise": 0.01, "shape": "normal"}
    assert odd(np.random.default_rng(1), **quiet, slow=0.1) == [True] + 7 * [False]
    assert not any(odd(np.random.default_rng(1), **quiet))
