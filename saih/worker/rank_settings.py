"""Settings of a process that outlast a point and affect the next: its surroundings, and torch's global flags.

Surroundings that differ are told by name; libraries have read some of them for good, so that none is put back. Flags
that torch keeps are read and put back in silence: an application sets what its point needs.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from saih.common.given import short

OF_TORCH = (
    "TORCHINDUCTOR_", "_TORCHINDUCTOR_", "TORCH_WARM_POOL", "TRITON_", "KINETO_", "KMP_DUPLICATE_LIB_OK",
    "KMP_INIT_AT_FORK", "CUDA_MODULE_LOADING", "CUDA_HOME", "DISABLE_CUPTI_LAZY_REINIT", "TEARDOWN_CUPTI",
)  # fmt: skip
"""How variables begin that torch itself sets when a part of it is first used."""
SIGNALS = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM,
    signal.SIGPIPE,
)  # fmt: skip
_LIMITS = sorted(name for name in dir(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_DATA")
"""The limit of data is the harness's own: limits.memory_gib."""


def surroundings() -> dict[str, Any]:
    """Return the settings of this process, by name."""
    found: dict[str, Any] = {
        "the working folder": _working_folder(),
        "the umask": _umask(),
        "the cores it may run on": sorted(os.sched_getaffinity(0)),
        "its niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "blocked signals": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "the timer of SIGALRM": signal.getitimer(signal.ITIMER_REAL)[1],
        "garbage collection": (gc.isenabled(), *gc.get_threshold()),
        **{f"the handler of {each.name}": signal.getsignal(each) for each in SIGNALS},
        **{name: resource.getrlimit(getattr(resource, name)) for name in _LIMITS},
        **{f"sys.{name}": _stream(name) for name in ("stdin", "stdout", "stderr")},
    }
    variables = {name: value for name, value in os.environ.items() if not name.startswith(OF_TORCH)}
    return found | {f"the environment variable {name}": value for name, value in variables.items()}


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Describe the settings that have changed."""
    names = dict.fromkeys((*before, *after))
    return [
        f"{name} ({_word(before, name)} before, {_word(after, name)} now)"
        for name in names
        if name not in before or name not in after or before[name] != after[name]
    ]


def torch_flags() -> dict[str, Any]:
    """torch's global flags, by name; one that cannot be read is missing."""
    found = {}
    for name, (read, _) in _flags().items():
        try:
            found[name] = read()
        except RuntimeError:  # torch's older and newer names of a flag do not mix
            continue
    return found


def put_back(before: Mapping[str, Any]) -> list[str]:
    """Set torch's flags to what they were; what could not be, in words."""
    now, flags = torch_flags(), _flags()
    for name, value in before.items():
        if now.get(name) != value:
            try:
                flags[name][1](value)
            except RuntimeError:
                continue
    return differing(before, {name: value for name, value in torch_flags().items() if name in before})


def _flags() -> dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]:
    import torch

    def attribute(holder: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
        return lambda: getattr(holder, name), lambda value: setattr(holder, name, value)

    backends = torch.backends
    found: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
        "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
        "torch's gradients": (torch.is_grad_enabled, torch._C._set_grad_enabled),
        "torch's default type": (torch.get_default_dtype, torch.set_default_dtype),
        "torch's default device": (torch.get_default_device, _set_default_device),
        "torch's deterministic mode": (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
        "torch's precision of products": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        "torch's detection of anomalies": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
        "TF32 in products": attribute(backends.cuda.matmul, "allow_tf32"),
    }
    for name in ("allow_tf32", "benchmark", "deterministic", "enabled"):
        found[f"cuDNN's {name}"] = attribute(backends.cudnn, name)
    for device in ("cpu", "cuda"):
        found[f"autocast on {device}"] = (
            lambda device=device: torch.is_autocast_enabled(device),  # type: ignore[misc]
            lambda value, device=device: torch.set_autocast_enabled(device, value),  # type: ignore[misc]
        )
    return found


def _set_default_device(device: Any) -> None:
    import torch

    torch.set_default_device(None if device == torch.device("cpu") else device)  # "cpu" would cost every call a look


def _working_folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return "none"


def _umask() -> str:
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next((line.split()[1] for line in lines if line.startswith("Umask:")), "not known")


def _stream(name: str) -> tuple[int, bool]:
    """Return the identity of a stream, and whether it is closed."""
    stream = getattr(sys, name)
    return id(stream), bool(getattr(stream, "closed", True))


def _word(held: Mapping[str, Any], name: str) -> str:
    if name not in held:
        return "not set"
    return "another one" if name.startswith("sys.") else short(held[name])
