"""Clocks that fall and cores that throttle, from a tree like /sys/devices/system/cpu to the reason a point is suspect.

Both need a machine that overheats to be had for real; here the kernel's files change while the real watch reads them.
Neighbours on the cores are real ones: test_telemetry_cpu.py.
"""

import os
import time
from functools import partial

import pytest

from saih.diagnosis.suspect import CLOCKS, CORES_SHARED, CORES_THROTTLED, suspect
from saih.telemetry import cpu, watch
from saih.telemetry.watch import Telemetry

CORE = min(os.sched_getaffinity(0))


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The clock and the count of throttling of one core, as the watch finds them."""
    clock = tmp_path / f"cpu{CORE}" / "cpufreq" / "scaling_cur_freq"
    throttled = tmp_path / f"cpu{CORE}" / "thermal_throttle" / "core_throttle_count"
    package = throttled.with_name("package_throttle_count")
    for file, text in ((clock, "2000000\n"), (throttled, "7\n"), (package, "3\n")):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setattr(cpu, "clock_mhz", partial(cpu.clock_mhz, root=tmp_path))
    monkeypatch.setattr(cpu, "throttle_counts", partial(cpu.throttle_counts, root=tmp_path))
    monkeypatch.setattr(watch, "EVERY_S", 0.002)
    return clock, throttled


def watched(*changes):
    """What a watch reads while each of ``changes`` happens in turn, with samples before and after it."""
    seen = 0
    with Telemetry("cpu", {os.getpid(): {CORE}}, host_first=True) as telemetry:
        telemetry.begin()
        for change in (lambda: None, *changes):
            change()
            while telemetry._sampler.to_dict()["samples"] < seen + 20:
                time.sleep(0.001)
            seen = telemetry._sampler.to_dict()["samples"]
        return telemetry.end()


def causes(read):
    found = suspect([read], {"block_s": {"full": []}})
    return {each["cause"]: each["words"] for each in found if each["cause"] != CORES_SHARED}  # whoever runs here now


def replaced(file, text):
    """Changes a file whole, as the kernel does."""

    def change():
        new = file.with_name("new")
        new.write_text(text)
        new.replace(file)

    return change


def test_a_core_that_keeps_its_clock_and_is_not_throttled_is_not_suspect(files):
    clock, _ = files
    assert causes(watched(replaced(clock, "1960000\n"))) == {}


def test_a_clock_that_falls_while_it_is_watched_is_named(files):
    clock, _ = files
    found = causes(watched(replaced(clock, "1500000\n")))
    assert list(found) == [CLOCKS]
    assert "the cores' clock fell by 25 % within the measurement, from 2000 to 1500 MHz" in found[CLOCKS]


def test_a_core_that_throttles_while_it_is_watched_is_named(files):
    _, throttled = files
    read = watched(replaced(throttled, "8\n"))
    assert read["host_cpu"]["throttled_cores"] == [CORE]
    assert list(causes(read)) == [CORES_THROTTLED]
