"""The timing protocol on work of known duration, in one process, by a clock that only the work moves."""

import contextlib
import json
import random
from types import SimpleNamespace

import pytest

from saih.app import Ran
from saih.measure import blocks as measure
from saih.measure import stopping
from saih.measure.soak import MOST_KEPT, Soaked
from tests.alone import Alone


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass in measuring; nothing but `Steps` lets them."""
    found = SimpleNamespace(now_s=0.0)
    monkeypatch.setattr(measure, "time", SimpleNamespace(perf_counter=lambda: found.now_s))
    return found


class Steps:
    """Steps of known duration, with noise; slow at first, as compilation and caches make real ones."""

    def __init__(self, clock, step_s, slow_steps=0, input_s=0.0):
        self.clock, self.step_s, self.slow_steps, self.input_s, self.blocks = clock, step_s, slow_steps, input_s, []
        self.draw = random.Random(1)

    def run(self, n):
        self.blocks.append(n)
        for _ in range(n):
            slow = 0.1 if self.slow_steps > 0 else 0.0
            self.slow_steps -= 1
            self.clock.now_s += self.draw.gauss(1, 0.01) * (self.step_s + self.input_s + slow)
        return Ran(n, {"input_wait_s": n * self.input_s}, 7 * n, {"steps": sum(self.blocks)})

    def without(self, part):
        return Steps(self.clock, self.step_s) if part == "input" and self.input_s else None


def test_slow_first_steps_are_kept_out_of_the_samples(clock):
    found = measure.measure(Steps(clock, 0.01, slow_steps=3), Alone(), target_percent=20, max_s=3, begin=int)
    assert found["warmup_steps"] >= 4
    assert max(max(block) for block in found["block_s"]["full"]) / found["block_steps"] < 0.011


def test_the_start_is_told_once_after_the_warm_up(clock):
    work, told = Steps(clock, 0.01), []
    measure.measure(work, Alone(), target_percent=50, max_s=1, begin=lambda: told.append(list(work.blocks)))
    assert told == [[1] * len(told[0])]  # single steps so far


def test_stops_when_precise_and_says_so(clock):
    found = measure.measure(Steps(clock, 0.02), Alone(), target_percent=1, max_s=60, begin=int)
    assert found["stopped"] == "precise"
    blocks = [block[0] for block in found["block_s"]["full"]]
    assert len(blocks) >= stopping.MIN_ROUNDS_PRECISE
    assert stopping.precise(blocks, target_percent=1)


def test_stops_at_the_limit_and_says_so(clock):
    found = measure.measure(Steps(clock, 0.02), Alone(), target_percent=1e-9, max_s=1.9, begin=int)
    assert found["stopped"] == "limit"
    assert len(found["block_s"]["full"]) == 10  # of 0.2 s


def test_blocks_are_long_enough_that_synchronising_does_not_count(clock):
    found = measure.measure(Steps(clock, 0.01), Alone(), target_percent=50, max_s=1, begin=int)
    assert found["block_steps"] == pytest.approx(measure.MIN_BLOCK_S / 0.01, abs=1)


def test_variants_take_turns_and_their_difference_is_what_input_costs(clock):
    found = measure.measure(Steps(clock, 0.02, input_s=0.02), Alone(), target_percent=20, max_s=2, begin=int)
    full, without = found["block_s"]["full"], found["block_s"]["without_input"]
    assert len(full) == len(without)
    costs = [(a[0] - b[0]) / found["block_steps"] for a, b in zip(full, without, strict=True)]
    assert sorted(costs)[len(costs) // 2] == pytest.approx(0.02, rel=0.05)
    assert found["phases_s"]["input_wait_s"][0][0] == pytest.approx(0.02 * found["block_steps"])
    assert found["read_bytes"][0] == [7 * found["block_steps"]]


def test_each_variant_comes_first_equally_often():
    names = ["full", "a", "b"]
    firsts = [measure._turn(names, i)[0] for i in range(9)]
    assert sorted(firsts) == ["a"] * 3 + ["b"] * 3 + ["full"] * 3


def test_a_soak_runs_full_steps_before_anything_counts(clock):
    work, told = Steps(clock, 0.02, input_s=0.02), []

    @contextlib.contextmanager
    def around(part):
        before = sum(work.blocks)
        yield
        told.append((part, before, sum(work.blocks)))

    ranks, begun = Alone(), []
    found = measure.measure(work, ranks, 50, 1, lambda: begun.append(sum(work.blocks)), around, soak_s=30)
    soak = found["soak"]
    (part, before, after), *rest = told
    assert part == "soak"
    assert "soak" not in [each for each, _, _ in rest]
    assert begun == [after]
    assert before == found["warmup_steps"]
    assert soak["steps"] == after - before == soak["block_steps"] * len(soak["step_s"])
    assert soak["asked_s"] == 30 <= soak["seconds"] == soak["at_s"][-1] < 30.5
    signs = [(what, done, total) for what, done, total in ranks.told if what.startswith("soaking, ")]
    assert signs[0] == ("soaking, 30 s left", 0, 30)
    assert len(signs) == soak["steps"] / soak["block_steps"]
    json.dumps(found, allow_nan=False)


class Settling(Steps):
    """Each step is shorter than the one before, for a while: a cache that fills, a clock that rises."""

    def run(self, n):
        for _ in range(n):
            self.slow_steps = max(0, self.slow_steps - 1)
            self.clock.now_s += self.step_s * (1 + self.slow_steps / 50)
        return Ran(n, {}, 0, {})


def test_a_soak_says_how_the_step_went_and_blocks_are_made_for_the_step_after_it(clock):
    found = measure.measure(Settling(clock, 0.01, 200), Alone(), target_percent=50, max_s=0.1, begin=int, soak_s=10)
    soak = found["soak"]
    assert found["warmup_ended"] == "limit"
    assert soak["first_step_s"] > 2 * soak["last_step_s"] == pytest.approx(0.02)
    assert soak["block_steps"] < found["block_steps"] == pytest.approx(20, abs=1)


def test_of_a_long_soak_a_bounded_number_of_blocks_is_kept():
    soaked = Soaked(3600.0, 10)
    for i in range(17_000):
        soaked.add(0.2 * (i + 1), 2.0 if i < 1_000 else 3.0)
    found = soaked.to_dict()
    assert MOST_KEPT / 2 <= len(found["step_s"]) == len(found["at_s"]) <= MOST_KEPT
    assert found["at_s"][1] - found["at_s"][0] == pytest.approx(0.2 * found["every"])
    assert found["seconds"] == pytest.approx(3400)
    assert found["steps"] == 170_000
    assert (found["first_step_s"], found["last_step_s"]) == (0.2, 0.3)
    assert sum(step < 0.25 for step in found["step_s"]) == pytest.approx(1_000 / found["every"], abs=1)


class Queued(Steps):
    """Steps are handed out at once and end later, as a GPU's; ``ranks`` wait for them when they synchronise."""

    def run(self, n):
        self.ready_s = self.clock.now_s + n * self.step_s
        self.clock.now_s += n * self.step_s / 4
        return Ran(n, {}, 0, {})


def test_how_long_handing_out_took_is_kept_beside_the_block(clock):
    queued = Queued(clock, 0.02)

    class Waits(Alone):
        def synchronise(self):
            clock.now_s = max(clock.now_s, getattr(queued, "ready_s", 0.0))

    found = measure.measure(queued, Waits(), target_percent=50, max_s=0.5, begin=int)
    assert len(found["handed_out_s"]) == len(found["block_s"]["full"])
    for (handed_out_s,), (block_s,) in zip(found["handed_out_s"], found["block_s"]["full"], strict=True):
        assert handed_out_s == pytest.approx(block_s / 4)
    waited = measure.measure(Steps(clock, 0.02), Alone(), target_percent=50, max_s=0.5, begin=int)
    assert waited["handed_out_s"] == waited["block_s"]["full"]
    assert waited["soak"] is None
