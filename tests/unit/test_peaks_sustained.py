"""The sustained rate of synthetic devices, whose every moment is known: what counts, and what makes it suspect."""

import contextlib
import math
import statistics
from types import SimpleNamespace

import pytest

from saih.peaks import sustained, timing
from saih.peaks.sustained import Operation, best_of
from tests.alone import Alone

AMOUNT = 100
"""Of one run, so that at a rate of 10,000 a second it takes 10 ms."""
CALM = {"host": "n1", "device": "cpu", "allocation_retries": None, "gpu": None, "cpu_clock_mhz": None, "host_cpu": None}


class Device(Alone):
    """One rank whose clock is moved by what runs; it has rested before each operation."""

    def __init__(self, monkeypatch, telemetry=CALM):
        super().__init__()
        self.now, self.read = 0.0, telemetry
        monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def operation(self, name, rate):
        """``rate(seconds since the operation was made)``."""

        def make():
            start = self.now

            def run():
                self.now += AMOUNT / rate(self.now - start)

            return Operation(name, AMOUNT, run)

        return make

    def telemetry(self):
        found = SimpleNamespace(read=None)

        @contextlib.contextmanager
        def whole():
            yield
            found.read = self.read

        found.whole = whole
        return contextlib.nullcontext(found)


@pytest.fixture
def device(monkeypatch):
    return Device(monkeypatch)


def measured(device, *operations, seconds=0.5, longest_s=3.0):
    makers = [device.operation(name, rate) for name, rate in operations]
    return best_of("flop_per_s", makers, device, seconds, longest_s)


def burst(first, then, lasts_s=0.3):
    return lambda s: first if s < lasts_s else then


def test_the_rate_after_the_burst_counts_and_the_burst_is_kept(device):
    found = measured(device, ("product", burst(8000, 6500)))
    assert found["flop_per_s"] == pytest.approx(6500)
    assert (found["flop_per_s_low"], found["flop_per_s_high"]) == pytest.approx((6500, 6500))
    assert found["fastest_flop_per_s"] == pytest.approx(8000)
    assert found["spread_percent"] == pytest.approx(0)
    assert found["suspect"] == []
    assert found["telemetry"] == [CALM]
    assert found["settling"]["ended"] == "steady"
    assert found["settling"]["seconds"] >= sustained.SETTLE * 0.5
    assert len(found["repeats"]) >= 10
    assert sum(AMOUNT * 5 / rate for rate in found["repeats"]) == pytest.approx(sustained.MEASURE * 0.5, rel=0.1)


def test_a_burst_does_not_choose_the_best(device):
    found = measured(device, ("product", burst(8000, 6500)), ("conv", burst(7300, 7000)), ("small", burst(9999, 4000)))
    assert found["best"] == found["name"] == "conv"
    assert [len(entry["short_repeats"]) for entry in found["entries"]] == [timing.REPEATS] * 3
    assert ["repeats" in entry for entry in found["entries"]] == [True, True, False]
    assert not any("telemetry" in entry for entry in found["entries"])


def test_what_would_take_too_long_is_left_out(device):
    found = measured(device, ("fast", lambda s: 8000), ("slow", lambda s: 8000), longest_s=0.01)
    assert (found["left_out"], found["best"]) == (["slow"], "fast")


def test_the_rate_is_total_over_total(device):
    """As long at 6000 a second as at 3000: 4500 over all, though repeats of equal work have a mean of 5000."""
    found = measured(device, ("product", lambda s: 6000 if s % 0.4 < 0.2 else 3000))
    rates = found["repeats"]
    assert found["flop_per_s"] == pytest.approx(len(rates) / sum(1 / rate for rate in rates))
    assert found["flop_per_s"] < 4700 < statistics.fmean(rates)
    assert found["flop_per_s_low"] <= found["flop_per_s"] <= found["flop_per_s_high"]


def test_a_device_that_hunts_about_its_power_limit_is_steady(device):
    """As an H200 does: 1.5 % up and down within a second."""
    found = measured(device, ("product", lambda s: 6600 * (1 + 0.015 * math.sin(2 * math.pi * s))))
    assert found["flop_per_s"] == pytest.approx(6600, rel=0.005)
    assert found["flop_per_s_low"] < 6600 < found["flop_per_s_high"]
    assert found["suspect"] == []


def test_a_device_that_throttles_slowly_is_seen(device):
    """A third slower within ten seconds: nothing that runs is sustained."""
    found = measured(device, ("product", lambda s: 8000 * max(0.5, 1 - s / 30)))
    assert found["settling"]["ended"] == "limit"
    assert found["settling"]["seconds"] == pytest.approx(sustained.SETTLE_MOST * 0.5, rel=0.05)
    told = [reason["words"] for reason in found["suspect"]]
    assert told[0] == "its rate had not settled within 4 s"
    assert told[1].startswith("its rate fell by ")
    assert {reason["cause"] for reason in found["suspect"]} == {sustained.UNSETTLED}


def test_a_rate_that_falls_after_it_had_settled_is_seen(device):
    found = measured(device, ("product", lambda s: 8000 if s < 3.0 else 7000))
    assert found["settling"]["ended"] == "steady"
    (reason,) = found["suspect"]
    assert reason["words"].startswith("its rate fell by ")
    assert found["flop_per_s_low"] < 7100
    assert found["flop_per_s_high"] > 7900


def test_what_telemetry_saw_makes_a_ceiling_suspect(monkeypatch):
    """Field case: on a busy host one rank's ceiling was 160 and two ranks' 80 GFLOP/s."""
    host = {"cores": [0, 1], "others_cores": 1.0, "throttled_cores": None}
    device = Device(monkeypatch, CALM | {"host_cpu": host})
    (reason,) = measured(device, ("product", lambda s: 8000))["suspect"]
    assert reason == {
        "cause": "cores shared",
        "words": "n1: others kept 1 of the ranks' 2 cores busy (50 % of them)",
    }


@pytest.mark.parametrize("seconds", [1e-6, 1e-3, 0.01])
def test_little_time_makes_few_repeats_and_long_runs_no_endless_ones(device, seconds):
    """A run takes 12.5 ms, whatever time there is."""
    found = measured(device, ("product", lambda s: 8000), seconds=seconds)
    assert 3 <= len(found["repeats"]) <= 10
    assert device.now < max(1.0, 20 * seconds)
    assert found["flop_per_s"] == pytest.approx(8000)


def test_repeats_are_enough_where_twice_the_time_affords_them(device):
    found = measured(device, ("product", lambda s: 8000), seconds=0.02)
    assert len(found["repeats"]) == sustained.ENOUGH_REPEATS


def test_every_part_of_the_yardstick_has_the_same_length_of_time(device):
    """Time budget: two finalists of six take at most 15 s at half a second an operation, and 11 s where all is calm."""
    measured(device, *((f"operation {i}", burst(8000 - i, 6500 - i)) for i in range(6)))
    assert device.now < 13
    start = device.now
    measured(device, *((f"operation {i}", lambda s: 8000 * max(0.4, 1 - s / 30)) for i in range(6)))
    assert device.now - start < 16
