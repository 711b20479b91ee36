"""RAPL's zones in a tree like /sys/class/powercap, and whatever this machine really has."""

import os
import tempfile
import time
from pathlib import Path

import pytest

from saih.telemetry import rapl
from saih.telemetry.readings import Meter, Parts, Readings, Unreadable

RANGE_UJ = 262_143_328_850


def zone(root, number, name, energy_uj=0):
    folder = root / f"intel-rapl:{number}"
    folder.mkdir()
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    return folder / "energy_uj"


@pytest.fixture
def zones(tmp_path):
    """Two packages with all their parts, and the platform; by name of the zone."""
    names = {
        "0": "package-0",
        "0:0": "core",
        "0:1": "dram",
        "1": "package-1",
        "1:0": "core",
        "1:1": "dram",
        "2": "psys",
    }
    return {number: zone(tmp_path, number, name) for number, name in names.items()}


def test_packages_and_memory_are_added_and_nothing_twice(zones, tmp_path):
    counters, platform = rapl.packages(tmp_path), rapl.platform(tmp_path)
    for power, file in enumerate(zones.values()):
        file.write_text(f"{10**power * 1_000_000}\n")
    assert counters.joules() == 1 + 100 + 1_000 + 100_000
    assert counters.scope == "CPU packages 0, 1 + DRAM"
    assert platform.joules() == 1_000_000


def test_a_processor_without_a_counter_of_its_memory_says_so(tmp_path):
    zone(tmp_path, "0", "package-0")
    zone(tmp_path, "0:0", "core")
    assert rapl.packages(tmp_path).scope == "CPU packages 0, DRAM not counted"


def test_a_counter_that_began_anew_goes_on(zones, tmp_path):
    zones["0"].write_text(f"{RANGE_UJ - 3_000_000}\n")
    counters = rapl.packages(tmp_path)
    zones["0"].write_text("2000000\n")
    assert counters.joules() == 5


@pytest.mark.parametrize("fallen_to_uj", [0, 51_000_000, 949_000_000])
def test_a_counter_that_was_reset_is_not_taken_for_one_that_wrapped(zones, tmp_path, fallen_to_uj):
    """A reset 950 J after the start of the counter once made 261,244 J of 51 J."""
    zones["0"].write_text("950000000\n")
    meter = Meter(rapl.packages(tmp_path).joules)
    meter.sample()
    zones["0"].write_text(f"{fallen_to_uj}\n")
    meter.sample()
    zones["0"].write_text(f"{fallen_to_uj + 51_000_000}\n")
    meter.sample()
    with pytest.raises(
        Unreadable, match=r"energy_uj \(microjoules\): fell from 950000000 to \d+: .* wrapped or was reset"
    ):
        meter.energy_j({"full": [(0.0, 1.0)]})


def test_a_counter_that_fell_leaves_null_with_the_reason_in_the_record(zones, tmp_path):
    zones["1"].write_text("950000000\n")
    meter, found = Meter(rapl.packages(tmp_path).joules), Readings()
    meter.sample()
    zones["1"].write_text("51000000\n")
    meter.sample()
    found.take("energy_j", lambda: meter.energy_j({"full": [(0.0, 1.0)]}))
    kept = found.to_dict()
    assert kept["energy_j"] is None
    assert "was reset" in kept["why"]["energy_j"]


def test_energy_goes_to_the_part_that_ran(zones, tmp_path):
    meter, parts, counted = Meter(rapl.packages(tmp_path).joules), Parts(), 0
    meter.sample()
    with parts.of("window"):
        for part, joules in (("full", 5), ("without_input", 3), ("full", 7), ("pause", 2)):
            with parts.of(part):
                counted += joules
                time.sleep(0.02)
                zones["0"].write_text(f"{counted * 1_000_000}\n")
            meter.sample()
    assert meter.energy_j(parts.spans) == pytest.approx({"full": 12, "without_input": 3, "pause": 2, "window": 17}, 0.1)
    assert parts.seconds()["window"] > parts.seconds()["full"] > 0.04


def test_a_counter_that_fails_half_way_gives_no_energy_at_all(zones, tmp_path):
    meter = Meter(rapl.packages(tmp_path).joules)
    meter.sample()
    zones["0"].write_text("1000000\n")
    meter.sample()
    zones["1"].unlink()
    meter.sample()
    with pytest.raises(Unreadable, match=r"intel-rapl:1/energy_uj: no such file"):
        meter.energy_j({"full": [(0.0, 1.0)]})


def test_a_counter_that_only_root_may_read_says_why():
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        zone(root, "0", "package-0").chmod(0)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(65534)
        try:
            with pytest.raises(Unreadable, match=r"energy_uj: permission denied \(since Linux 5.10"):
                rapl.packages(root)
        finally:
            if was_root:
                os.seteuid(0)


def test_without_zones_the_reason_names_the_place(tmp_path):
    with pytest.raises(Unreadable, match=f"{tmp_path}: has no RAPL zones"):
        rapl.packages(tmp_path)
    zone(tmp_path, "0", "psys")
    with pytest.raises(Unreadable, match="no zone of a CPU package"):
        rapl.packages(tmp_path)


def test_a_file_that_holds_no_number_is_named(zones, tmp_path):
    zones["0"].write_text("?\n")
    with pytest.raises(Unreadable, match="intel-rapl:0/energy_uj: holds '\\?', not a number"):
        rapl.packages(tmp_path)
