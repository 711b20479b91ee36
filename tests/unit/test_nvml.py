"""A GPU by NVML through nvidia-ml-py, over a fake of the driver's library."""

import ctypes
import os
import subprocess
import sys

import pynvml
import pytest

from saih.telemetry import nvml
from saih.telemetry.gpm import Between, Counters
from saih.telemetry.gpu import GpuWatch
from saih.telemetry.readings import Unreadable
from tests import fake_nvml
from tests.conftest import ROOT
from tests.fake_nvml import BOARD, PART, Library

MIG = {b"MIG-a": PART}


@pytest.fixture
def driver(monkeypatch):
    """Make the driver that nvidia-ml-py finds."""

    def make(**traits):
        library = Library(**traits)
        fake_nvml.install(monkeypatch, library)
        return library

    return make


def test_every_reading_has_its_unit(driver):
    driver()
    gpu = nvml.Gpu("GPU-a")
    assert gpu.uuid() == "GPU-a"
    assert gpu.energy_j() == pytest.approx(1234.567)
    assert (gpu.power_w(), gpu.power_limit_w(), gpu.default_power_limit_w()) == (345.678, 500, 700)
    assert (gpu.sm_clock_mhz(), gpu.memory_clock_mhz()) == (1980, 2619)
    assert gpu.memory_used_bytes() == 2**33
    assert (gpu.ecc(), gpu.persistence_mode(), gpu.compute_mode()) == (True, True, 3)
    assert (gpu.divided, gpu.instance) == (False, None)


def test_a_gpu_is_found_by_its_pci_address_where_the_uuid_is_not_known(driver):
    driver(handles={b"0000:01:00.0": BOARD})
    assert nvml.Gpu("GPU-x", "0000:01:00.0").uuid() == "GPU-a"
    with pytest.raises(Unreadable, match="NVML: nvmlDeviceGetHandleByUUID: not found"):
        nvml.Gpu("GPU-x")


def test_a_mig_device_has_name_memory_and_processes_of_its_own_and_shares_the_board(driver):
    driver(handles=MIG, mig=True).processes = [(7, 1), (8, 1)]
    part = nvml.Gpu("GPU-a", "0000:01:00.0")
    assert (part.uuid(), part.divided, part.instance) == ("MIG-a", True, fake_nvml.INSTANCE)
    assert part.memory_used_bytes() == 2**30
    assert part.processes() == [(7, 1)]
    assert part.power_w() == 345.678
    with pytest.raises(Unreadable, match=r"is a part of it \(MIG\)"):
        part.energy_j()


def test_a_divided_board_whose_part_is_not_known_is_the_board(driver):
    driver(handles={b"0000:01:00.0": BOARD}, mig=True)
    board = nvml.Gpu("GPU-x", "0000:01:00.0")
    assert (board.uuid(), board.divided, board.instance) == ("GPU-a", True, None)


def test_a_driver_from_before_mig_has_none(driver):
    driver(lacks=("nvmlDeviceIsMigDeviceHandle", "nvmlDeviceGetMigMode"))
    assert not nvml.Gpu("GPU-a").divided
    driver(statuses={"nvmlDeviceGetMigMode": fake_nvml.NOT_SUPPORTED})
    assert not nvml.Gpu("GPU-a").divided


def test_renamed_functions_are_called_by_the_name_that_the_driver_has(driver):
    driver()
    gpu = nvml.Gpu("GPU-a")
    temperature_c = 41 if hasattr(pynvml, "nvmlDeviceGetTemperatureV") else 40  # older packages know the former only
    assert (gpu.temperature_c(), gpu.clock_reasons()) == (temperature_c, ["sw_power_cap"])
    driver(lacks=("nvmlDeviceGetTemperatureV", "nvmlDeviceGetCurrentClocksEventReasons"))
    gpu = nvml.Gpu("GPU-a")
    assert (gpu.temperature_c(), gpu.clock_reasons()) == (40, ["hw_thermal_slowdown"])


def test_a_package_from_before_the_renaming_serves(driver, monkeypatch):
    driver()
    monkeypatch.delattr(pynvml, "nvmlDeviceGetCurrentClocksEventReasons")
    assert nvml.Gpu("GPU-a").clock_reasons() == ["hw_thermal_slowdown"]
    monkeypatch.delattr(pynvml, "nvmlDeviceGetCurrentClocksThrottleReasons")
    with pytest.raises(Unreadable, match="this nvidia-ml-py has no nvmlDeviceGetCurrentClocksThrottleReasons"):
        nvml.Gpu("GPU-a").clock_reasons()


def test_reasons_of_clocks_have_names():
    assert nvml.reasons(0) == []
    assert nvml.reasons(0x4 | 0x40) == ["sw_power_cap", "hw_thermal_slowdown"]
    assert nvml.reasons(0x8 | 0x1000) == ["hw_slowdown", "unnamed_0x1000"]


def test_the_numbers_of_reasons_are_those_of_the_package():
    for name, bit in nvml.CLOCK_REASONS.items():
        theirs = "nvmlClocksThrottleReason" + name.title().replace("_", "")
        assert getattr(pynvml, theirs, bit) == bit, name  # older packages lack the last two


@pytest.mark.parametrize("count", [0, 1, 100])
def test_processes_are_listed_however_many(driver, count):
    driver().processes = [(pid, 5 * pid) for pid in range(count)]
    assert nvml.Gpu("GPU-a").processes() == [(pid, 5 * pid) for pid in range(count)]


def test_memory_that_the_driver_does_not_tell_is_none(driver):
    driver().processes = [(7, 2**64 - 1), (8, 3)]
    assert nvml.Gpu("GPU-a").processes() == [(7, None), (8, 3)]


@pytest.mark.parametrize(
    ("traits", "why"),
    [
        ({"statuses": {"nvmlDeviceGetPowerUsage": fake_nvml.NOT_SUPPORTED}}, "nvmlDeviceGetPowerUsage: not supported"),
        ({"statuses": {"nvmlDeviceGetPowerUsage": fake_nvml.OTHER}}, "nvmlDeviceGetPowerUsage: some other error"),
        ({"lacks": ["nvmlDeviceGetPowerUsage"]}, "this driver has no nvmlDeviceGetPowerUsage"),
    ],
)
def test_a_reading_that_cannot_be_had_says_why(driver, traits, why):
    driver(**traits)
    gpu = nvml.Gpu("GPU-a")
    with pytest.raises(Unreadable, match=f"^NVML: {why}$"):
        gpu.power_w()


def test_without_a_driver_the_library_is_named(monkeypatch):
    fake_nvml.install(monkeypatch, None)
    with pytest.raises(Unreadable, match=r"^libnvidia-ml\.so\.1: cannot be loaded: there is no NVIDIA driver here$"):
        nvml.Gpu("GPU-a")


def test_without_the_package_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(Unreadable, match=r"^nvidia-ml-py is not installed$"):
        nvml.Gpu("GPU-a")


def test_the_package_is_imported_when_a_gpu_is_looked_for():
    code = "import sys, saih.telemetry.watch, saih.worker.host_settings; print('pynvml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_record_holds_what_was_read_and_why_the_rest_was_not(driver):
    library = driver(statuses={"nvmlDeviceGetTotalEnergyConsumption": fake_nvml.NOT_SUPPORTED})
    library.processes = [(os.getpid(), 2**30), (2**30, 2**20)]
    watch = GpuWatch(nvml.Gpu("GPU-a"), [os.getpid()])
    watch.begin()
    watch.sample()
    watch.meter.sample()
    watch.end()
    read = watch.to_dict({"full": [(0, 1)]})
    watch.close()
    assert read["why"] == {"energy_j": "NVML: nvmlDeviceGetTotalEnergyConsumption: not supported"}
    assert read["throttle_share"] == {"sw_power_cap": 1}
    assert (read["other_processes"], read["other_processes_bytes"], read["own_process_seen"]) == (1, 2**20, True)
    assert read["memory_clock_mhz"]["median"] == 2619
    assert read["counters"]["dram_busy_percent"] == 5
    assert library.users == 0


def test_every_counter_is_asked_for_by_its_number(driver):
    library = driver()
    library.uncounted = [60, 61]
    counters = Counters(nvml.Gpu("GPU-a"))
    counters.begin()
    counters.end()
    found = counters.means()
    counters.close()
    assert found == {
        "sm_busy_percent": 1,
        "tensor_busy_percent": 2.5,
        "dram_busy_percent": 5,
        "pcie_to_host_mib_per_s": 10,
        "pcie_from_host_mib_per_s": 10.5,
        "nvlink_received_mib_per_s": None,
        "nvlink_sent_mib_per_s": None,
    }
    assert library.asked.count("nvmlGpmSampleAlloc") == library.asked.count("nvmlGpmSampleFree") == 2


def test_a_mig_device_counts_for_its_own_instance(driver):
    library = driver(handles=MIG, mig=True)
    counters = Counters(nvml.Gpu("GPU-a"))
    counters.begin()
    counters.end()
    assert counters.means()["dram_busy_percent"] == 5
    assert library.asked.count("nvmlGpmMigSampleGet") == 2
    assert "nvmlGpmSampleGet" not in library.asked


def test_the_structures_are_laid_out_as_nvml_h_has_them_on_64_bits():
    """unsigned, unsigned, double, three pointers; and two unsigned and two pointers before them."""
    assert ctypes.sizeof(pynvml.c_nvmlGpmMetric_t) == 4 + 4 + 8 + 3 * 8
    assert pynvml.c_nvmlGpmMetricsGet_t.metrics.offset == 4 + 4 + 8 + 8
    assert pynvml.c_nvmlGpmMetric_t.value.offset == 8


def test_a_device_that_counts_nothing_is_null_from_the_first_failure_on(driver):
    driver().gpm = False
    none = Between(lambda: Counters(nvml.Gpu("GPU-a")))
    none.begin()
    none.end()
    with pytest.raises(Unreadable, match="Hopper and later"):
        none.means()
    none.close()


def test_a_sample_that_fails_gives_no_means_of_what_lies_between(driver):
    library = driver()
    between = Between(lambda: Counters(nvml.Gpu("GPU-a")))
    between.begin()
    library.statuses["nvmlGpmSampleGet"] = pynvml.NVML_ERROR_GPU_IS_LOST
    between.end()
    with pytest.raises(Unreadable, match="nvmlGpmSampleGet: gpu is lost"):
        between.means()
    between.close()
