"""One NVIDIA GPU as the driver's own library (NVML) sees it, through nvidia-ml-py.

The package is imported when a GPU is looked for, never earlier: planning and CPUs do without it. Names, units and
numbers: NVML API Reference Guide, docs.nvidia.com/deploy/nvml-api.
"""

from __future__ import annotations

from typing import Any

from saih.telemetry.readings import Unreadable

CLOCK_REASONS = {
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
"""Reasons that keep clocks down: NVML's nvmlClocksEventReason..., until 2023 nvmlClocksThrottleReason..."""


class Missing(Unreadable):
    """The driver, or the package, is from before this function or after its end."""


class Gpu:
    """A GPU found by its UUID ("GPU-..."), or by its PCI address if NVML does not know the UUID.

    Never by number: NVML counts all GPUs of the host in the order of the bus, CUDA only those it was left. `device` is
    the handle of the GPU, `board` that of the board it is on. They differ for a MIG device, which has a memory,
    processes and the number `instance` of its own, and shares the rest. Every method may raise Unreadable.
    """

    def __init__(self, uuid: str, pci_bus_id: str | None = None) -> None:
        try:
            import pynvml
        except ImportError:
            raise Unreadable("nvidia-ml-py is not installed") from None
        self.nvml = pynvml
        self.call("nvmlInit")
        self.board = self.device = self._find(uuid, pci_bus_id)
        self.instance: int | None = None
        if self._is_mig_device():
            self.board = self.call("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", self.device)
            self.instance = int(self.call("nvmlDeviceGetGpuInstanceId", self.device))
        self.divided = self._in_mig_mode()

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the package. This is the only place where its errors become Unreadable."""
        run = getattr(self.nvml, function, None)
        if run is None:
            raise Missing(f"NVML: this nvidia-ml-py has no {function}")
        try:
            return run(*arguments)
        except self.nvml.NVMLError as error:
            code, why = error.value, str(error).lower()
        if code == self.nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            raise Unreadable("libnvidia-ml.so.1: cannot be loaded: there is no NVIDIA driver here")
        if code == self.nvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise Missing(f"NVML: this driver has no {function}")
        raise Unreadable(f"NVML: {function}: {why}")

    def _call_renamed(self, name: str, former: str, *arguments: Any) -> Any:
        try:
            return self.call(name, *arguments)
        except Missing:
            return self.call(former, *arguments)

    def _find(self, uuid: str, pci_bus_id: str | None) -> Any:
        """Return a handle. CUDA gives a MIG device's UUID without NVML's prefix for it."""
        ways = [
            ("nvmlDeviceGetHandleByUUID", uuid),
            ("nvmlDeviceGetHandleByUUID", uuid.replace("GPU-", "MIG-", 1)),
            ("nvmlDeviceGetHandleByPciBusId", pci_bus_id),
        ]
        reasons = []
        for function, name in ways:
            try:
                if name:
                    return self.call(function, name)
            except Unreadable as error:
                reasons.append(error)
        raise reasons[0]

    def uuid(self) -> str:
        """NVML's own name of the device that was found; of a MIG device its own."""
        return str(self.call("nvmlDeviceGetUUID", self.device))

    def energy_j(self) -> float:
        """Energy of the whole board since the driver was loaded; NVML counts millijoules, from Volta on."""
        if self.divided:
            raise Unreadable("NVML's energy counter is the whole board's, and this is a part of it (MIG)")
        return float(self.call("nvmlDeviceGetTotalEnergyConsumption", self.board)) / 1e3

    def power_w(self) -> float:
        """Power of the board: an average over up to a second, of what the sensor sees of that time."""
        return float(self.call("nvmlDeviceGetPowerUsage", self.board)) / 1e3

    def power_limit_w(self) -> float:
        """Power limit in force, the lowest of all limits set."""
        return float(self.call("nvmlDeviceGetEnforcedPowerLimit", self.board)) / 1e3

    def default_power_limit_w(self) -> float:
        """Default power limit."""
        return float(self.call("nvmlDeviceGetPowerManagementDefaultLimit", self.board)) / 1e3

    def ecc(self) -> bool:
        """True if the memory's errors are corrected, which costs some of its bandwidth and room."""
        current, _pending = self.call("nvmlDeviceGetEccMode", self.board)
        return bool(current)

    def persistence_mode(self) -> bool:
        """True if the driver stays loaded while nobody uses the device."""
        return bool(self.call("nvmlDeviceGetPersistenceMode", self.board))

    def compute_mode(self) -> int:
        """Compute mode (nvmlComputeMode_t)."""
        return int(self.call("nvmlDeviceGetComputeMode", self.board))

    def temperature_c(self) -> float:
        """Temperature of the chip."""
        names = "nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature"
        return float(self._call_renamed(*names, self.board, self.nvml.NVML_TEMPERATURE_GPU))

    def sm_clock_mhz(self) -> float:
        """Current clock of the multiprocessors."""
        return float(self.call("nvmlDeviceGetClockInfo", self.board, self.nvml.NVML_CLOCK_SM))

    def memory_clock_mhz(self) -> float:
        """Current clock of the memory."""
        return float(self.call("nvmlDeviceGetClockInfo", self.board, self.nvml.NVML_CLOCK_MEM))

    def application_clock_mhz(self) -> float:
        """The SM clock that was set for applications (`nvidia-smi -ac`), or its default."""
        return float(self.call("nvmlDeviceGetApplicationsClock", self.board, self.nvml.NVML_CLOCK_SM))

    def clock_reasons(self) -> list[str]:
        """Names of the `CLOCK_REASONS` that hold at present."""
        names = "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"
        return reasons(int(self._call_renamed(*names, self.board)))

    def memory_used_bytes(self) -> int:
        """Device memory in use by all processes and the driver."""
        return int(self.call("nvmlDeviceGetMemoryInfo", self.device).used)

    def processes(self) -> list[tuple[int, int | None]]:
        """(process id, bytes of device memory or None) of every process that computes on the device."""
        running = self.call("nvmlDeviceGetComputeRunningProcesses_v3", self.device)
        return [(process.pid, process.usedGpuMemory) for process in running]

    def close(self) -> None:
        """Let go of the library; NVML counts its users."""
        self.call("nvmlShutdown")

    def _is_mig_device(self) -> bool:
        try:
            return bool(self.call("nvmlDeviceIsMigDeviceHandle", self.device))
        except Unreadable:  # a driver from before MIG
            return False

    def _in_mig_mode(self) -> bool:
        try:
            current, _pending = self.call("nvmlDeviceGetMigMode", self.board)
        except Unreadable:  # a device or driver from before MIG
            return False
        return bool(current)


def reasons(bits: int) -> list[str]:
    """Return the names of the bits set, and the value of those that have no name here."""
    named = [name for name, bit in CLOCK_REASONS.items() if bits & bit]
    rest = bits & ~sum(CLOCK_REASONS.values())
    return named + ([f"unnamed_{rest:#x}"] if rest else [])
