"""Metrics of hardware counters from hand-made means."""

import pytest

from saih.metrics.from_counters import counted

BANDWIDTH = {"memory_bytes_per_s": 3e12, "source": "a datasheet"}
MEANS = {"dram_busy_percent": 50.0, "tensor_busy_percent": 20.0}
GPU = {"counters": MEANS, "why": {}}
RANK = {"host": "a", "seconds": {"window": 4.0}, "gpu": GPU, "why": {}}
SAMPLES = {
    "block_steps": 10,
    "block_s": {"full": [[0.2]] * 6, "without_input": [[0.2]] * 4},
    "telemetry": [RANK],
}


def of(*ranks, flop=3e12, bandwidth=BANDWIDTH):
    return counted(SAMPLES | {"telemetry": list(ranks)}, flop, bandwidth)


def test_a_step_moves_its_share_of_what_the_memory_moved():
    """1.5 TB/s for 4 s, over 100 steps."""
    found = of(RANK)
    assert found["dram_busy_percent"]["value"] == 50
    assert found["tensor_busy_percent"]["value"] == 20
    assert found["dram_bytes_per_step"]["value"] == pytest.approx(6e10)
    assert found["counted_intensity_flop_per_byte"]["value"] == pytest.approx(50)
    assert "of 3 TB/s: a datasheet" in found["dram_bytes_per_step"]["method"]


def test_ranks_are_averaged():
    other = RANK | {"gpu": GPU | {"counters": MEANS | {"dram_busy_percent": 30.0}}}
    assert of(RANK, other)["dram_busy_percent"]["value"] == 40


@pytest.mark.parametrize(
    ("ranks", "more", "nulls", "why"),
    [
        ((), {}, 4, "no telemetry was taken"),
        ((RANK | {"gpu": None, "why": {"gpu": "the device is a CPU"}},), {}, 4, "a: the device is a CPU"),
        ((RANK, RANK | {"host": "b", "gpu": {"counters": None, "why": {"counters": "too old"}}}), {}, 4, "b: too old"),
        ((RANK | {"gpu": {"why": {}}},), {}, 4, "a: not counted"),
        ((RANK | {"seconds": {"window": 0.6}},), {}, 4, "took 0.6 s; counters need 1 s"),
        ((RANK | {"gpu": GPU | {"counters": {"dram_busy_percent": 5.0}}},), {}, 1, "does not count it"),
        ((RANK,), {"bandwidth": {"why": "no datasheet"}}, 2, "no datasheet"),
        ((RANK,), {"flop": None}, 1, "the operations or the bytes of a step are not known"),
    ],
)
def test_what_was_not_counted_is_null_and_says_why(ranks, more, nulls, why):
    reasons = [each["why"] for each in of(*ranks, **more).values() if each["value"] is None]
    assert len(reasons) == nulls
    assert all(why in reason for reason in reasons)
