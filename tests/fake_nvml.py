"""A driver's NVML in Python, where nvidia-ml-py looks for the library: one board with or without MIG, at will.

A function takes what the package hands to C (handles, numbers, pointers by ctypes.byref) and returns a status.
`handles`: by UUID or PCI address. `lacks`: functions that a driver of another age does not have. `statuses`: by
function, instead of an answer.
"""

from __future__ import annotations

import ctypes

import pynvml

SUCCESS, INVALID_ARGUMENT, NOT_SUPPORTED, NOT_FOUND, INSUFFICIENT_SIZE, OTHER = 0, 2, 3, 6, 7, 99
BOARD, PART = 0xB0, 0xA0
"""Handles of the board and of its one MIG device."""
INSTANCE = 5


def install(monkeypatch, library):
    """Let nvidia-ml-py find this library as the driver's; None: there is no driver."""
    monkeypatch.setattr(pynvml, "nvmlLib", library)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    if library is None:

        def refuse(name):
            raise OSError(f"{name}: cannot open shared object file")

        monkeypatch.setattr(pynvml, "CDLL", refuse)


class Library:
    """The functions of libnvidia-ml that SAIH uses, under their names of C."""

    def __init__(self, handles=None, lacks=(), statuses=None, numbers=None, mig=False):
        self.handles = handles or {b"GPU-a": BOARD}
        self.lacks, self.statuses = lacks, statuses or {}
        self.numbers = NUMBERS | (numbers or {})
        self.mig, self.gpm, self.uncounted = mig, True, ()
        self.processes = []
        self.asked, self.users, self.samples = [], 0, []

    def __getattr__(self, name):
        if name in self.lacks or not (name in self.numbers or hasattr(Library, f"_{name}")):
            raise AttributeError(name)

        def function(*arguments):
            self.asked.append(name)
            if name in self.statuses:
                return self.statuses[name]
            if name in self.numbers:
                return self._number(name, *arguments)
            return getattr(self, f"_{name}")(*arguments)

        return function

    def _number(self, name, handle, *rest):
        if address(handle) != BOARD:  # what belongs to the board only
            return INVALID_ARGUMENT
        value = self.numbers[name]
        rest[-1]._obj.value = value[rest[0].value] if isinstance(value, dict) else value
        return SUCCESS

    def _nvmlInitWithFlags(self, flags):
        self.users += 1
        return SUCCESS

    def _nvmlShutdown(self):
        self.users -= 1
        return SUCCESS

    def _nvmlErrorString(self, status):
        return b"Some Other Error"

    def _nvmlDeviceGetHandleByUUID(self, name, handle):
        found = self.handles.get(name.value)
        if found is None:
            return NOT_FOUND
        set_handle(handle, found)
        return SUCCESS

    _nvmlDeviceGetHandleByPciBusId_v2 = _nvmlDeviceGetHandleByUUID

    def _nvmlDeviceIsMigDeviceHandle(self, handle, is_part):
        is_part._obj.value = address(handle) == PART
        return SUCCESS

    def _nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, handle, board):
        assert address(handle) == PART
        set_handle(board, BOARD)
        return SUCCESS

    def _nvmlDeviceGetGpuInstanceId(self, handle, number):
        assert address(handle) == PART
        number._obj.value = INSTANCE
        return SUCCESS

    def _nvmlDeviceGetMigMode(self, handle, current, pending):
        assert address(handle) == BOARD
        current._obj.value, pending._obj.value = self.mig, not self.mig
        return SUCCESS

    def _nvmlDeviceGetEccMode(self, handle, current, pending):
        current._obj.value, pending._obj.value = 1, 0
        return SUCCESS

    def _nvmlDeviceGetUUID(self, handle, text, room):
        text.value = {BOARD: b"GPU-a", PART: b"MIG-a"}[address(handle)]
        return SUCCESS

    def _nvmlDeviceGetTemperatureV(self, handle, reading):
        assert reading._obj.sensorType == pynvml.NVML_TEMPERATURE_GPU
        reading._obj.temperature = 41
        return SUCCESS

    def _nvmlDeviceGetMemoryInfo(self, handle, memory):
        memory._obj.used = {BOARD: 2**33, PART: 2**30}[address(handle)]
        return SUCCESS

    def _nvmlDeviceGetComputeRunningProcesses_v3(self, handle, count, entries):
        running = self.processes if address(handle) == BOARD else self.processes[:1]
        room, count._obj.value = count._obj.value, len(running)
        if room < len(running):
            return INSUFFICIENT_SIZE
        for entry, (pid, used) in zip(entries or (), running, strict=False):
            entry.pid, entry.usedGpuMemory = pid, used
        return SUCCESS

    def _nvmlGpmQueryDeviceSupport(self, handle, support):
        assert address(handle) == BOARD
        support._obj.isSupportedDevice = self.gpm
        return SUCCESS

    def _nvmlGpmSampleAlloc(self, sample):
        set_handle(sample, 0xC0 + self.asked.count("nvmlGpmSampleAlloc"))
        return SUCCESS

    def _nvmlGpmSampleGet(self, handle, sample):
        assert address(handle) == BOARD
        self.samples.append(address(sample))
        return SUCCESS

    def _nvmlGpmMigSampleGet(self, handle, instance, sample):
        assert instance == INSTANCE
        return self._nvmlGpmSampleGet(handle, sample)

    def _nvmlGpmMetricsGet(self, request):
        assert request._obj.version == pynvml.NVML_GPM_METRICS_GET_VERSION
        assert [address(request._obj.sample1), address(request._obj.sample2)] == self.samples == [0xC1, 0xC2]
        for entry in request._obj.metrics[: request._obj.numMetrics]:
            entry.value = entry.metricId / 2
            entry.nvmlReturn = NOT_SUPPORTED if entry.metricId in self.uncounted else SUCCESS
        return SUCCESS

    def _nvmlGpmSampleFree(self, sample):
        return SUCCESS


NUMBERS = {
    "nvmlDeviceGetTotalEnergyConsumption": 1234567,
    "nvmlDeviceGetPowerUsage": 345678,
    "nvmlDeviceGetEnforcedPowerLimit": 500000,
    "nvmlDeviceGetPowerManagementDefaultLimit": 700000,
    "nvmlDeviceGetPersistenceMode": 1,
    "nvmlDeviceGetComputeMode": 3,
    "nvmlDeviceGetClockInfo": {pynvml.NVML_CLOCK_SM: 1980, pynvml.NVML_CLOCK_MEM: 2619},
    "nvmlDeviceGetTemperature": {pynvml.NVML_TEMPERATURE_GPU: 40},
    "nvmlDeviceGetCurrentClocksEventReasons": 0x4,
    "nvmlDeviceGetCurrentClocksThrottleReasons": 0x40,
}
"""Values of the board, as NVML counts them; by domain or sensor where one is asked for."""


def address(handle):
    return ctypes.cast(handle, ctypes.c_void_p).value


def set_handle(pointer, value):
    ctypes.cast(pointer, ctypes.POINTER(ctypes.c_void_p))[0] = value
