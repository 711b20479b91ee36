"""Intervals of values that followed one another: against closed forms where correlation is known, and by trials."""

import math
import random
import statistics

import numpy as np
import pytest
import scipy.stats

from saih.statistics import correlated
from saih.statistics.correlated import drift, mean_interval, median_interval, trend_chance

pytestmark = pytest.mark.slow


def ar1(seed, n, rho, sd=0.02):
    """A normal AR(1) process around 1."""
    draw = random.Random(f"{seed} {n} {rho}")
    x = draw.gauss(0, 1)
    found = []
    for _ in range(n):
        found.append(1 + sd * x)
        x = rho * x + math.sqrt(1 - rho * rho) * draw.gauss(0, 1)
    return found


def held(interval, truth, series):
    found = [interval(each) for each in series]
    return sum(each.low <= truth <= each.high for each in found) / len(found)


def test_with_one_correlation_it_is_the_interval_of_generalised_least_squares(monkeypatch):
    """Given r, the mean is Student's about the weighted mean: here by the full covariance matrix."""
    r, values = 0.6, np.array(ar1(1, 15, 0.6))
    monkeypatch.setattr(correlated, "CORRELATIONS", np.array([r]))
    inverse = np.linalg.inv(r ** np.abs(np.subtract.outer(np.arange(15), np.arange(15))))
    ones = np.ones(15)
    information = ones @ inverse @ ones
    off = values - ones @ inverse @ values / information
    error = math.sqrt(off @ inverse @ off / 14 / information)
    found = mean_interval(list(values))
    assert found.middle == pytest.approx(statistics.fmean(values))
    assert (found.high - found.low) / 2 == pytest.approx(scipy.stats.t.ppf(0.975, 14) * error, rel=1e-4)


def test_correlations_are_weighted_by_how_well_they_explain_the_values(monkeypatch):
    """The weights are the marginal likelihoods: here the integral over mean and scale is done numerically."""
    values = np.array([1.0, 1.3, 1.1, 0.7])
    monkeypatch.setattr(correlated, "CORRELATIONS", np.array([0.0, 0.8]))
    means, scales = np.linspace(-40, 42, 4001), np.exp(np.linspace(-7, 7, 1401))

    def marginal(r):
        covariance = r ** np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
        inverse, size = np.linalg.inv(covariance), np.linalg.det(covariance)
        off = values[:, None] - means
        squares = np.einsum("im,ij,jm->m", off, inverse, off)
        density = np.exp(-squares[:, None] / 2 / scales**2) / scales**4 / math.sqrt(size)
        return np.trapezoid(np.trapezoid(density / scales, scales, axis=1), means)

    wanted = np.array([marginal(0.0), marginal(0.8)])
    ones, y = correlated._whitened(np.ones(4)), correlated._whitened(values)
    information = (ones * ones).sum(1)
    squares = (y * y).sum(1) - (ones * y).sum(1) ** 2 / information
    weights = correlated._weights(3, 0.5 * np.log(information), 3, squares)
    assert weights == pytest.approx(wanted / wanted.sum(), rel=0.01)


@pytest.mark.parametrize("free", [1, 2, 3, 10, 59, 299])
def test_student_s_tails_are_scipy_s(free):
    t = np.array([0.0, 0.3, 1.0, 2.5, 5.0])
    assert correlated._beyond(t, free) == pytest.approx(scipy.stats.t.sf(t, free), rel=1e-3)


@pytest.mark.parametrize("interval", [mean_interval, median_interval])
@pytest.mark.parametrize(("n", "rho"), [(8, 0.0), (8, 0.8), (20, 0.5), (40, 0.0), (40, 0.8)])
def test_the_interval_holds_whatever_the_correlation(interval, n, rho):
    """More shapes, sizes and trials are kept in benchmarks/results/coverage.json."""
    assert held(interval, 1.0, [ar1(seed, n, rho) for seed in range(300)]) >= 0.91


def test_many_blocks_are_not_given_a_wide_interval():
    """Of 60 independent blocks it is at most a half wider than the one that knows them to be independent."""
    widths = []
    for seed in range(60):
        values = ar1(seed, 60, 0.0)
        found = mean_interval(values)
        plain = scipy.stats.t.ppf(0.975, 59) * statistics.stdev(values) / math.sqrt(60)
        widths.append((found.high - found.low) / 2 / plain)
    assert 1 <= statistics.median(widths) < 1.5


def test_few_late_blocks_are_in_the_mean_s_interval_and_not_in_the_median_s():
    """A rate is total over total time: one block in twenty half as long again moves it 2.5 % off the median."""
    series = []
    for seed in range(200):
        draw = random.Random(seed)
        series.append([draw.gauss(1, 0.005) * (1.5 if draw.random() < 0.05 else 1) for _ in range(60)])
    assert held(mean_interval, 1.025, series) >= 0.85
    assert held(median_interval, 1.025, series) <= 0.1
    assert held(median_interval, 1.0, series) >= 0.9


def test_blocks_that_move_once_have_an_interval_that_holds_both_levels():
    values = [1.0 + 0.001 * i for i in range(12)] + [2.0 + 0.001 * i for i in range(12)]
    found = median_interval(values)
    assert found.low < 1.05
    assert found.high > 1.95


def test_a_slow_drift_below_noise_widens_the_interval():
    """Neighbours hardly correlate, and yet the mean of 60 blocks is not known as if they were independent."""
    draw = random.Random(3)
    widths = {}
    for drifting in (False, True):
        values = [draw.gauss(1, 0.02) + drifting * 0.03 * math.sin(2 * math.pi * i / 60) for i in range(60)]
        found = mean_interval(values)
        widths[drifting] = (found.high - found.low) / statistics.stdev(values)
    assert widths[True] > 1.5 * widths[False]


def test_few_positive_values_have_a_positive_interval():
    for interval in (mean_interval, median_interval):
        found = interval([1.0, 0.2, 3.0], positive=True)
        assert 0 < found.low < found.middle < found.high < math.inf


def test_equal_values_and_a_single_one():
    for values in ([2.0] * 7, [2.0]):
        for interval in (mean_interval, median_interval):
            found = interval(values)
            assert (found.low, found.middle, found.high) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.7])
@pytest.mark.parametrize("n", [10, 40])
def test_blocks_without_a_trend_drift_as_rarely_as_stated(n, rho):
    found = [trend_chance(ar1(seed, n, rho)) for seed in range(400)]
    assert sum(chance < 0.01 for chance in found) / 400 <= 0.02


def test_a_clear_trend_is_one():
    values = [x + 0.01 * i for i, x in enumerate(ar1(1, 30, 0.0))]
    change, chance = drift(values)
    assert change == pytest.approx(100 * 0.01 * 29 / 1.15, rel=0.3)
    assert chance < 0.001


def test_thousands_of_blocks_are_judged_at_once():
    values = ar1(1, 9000, 0.3)
    change, chance = drift(values)  # every pair of them would be 40 million
    assert abs(change) < 5
    assert chance > 0.001
    assert mean_interval(values).half_width_percent < 0.2
