"""One NVIDIA GPU as the driver's own library sees it: NVML, called directly, for it comes with every driver.

Names, units and numbers: NVML API Reference Guide, docs.nvidia.com/deploy/nvml-api, and nvml.h of the CUDA toolkit.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from saih.telemetry.readings import Unreadable

LIBRARY = "libnvidia-ml.so.1"

THROTTLE_REASONS = {
    "gpu_idle": 0x1,
    "applications_clocks_setting": 0x2,
    "sw_power_cap": 0x4,
    "hw_slowdown": 0x8,
    "sync_boost": 0x10,
    "sw_thermal_slowdown": 0x20,
    "hw_thermal_slowdown": 0x40,
    "hw_power_brake_slowdown": 0x80,
    "display_clock_setting": 0x100,
    "board_limit": 0x200,
    "reliability": 0x400,
}
"""Why clocks are not higher just now. Bits of nvml.h: nvmlClocksThrottleReason..., later nvmlClocksEventReason..."""

_SUCCESS, _NOT_FOUND, _INSUFFICIENT_SIZE = 0, 6, 7
_TEMPERATURE_GPU = 0
CLOCK_SM, CLOCK_MEMORY = 1, 2
_NOT_AVAILABLE = 2**64 - 1
_UUID_ROOM = 96


class _Process(ctypes.Structure):
    """nvmlProcessInfo_t of nvml.h, as versions 2 and 3 of the call fill it."""

    _fields_ = (
        ("pid", ctypes.c_uint),
        ("used_bytes", ctypes.c_ulonglong),
        ("gpu_instance", ctypes.c_uint),
        ("compute_instance", ctypes.c_uint),
    )


class _Memory(ctypes.Structure):
    """nvmlMemory_t of nvml.h."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class NotFound(Unreadable):
    """NVML knows no such device."""


class Gpu:
    """A GPU found by its UUID ("GPU-..."), or by its PCI address where NVML does not know the UUID.

    Never by number: NVML counts all GPUs of the host in the order of the bus, CUDA those it was left. Every method may
    raise Unreadable. ``handle`` and `call` are for what else the library can be asked (gpm.py).
    """

    def __init__(self, uuid: str, pci_bus_id: str | None = None, library: str = LIBRARY) -> None:
        try:
            self._library = ctypes.CDLL(library)
        except OSError:
            raise Unreadable(f"{library}: cannot be loaded: there is no NVIDIA driver here") from None
        self.call("nvmlInit_v2")
        self.handle = ctypes.c_void_p()
        try:
            self._find("nvmlDeviceGetHandleByUUID", uuid)
        except NotFound:
            if pci_bus_id is None:
                raise
            self._find("nvmlDeviceGetHandleByPciBusId_v2", pci_bus_id)
        self.divided = self._in_mig_mode()

    def _find(self, function: str, name: str) -> None:
        self.call(function, ctypes.c_char_p(name.encode("ascii")), ctypes.byref(self.handle))

    def uuid(self) -> str:
        """NVML's own name of the device that was found."""
        text = ctypes.create_string_buffer(_UUID_ROOM)
        self.call("nvmlDeviceGetUUID", self.handle, text, ctypes.c_uint(_UUID_ROOM))
        return text.value.decode("ascii")

    def energy_j(self) -> float:
        """Energy of the whole board since the driver was loaded; NVML counts millijoules, from Volta on."""
        if self.divided:
            raise Unreadable("NVML's energy counter is the whole board's, and this is a part of it (MIG)")
        return self._number("nvmlDeviceGetTotalEnergyConsumption", ctypes.c_ulonglong) / 1e3

    def power_w(self) -> float:
        """Drawn by the board: an average over up to a second, of what the sensor sees of that time."""
        return self._number("nvmlDeviceGetPowerUsage") / 1e3

    def power_limit_w(self) -> float:
        """Power limit in force, the lowest of all limits set."""
        return self._number("nvmlDeviceGetEnforcedPowerLimit") / 1e3

    def default_power_limit_w(self) -> float:
        """Default power limit."""
        return self._number("nvmlDeviceGetPowerManagementDefaultLimit") / 1e3

    def ecc(self) -> bool:
        """True if the memory's errors are corrected, which costs some of its bandwidth and room."""
        current, pending = ctypes.c_uint(), ctypes.c_uint()
        self.call("nvmlDeviceGetEccMode", self.handle, ctypes.byref(current), ctypes.byref(pending))
        return bool(current.value)

    def persistence_mode(self) -> bool:
        """True if the driver stays loaded while nobody uses the device."""
        return bool(self._number("nvmlDeviceGetPersistenceMode"))

    def compute_mode(self) -> int:
        """Compute mode (nvmlComputeMode_t)."""
        return self._number("nvmlDeviceGetComputeMode")

    def temperature_c(self) -> float:
        """Temperature of the chip."""
        return self._number("nvmlDeviceGetTemperature", ctypes.c_uint, ctypes.c_int(_TEMPERATURE_GPU))

    def clock_mhz(self, domain: int) -> float:
        """Current clock of `CLOCK_SM` or `CLOCK_MEMORY`."""
        return self._number("nvmlDeviceGetClockInfo", ctypes.c_uint, ctypes.c_int(domain))

    def application_clock_mhz(self) -> float:
        """The SM clock that was set for applications (`nvidia-smi -ac`), or its default."""
        return self._number("nvmlDeviceGetApplicationsClock", ctypes.c_uint, ctypes.c_int(CLOCK_SM))

    def throttle_reasons(self) -> list[str]:
        """Names of `THROTTLE_REASONS` that hold just now."""
        return reasons(self._number("nvmlDeviceGetCurrentClocksThrottleReasons", ctypes.c_ulonglong))

    def memory_used_bytes(self) -> int:
        """Device memory in use by all processes and the driver."""
        memory = _Memory()
        self.call("nvmlDeviceGetMemoryInfo", self.handle, ctypes.byref(memory))
        return int(memory.used)

    def processes(self) -> list[tuple[int, int | None]]:
        """(process id, bytes of device memory or None) of every process that computes on the device."""
        room = 32
        while True:
            count, found = ctypes.c_uint(room), (_Process * room)()
            try:
                self.call("nvmlDeviceGetComputeRunningProcesses_v3", self.handle, ctypes.byref(count), found)
            except _TooSmall:
                room *= 2
                continue
            used = [(each.pid, each.used_bytes) for each in found[: count.value]]
            return [(pid, None if size == _NOT_AVAILABLE else size) for pid, size in used]

    def close(self) -> None:
        """Let go of the library; NVML counts its users."""
        self.call("nvmlShutdown")

    def _in_mig_mode(self) -> bool:
        current, pending = ctypes.c_uint(), ctypes.c_uint()
        try:
            self.call("nvmlDeviceGetMigMode", self.handle, ctypes.byref(current), ctypes.byref(pending))
        except Unreadable:  # a device or driver from before MIG
            return False
        return bool(current.value)

    def _number(self, function: str, kind: Callable[[], Any] = ctypes.c_uint, *arguments: Any) -> int:
        value = kind()
        self.call(function, self.handle, *arguments, ctypes.byref(value))
        return int(value.value)

    def call(self, function: str, *arguments: Any) -> None:
        """Call a function of the library that answers a status. Raises Unreadable."""
        try:
            status = getattr(self._library, function)(*arguments)
        except AttributeError:
            raise Unreadable(f"NVML: this driver has no {function}") from None
        if status == _SUCCESS:
            return
        if status == _INSUFFICIENT_SIZE:
            raise _TooSmall(f"NVML: {function}: insufficient size")
        describe = self._library.nvmlErrorString
        describe.restype = ctypes.c_char_p
        kind = NotFound if status == _NOT_FOUND else Unreadable
        raise kind(f"NVML: {function}: {describe(status).decode('ascii', 'replace').lower()}")


class _TooSmall(Unreadable):
    """There is more than the room given can hold."""


def reasons(bits: int) -> list[str]:
    """Names of the bits set; bits that this table does not know by their value."""
    named = [name for name, bit in THROTTLE_REASONS.items() if bits & bit]
    rest = bits & ~sum(THROTTLE_REASONS.values())
    return named + ([f"unnamed_{rest:#x}"] if rest else [])
