"""When a measurement ends, on blocks that are made: no clock, no machine."""

import math
import random

import pytest

from benchmarks.coverage import made, rate, stopped
from saih.measure.stopping import MIN_ROUNDS, MIN_ROUNDS_NAMED, MIN_ROUNDS_PRECISE, OVERTIME, End, precise


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


def test_a_limit_that_comes_first_is_said():
    assert rounds(noise(1), 0.001, 30) == (30, "limit")


def test_long_rounds_go_on_beyond_the_limit_until_differences_can_be_told_from_noise():
    assert rounds([1.0] * 100, 1, 5) == (MIN_ROUNDS_NAMED, "limit")
    assert rounds([1.0] * 100, 1, 2) == (OVERTIME * 2, "limit")
    assert rounds([1.0] * 100, 1, 0.5) == (MIN_ROUNDS, "limit")


def test_at_the_limit_a_rate_that_is_known_well_enough_is_called_so():
    ends = {rounds([1.0] * 100, 1, max_s) for max_s in (MIN_ROUNDS_PRECISE - 1, MIN_ROUNDS_PRECISE)}
    assert ends == {(MIN_ROUNDS_PRECISE - 1, "limit"), (MIN_ROUNDS_PRECISE, "precise")}
    between = next(blocks for seed in range(99) if rounds(blocks := noise(seed), 1.3, 1e9) > (13, "precise"))
    assert rounds(between, 1.3, 15)[0] == 15  # a time that no look falls on


def test_looks_are_fewer_the_longer_it_lasts():
    seen = {rounds(noise(seed), 0.3, 1e9) for seed in range(30)}
    looks = [MIN_ROUNDS_PRECISE]
    while looks[-1] < 400:
        looks.append(math.ceil(1.25 * looks[-1]))
    assert {why for _, why in filter(None, seen)} == {"precise"}
    assert {n for n, _ in filter(None, seen)} <= set(looks)


def test_blocks_that_follow_their_neighbours_take_more_to_be_enough():
    """The same values in another order tell less of their mean where neighbours are alike."""
    series = [blocks for blocks, _, _ in made("normal", 0.9, scatter=0.02, n=30, trials=40)]
    shuffled = [random.Random(2).sample(blocks, len(blocks)) for blocks in series]
    enough = [sum(precise(b, target_percent=1.0) for b in each) for each in (series, shuffled)]
    assert enough[0] < enough[1] / 3


@pytest.mark.parametrize(("rho", "least"), [(0.0, 0.95), (0.5, 0.93), (0.7, 0.88)])
def test_the_interval_at_the_end_still_holds_the_mean(rho, least):
    """More trials, shapes and stronger correlation are kept in benchmarks/results/coverage.json."""
    held = stopped(list(made("normal", rho, scatter=0.01, n=60, trials=150)), rate)
    assert held["precise"] > 0.3
    assert held["held"] >= least
