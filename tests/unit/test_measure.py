"""The timing protocol on work of known duration, in one process."""

import time

import pytest

from saih import measure
from saih.app import Ran
from tests.alone import Alone


class Sleeper:
    """Steps that sleep; slow at first, as compilation and caches make real ones."""

    def __init__(self, step_s, slow_steps=0, input_s=0.0):
        self.step_s, self.slow_steps, self.input_s, self.blocks = step_s, slow_steps, input_s, []

    def run(self, n):
        self.blocks.append(n)
        for _ in range(n):
            slow = 0.1 if self.slow_steps > 0 else 0.0
            self.slow_steps -= 1
            time.sleep(self.step_s + self.input_s + slow)
        return Ran(n, {"input_wait_s": n * self.input_s}, 7 * n, {"steps": sum(self.blocks)})

    def without(self, part):
        return Sleeper(self.step_s) if part == "input" and self.input_s else None


def test_slow_first_steps_are_kept_out_of_the_samples():
    found = measure.measure(Sleeper(0.01, slow_steps=3), Alone(), target_percent=20, max_s=3, begin=int)
    assert found["warmup_steps"] >= 4
    assert max(max(block) for block in found["block_s"]["full"]) / found["block_steps"] < 0.05


def test_the_start_is_told_once_after_the_warm_up():
    work, told = Sleeper(0.01), []
    measure.measure(work, Alone(), target_percent=50, max_s=1, begin=lambda: told.append(list(work.blocks)))
    assert told == [[1] * len(told[0])]  # single steps so far


def test_stops_when_precise_and_says_so():
    found = measure.measure(Sleeper(0.02), Alone(), target_percent=50, max_s=60, begin=int)
    assert found["stopped"] == "precise"
    assert len(found["block_s"]["full"]) == measure.MIN_ROUNDS_PRECISE


def test_stops_at_the_limit_and_says_so():
    found = measure.measure(Sleeper(0.02), Alone(), target_percent=1e-9, max_s=0.7, begin=int)
    assert found["stopped"] == "limit"
    assert len(found["block_s"]["full"]) >= measure.MIN_ROUNDS


def test_blocks_are_long_enough_that_synchronising_does_not_count():
    found = measure.measure(Sleeper(0.01), Alone(), target_percent=50, max_s=1, begin=int)
    assert found["block_steps"] >= measure.MIN_BLOCK_S / 0.02


def test_variants_take_turns_and_their_difference_is_what_input_costs():
    found = measure.measure(Sleeper(0.02, input_s=0.02), Alone(), target_percent=20, max_s=2, begin=int)
    full, without = found["block_s"]["full"], found["block_s"]["without_input"]
    assert len(full) == len(without)
    costs = [(a[0] - b[0]) / found["block_steps"] for a, b in zip(full, without, strict=True)]
    assert sorted(costs)[len(costs) // 2] == pytest.approx(0.02, rel=0.3)
    assert found["phases_s"]["input_wait_s"][0][0] == pytest.approx(0.02 * found["block_steps"])
    assert found["read_bytes"][0] == [7 * found["block_steps"]]


def test_each_variant_comes_first_equally_often():
    names = ["full", "a", "b"]
    firsts = [measure._turn(names, i)[0] for i in range(9)]
    assert sorted(firsts) == ["a"] * 3 + ["b"] * 3 + ["full"] * 3
