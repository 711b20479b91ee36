"""When a measurement ends, on blocks that are made: no clock, no machine."""

import math
import random

import pytest

from benchmarks.coverage import before, coverage, made, now
from saih.enough import MIN_ROUNDS, MIN_ROUNDS_PRECISE, End, precise


def rounds(block_s, target_percent, max_s, each_s=1.0):
    """After how many rounds of ``each_s`` it ends, and why."""
    end = End(target_percent, max_s)
    for n in range(1, len(block_s) + 1):
        if why := end.reached(block_s[:n], n * each_s):
            return n, why
    return None


def noise(seed, n=400, sd=0.01):
    draw = random.Random(seed)
    return [draw.gauss(1, sd) for _ in range(n)]


def test_blocks_that_are_all_alike_are_enough_at_the_first_look():
    assert rounds([1.0] * 100, 1, 1e9) == (MIN_ROUNDS_PRECISE, "precise")


def test_a_limit_that_comes_first_is_said_and_three_rounds_are_run_whatever_it_is():
    assert rounds([1.0] * 100, 1, 0.5) == (MIN_ROUNDS, "limit")
    assert rounds(noise(1), 0.001, 30) == (30, "limit")


def test_at_the_limit_a_median_that_is_known_well_enough_is_called_so():
    ends = {rounds([1.0] * 100, 1, max_s) for max_s in (MIN_ROUNDS_PRECISE - 1, MIN_ROUNDS_PRECISE)}
    assert ends == {(MIN_ROUNDS_PRECISE - 1, "limit"), (MIN_ROUNDS_PRECISE, "precise")}
    between = next(blocks for seed in range(99) if rounds(blocks := noise(seed), 1.3, 1e9) > (13, "precise"))
    assert rounds(between, 1.3, 15)[0] == 15  # a time that no look falls on


def test_looks_are_fewer_the_longer_it_lasts():
    seen = {rounds(noise(seed), 0.3, 1e9) for seed in range(60)}
    looks = [MIN_ROUNDS_PRECISE]
    while looks[-1] < 400:
        looks.append(math.ceil(1.25 * looks[-1]))
    assert {why for _, why in filter(None, seen)} == {"precise"}
    assert {n for n, _ in filter(None, seen)} <= set(looks)


def test_blocks_that_follow_their_neighbours_are_not_enough_however_narrow():
    climbing = [1 + 1e-6 * i for i in range(20)]
    shuffled = random.Random(2).sample(climbing, len(climbing))
    assert not precise(climbing, target_percent=1)
    assert precise(shuffled, target_percent=1)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.7])
def test_the_interval_at_the_end_still_holds_the_median(phi):
    """More trials, and stronger correlation, are kept in benchmarks/results/coverage.json."""
    series = list(made(phi, scatter=1.0, trials=300))
    held = coverage(now, series)
    assert held["precise"] > 0.6
    assert held["held"] >= 0.87
    if phi == 0.7:
        assert coverage(before, series)["held"] < 0.87  # what looking after every round from the eighth on led to
