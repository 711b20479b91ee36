import math
import random

import pytest

from saih.stats import median_interval


def test_six_values_need_the_whole_range_and_know_their_confidence():
    found = median_interval([3, 1, 2, 6, 5, 4])
    assert (found.low, found.median, found.high) == (1, 3.5, 6)
    assert found.confidence == pytest.approx(1 - 2 / 2**6)


def test_few_values_have_less_confidence_than_asked():
    assert median_interval([1.0, 2.0, 3.0]).confidence == pytest.approx(0.75)
    assert median_interval([1.0]).confidence == 0


def test_order_statistics_of_twenty_values_against_the_published_table():
    found = median_interval(list(range(1, 21)))  # Conover, Practical Nonparametric Statistics: ranks 6 and 15 at 95 %
    assert (found.low, found.high) == (6, 15)
    assert found.confidence == pytest.approx(0.9586, abs=1e-4)


def test_coverage_is_what_it_says():
    draw = random.Random(1)
    hits = 0
    for _ in range(2000):
        found = median_interval([draw.expovariate(1) for _ in range(15)])
        hits += found.low <= math.log(2) <= found.high
    assert 0.95 <= hits / 2000 <= 0.98  # nominal 0.965


def test_nothing_to_measure():
    with pytest.raises(ValueError, match="no values"):
        median_interval([])
