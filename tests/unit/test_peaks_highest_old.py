"""Ceilings of the first versions of the method, which kept the fastest repeat and how far the median lies below it."""

import pytest

from saih.peaks.highest import ceilings_of, highest

PEAK = {"ranks": 1, "precision": "bf16", "flop_per_s": 800.0, "spread_percent": 1.0, "best": "a"}
ENTRIES = [
    {"name": "a", "flop_per_s": 800.0, "spread_percent": 10.0},
    {"name": "b", "flop_per_s": 760.0, "spread_percent": 1.0},
]


def test_the_highest_median_stands_for_steady_work():
    found = highest({"peaks": [PEAK | {"entries": ENTRIES}], "ceilings": []}, 1, "bf16")
    assert found["flop_per_s"] == pytest.approx(760 * 0.99)
    assert found["flop_per_s_fastest"] == 800.0
    assert found["flop_per_s_method"].endswith(": b")


def test_what_the_system_does_not_tell_is_as_the_record_has_it():
    own = {
        "system": {"ranks": [{}], "ceilings": {"flop_per_s": 800.0, "memory_bytes_per_s": 3e12, "launch_s": 4e-6}},
        "point": {"run": {"ranks": 1, "precision": "bf16"}},
    }
    found = ceilings_of(own, {"peaks": [PEAK]})
    assert found["flop_per_s"] == pytest.approx(792.0)  # not the burst that the record has
    assert (found["memory_bytes_per_s"], found["launch_s"]) == (3e12, 4e-6)
    assert "launch_s" not in found["why"]
    assert ceilings_of(own, {})["flop_per_s"] == 800.0  # without the run's folder it is all there is
