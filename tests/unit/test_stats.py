import math
import random

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from saih.statistics.intervals import (
    MIN_STEPS,
    change_percent,
    independent_median_interval,
    kendall_chance,
    outliers,
    spread_percent,
    steady_from,
    student_t,
)


def test_six_values_need_the_whole_range_and_know_their_confidence():
    found = independent_median_interval([3, 1, 2, 6, 5, 4])
    assert (found.low, found.middle, found.high) == (1, 3.5, 6)
    assert found.confidence == pytest.approx(1 - 2 / 2**6)


def test_few_values_have_less_confidence_than_asked():
    assert independent_median_interval([1.0, 2.0, 3.0]).confidence == pytest.approx(0.75)
    assert independent_median_interval([1.0]).confidence == 0


def test_order_statistics_of_twenty_values_against_the_published_table():
    found = independent_median_interval(
        list(range(1, 21))
    )  # Conover, Practical Nonparametric Statistics: ranks 6 and 15 at 95 %
    assert (found.low, found.high) == (6, 15)
    assert found.confidence == pytest.approx(0.9586, abs=1e-4)


def test_coverage_is_what_it_says():
    draw = random.Random(1)
    hits = 0
    for _ in range(2000):
        found = independent_median_interval([draw.expovariate(1) for _ in range(15)])
        hits += found.low <= math.log(2) <= found.high
    assert 0.95 <= hits / 2000 <= 0.98  # nominal 0.965


def test_nothing_to_measure():
    with pytest.raises(ValueError, match="no values"):
        independent_median_interval([])


def test_student_s_quantiles_are_scipy_s():
    for confidence in (0.5, 0.9, 0.95, 0.99):
        for free in (1, 2, 3, 4, 7, 10, 19, 60):
            expected = scipy.stats.t.ppf(0.5 + confidence / 2, free)
            assert student_t(confidence, free) == pytest.approx(expected, rel=1e-9)


def stop(step_s, most=400):
    """How many steps a warm-up takes that asks `steady_from` as measuring does."""
    n = MIN_STEPS
    while steady_from([step_s(i) for i in range(n)]) is None and n < most:
        n += math.ceil(n / 4)
    return n


@pytest.mark.parametrize(
    ("step_s", "least", "most"),
    [
        (lambda i: 1.0, 8, 30),
        (lambda i: 30.0 if i < 1 else 1.0, 8, 40),  # a compilation
        (lambda i: 2.0 if i < 3 else 1.0, 8, 60),
        (lambda i: 1 + 0.02 * max(0, 30 - i), 31, 250),  # 2 % faster every step: no step is much faster than the last
        (lambda i: 1 + 0.5 * 0.97**i, 60, 500),
    ],
)
def test_a_warm_up_lasts_until_steps_get_no_faster(step_s, least, most):
    found = []
    for seed in range(15):
        draw = random.Random(seed)
        noise = [draw.gauss(1, 0.01) for _ in range(500)]
        found.append(stop(lambda i, noise=noise: step_s(i) * noise[i]))
    assert sum(each >= least for each in found) >= 12
    assert sum(each <= most for each in found) >= 14


def test_steady_from_says_where_the_slow_start_ends():
    for slow, n in ((4, 20), (15, 200)):
        found = []
        for seed in range(20):
            draw = random.Random(seed)
            found.append(steady_from([draw.gauss(5 if i < slow else 1, 0.01) for i in range(n)]))
        assert all(each is None or each >= slow for each in found)
        assert found.count(slow) >= 8  # None: the rest seems to fall by chance, which costs some more steps
    assert steady_from([1.0] * (MIN_STEPS - 1)) is None


def test_mser_against_its_definition():
    draw = random.Random(5)
    x = np.array([draw.gauss(1 + 2 * math.exp(-i / 2), 0.05) for i in range(30)])
    errors = [x[d:].var() / (len(x) - d) for d in range(16)]
    assert steady_from(list(x)) == int(np.argmin(errors)) > 3


def test_a_change_is_theil_and_sen_s_slope_with_kendall_s_chance():
    draw = random.Random(4)
    values = [10 - 0.1 * i + draw.gauss(0, 0.3) for i in range(20)]
    slope = scipy.stats.theilslopes(values).slope
    assert change_percent(values) == pytest.approx(100 * slope * 19 / scipy.stats.tmean(values), rel=0.05)
    kendall = scipy.stats.kendalltau(range(20), values, method="asymptotic").pvalue
    assert kendall_chance(values) == pytest.approx(kendall, rel=0.3)
    assert kendall_chance(values) < 0.001


def test_independent_values_that_only_scatter_rarely_look_like_a_trend():
    draw = random.Random(6)
    found = [kendall_chance([draw.gauss(1, 0.1) for _ in range(15)]) for _ in range(600)]
    assert sum(p < 0.05 for p in found) / 600 == pytest.approx(0.05, abs=0.025)
    assert kendall_chance([1.0, 2.0, 3.0]) == 1
    assert kendall_chance([1.0] * 9) == 1


def test_many_values_are_averaged_before_pairs_are_made_of_them():
    values = [1 + 1e-4 * i for i in range(20_000)]  # pairs of them all would take minutes
    assert change_percent(values) == pytest.approx(100 * 2 / 2, rel=0.02)
    assert kendall_chance(values) < 1e-9


def test_outliers_are_counted_and_the_farthest_is_told():
    values = [1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 5.0, 3.0]
    found = outliers(values)
    assert (found.count, found.worst) == (2, 5.0)
    assert outliers([1.0, 1.0, 1.0, 9.0]).count == 0  # half are equal: there is no scale
    draw = random.Random(1)
    assert outliers([draw.gauss(1, 0.1) for _ in range(200)]).count <= 3


def test_the_spread_is_the_distance_of_the_quartiles():
    values = [4.0, 1.0, 3.0, 2.0, 5.0]
    assert spread_percent(values) == pytest.approx(100 * (np.percentile(values, 75) - np.percentile(values, 25)) / 3)
    assert spread_percent([2.0]) == 0


SLOW_STARTS = {
    "spike": lambda i, height, slow: 10 * height if i == 0 else 0.0,
    "step": lambda i, height, slow: height if i < slow else 0.0,
    "decay": lambda i, height, slow: height * math.exp(-i / slow),
}


@given(
    kind=st.sampled_from(sorted(SLOW_STARTS)),
    height=st.floats(1, 50),
    slow=st.integers(1, MIN_STEPS - 1),
    unit=st.floats(1e-6, 1e3),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=120, deadline=None, derandomize=True)
def test_a_slow_start_is_over_when_a_warm_up_ends_and_is_found_once_it_is_a_third(kind, height, slow, unit, seed):
    """A compilation, some slow steps, or steps that settle by a constant share each, and 1 % of noise."""
    draw = random.Random(seed)
    excess = [SLOW_STARTS[kind](i, height, slow) for i in range(400)]
    steps = [unit * (1 + each) * draw.gauss(1, 0.01) for each in excess]
    assert excess[stop(lambda i: steps[i])] < 0.05
    for n in (40, 80):
        start = steady_from(steps[:n])
        assert start is None or excess[start] < 0.05
