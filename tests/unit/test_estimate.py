"""How long points will take: by hand, what is learned, and what an estimate never does."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saih.app import Execution, Point
from saih.cli.progress import roughly
from saih.config.schema import Measure
from saih.records.record import Record
from saih.sweep import times_so_far
from saih.sweep.time_estimate import Estimate, Load, Range, Taken, total

RUN = Execution(1, 4, "fp32", "plain", "dataset")
MEASURE = Measure(target_percent=5, max_s=10)


def at(flop: float, repeat: int = 0, **changes: object) -> Load:
    return Load(flop, replace(RUN, **changes), repeat)


def took(load: Load, wall_s: float, step_s: float, variants: int = 2) -> Taken:
    return Taken(load, wall_s, step_s, variants)


def test_ranges() -> None:
    assert Range(1, 2, 4) + Range(1, 1, 1) == Range(2, 3, 5)
    assert Range(1, 2, 4).under(8) == Range(2, 4, 8)
    assert total([]) == Range()
    one = Range(1, 2, 4)
    assert total([one]) == one
    # of four alike, half of the deviations add up and half average out
    assert total([one] * 4) == Range(8 - (4 + 2) / 2, 8, 8 + (8 + 4) / 2)


def test_a_point_of_short_steps_ends_within_its_time_and_one_of_long_ones_takes_its_rounds() -> None:
    """Blocks by hand: two variants, the steps known exactly but for the factor that they may mislead by."""
    known = Estimate(MEASURE, "cpu").learning([took(at(1e9), 1.0, 0.01), took(at(1e12), 1.0, 10.0)])
    short, long = known._blocks(Range(2, 2, 2), Range(*[0.01] * 3)), known._blocks(Range(2, 2, 2), Range(*[10.0] * 3))
    assert short.low == pytest.approx(10 * 0.4)  # ten rounds of two blocks of 0.2 s
    assert short.high == pytest.approx(10 + 0.2)
    assert long.low == long.high == pytest.approx(3 * 20 + 10)  # three rounds, although it is over the time thrice
    slow = known._blocks(Range(2, 2, 2), Range(*[1.0] * 3))
    assert slow.high == pytest.approx(8 * 2 + 1)  # eight rounds, over the time


def test_soak_and_a_compiler_and_a_profile_take_time() -> None:
    plain = Estimate(MEASURE, "cpu").of(at(1e9))
    soaking = Estimate(MEASURE.model_copy(update={"soak_s": 100.0}), "cpu").of(at(1e9))
    assert soaking.middle == pytest.approx(plain.middle + 100)
    assert soaking.low == pytest.approx(plain.low + 100)
    assert Estimate(MEASURE, "cpu").of(at(1e9, execution="compiled")).middle > plain.middle + 5
    assert Estimate(MEASURE.model_copy(update={"profile": False}), "cpu").of(at(1e9)).middle < plain.middle


def test_groups_start_once_and_ceilings_are_measured_once() -> None:
    estimate = Estimate(MEASURE, "cpu")
    loads = [at(1e9), at(1e9), at(1e9, ranks=2), at(1e9, repeat=1)]
    first, second, other, again = (each.middle for each in estimate.in_turn(loads))
    assert first > other > again > second
    assert second == estimate.of(loads[1]).middle
    going = [each.middle for each in estimate.in_turn(loads, running=(0, 1))]
    assert going[0] == second
    known = Estimate(MEASURE, "cpu", 1, {(1, "fp32"): 1e11})
    assert known.in_turn(loads)[0].middle < known.in_turn(loads)[2].middle


def test_steps_are_those_of_like_work() -> None:
    taken = [took(at(1e9), 5, 0.1), took(at(1e11), 5, 1.0)]
    estimate = Estimate(MEASURE, "cpu").learning(taken)
    assert estimate.step(at(1e9)).middle == pytest.approx(0.1)
    assert estimate.step(at(1e10)).middle == pytest.approx(math.sqrt(0.1))  # between, in logarithms
    beyond = estimate.step(at(4e11))
    assert (beyond.low, beyond.high) == pytest.approx((2 / 1.3, 4 * 1.3))  # the rate stays, or rises as the root
    below = estimate.step(at(1e8))
    assert (below.low, below.high) == pytest.approx((0.01 / 1.3, 0.1 * 1.3))
    assert estimate.step(at(1e9, ranks=4)).high == pytest.approx(0.2)  # of other rank counts: less sure
    assert estimate.step(at(1e9, precision="bf16")).high == pytest.approx(0.4)


def test_rates_come_from_ceilings_else_from_the_kind_of_device() -> None:
    unknown, ceilings = Estimate(MEASURE, "cpu", 4), Estimate(MEASURE, "cpu", 4, {(1, "fp32"): 1e12})
    assert unknown.step(at(1.6e11)).middle == pytest.approx(1.0)
    assert ceilings.step(at(1e12)).middle == pytest.approx(5.0)
    assert ceilings.step(at(1.6e11, ranks=2)) == unknown.step(at(1.6e11))  # of that many ranks nothing was measured
    assert [each.basis for each in (unknown, ceilings, ceilings.learning([took(at(1e9), 1, 1)]))] == [
        "without this machine's rates",
        "from this machine's ceilings",
        "from 1 measured point",
    ]


def test_a_machine_on_which_all_takes_three_times_as_long_is_learned() -> None:
    estimate = Estimate(MEASURE, "cpu").learning([took(at(1e9), 1.0, 0.01)])
    computed_s = estimate._computed(at(1e9)).middle
    slow = Estimate(MEASURE, "cpu").learning([took(at(1e9), 3 * computed_s, 0.01)] * 9)
    assert slow.of(at(1e9)).middle == pytest.approx(computed_s * (9 * 3 + 1) / 10)
    of_others = slow.of(at(1e9, ranks=2))
    assert of_others.middle > 2 * computed_s
    assert of_others.high / of_others.low > slow.of(at(1e9)).high / slow.of(at(1e9)).low


FLOP = st.floats(1e3, 1e18)
TAKEN = st.lists(
    st.builds(
        Taken,
        st.builds(Load, FLOP, st.builds(replace, st.just(RUN), ranks=st.sampled_from([1, 2, 64]))),
        st.floats(1e-3, 1e5),
        st.floats(1e-6, 1e4),
        st.integers(1, 5),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(TAKEN, FLOP, st.sampled_from(["cpu", "cuda"]), st.floats(0.05, 1e4))
def test_an_estimate_is_a_range_whatever_was_measured(taken, flop, device, max_s) -> None:
    measure = MEASURE.model_copy(update={"max_s": max_s})
    estimate = Estimate(measure, device, 2).learning(taken)
    for load in (at(flop), at(flop, ranks=2), at(flop, execution="compiled")):
        for found in (estimate.of(load), *estimate.in_turn([load, load]), estimate.step(load)):
            assert 0 < found.low <= found.middle <= found.high < math.inf


def test_records_tell_what_they_hold() -> None:
    class App:
        def cost(self, point: Point):
            return type("Cost", (), {"flop_per_sample": 100})

    point = Point("toy", {"n": 1}, RUN)
    samples = {"block_steps": 2, "block_s": {"full": [[1.0, 1.5], [2.0, 1.0], [9.0, 1.0]]}}
    samples["block_s"]["without_input"] = samples["block_s"]["full"]
    early, late = ({"wall_s": 7.0, "started": f"2026-01-01T00:0{minute}"} for minute in (0, 1))
    record = Record(point.id, "ok", point.to_dict(), samples=samples, provenance=late)
    found = times_so_far.taken_of(App(), record)
    assert found == Taken(Load(400, RUN), 7.0, 1.0, 2)
    first = replace(record, provenance=early)
    assert [each.first for each in times_so_far.all_taken(App(), [record, first])] == [True, False]
    for lacking in (
        replace(record, status="oom"),
        replace(record, samples={}),
        replace(record, id="another"),
        replace(record, provenance={}),
        replace(record, samples=samples | {"block_s": {"full": [[0.0]]}}),
    ):
        assert times_so_far.taken_of(App(), lacking) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "5 s"), (14, "15 s"), (58, "1 min"), (63, "1 min"), (127, "2 min 10 s"), (597, "10 min"), (1530, "26 min"),
     (3590, "1 h"), (5500, "1 h 30 min"), (40_000, "11 h"), (1e6, "12 days")],
)  # fmt: skip
def test_estimates_have_no_digits_that_mean_nothing(seconds: float, words: str) -> None:
    assert roughly(seconds) == words
