"""Which of many equal copies is odd."""

import pytest

from saih.app import Execution
from saih.metrics.device_copies import compare, middle, part

RUN = Execution(1, 4, "fp32", "plain", "synthetic")
PAIR = Execution(2, 4, "fp32", "plain", "synthetic")


def samples_of(*times_s):
    """Ten blocks in which every rank takes its own time."""
    blocks = [list(times_s) for _ in range(10)]
    return {
        "block_steps": 2,
        "block_s": {"full": blocks},
        "handed_out_s": blocks,
        "phases_s": {"input_wait_s": blocks},
        "read_bytes": [[10 * number for number, _ in enumerate(times_s)] for _ in range(10)],
        "telemetry": [{} for _ in times_s],
        "stopped": "limit",
    }


def places(count):
    return [{"host": f"n{number // 4}", "device": f"cuda:{number % 4}", "cores": [number]} for number in range(count)]


def test_a_slow_device_is_named_with_its_host():
    times = [1.0, 1.01, 0.99, 1.0, 1.0, 1.1, 1.0, 1.01]
    found = compare(samples_of(*times), RUN, places(8))
    assert [each["odd"] for each in found["copies"]] == [False] * 5 + [True] + [False] * 2
    assert found["copies"][5]["percent_of_median"] == pytest.approx(100 / 1.1, rel=0.01)
    assert "n1 cuda:1 (-9.1 %)" in found["words"]


def test_a_fast_device_is_odd_too():
    assert "n0 cuda:2 (+25.0 %)" in compare(samples_of(1, 1, 0.8, 1, 1), RUN, places(5))["words"]


def test_where_all_vary_none_is_odd():
    found = compare(samples_of(1.0, 1.1, 0.9, 1.05, 0.95, 1.12), RUN, places(6))
    assert not any(each["odd"] for each in found["copies"])
    assert found["words"].startswith("All 6 copies are within")


def test_two_cannot_tell_and_one_has_nothing_beside_it():
    assert "two cannot tell" in compare(samples_of(1.0, 1.5), RUN, places(2))["words"]
    assert "nothing to compare" in compare(samples_of(1.0), RUN, places(1))["words"]


def test_a_copy_of_several_ranks_is_as_slow_as_its_slowest():
    found = compare(samples_of(1.0, 1.0, 1.0, 2.0, 1.0, 1.0), PAIR, places(6))
    assert [each["samples_per_s"] for each in found["copies"]] == [16.0, 8.0, 16.0]
    assert found["copies"][1]["host"] == "n0"


def test_a_part_has_its_own_ranks_only():
    own = part(samples_of(1.0, 2.0, 3.0, 4.0), 1, 2)
    assert own["block_s"]["full"][0] == own["phases_s"]["input_wait_s"][0] == [3.0, 4.0]
    assert own["handed_out_s"][0] == [3.0, 4.0]
    assert own["read_bytes"][0] == [20, 30]
    assert own["stopped"] == "limit"


def test_the_points_own_figures_are_the_median_copys():
    assert middle(samples_of(1.0, 3.0, 2.0), RUN, 3) == 2
    assert middle(samples_of(1.0), RUN, 1) == 0
