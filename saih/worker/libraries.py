"""Versions of the numerical and communication libraries behind torch, as the libraries themselves report them."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

import torch


def versions(on_gpu: bool) -> dict[str, Any]:
    """{"openmp"}, with {"cublas", "nccl"} of a GPU or {"onednn", "mkl", "cpu_capability"} of a CPU.

    None where a library is not there.
    """
    if on_gpu:
        return {"openmp": openmp(), "cublas": _cublas(), "nccl": _nccl()}
    built = torch.__config__.show()  # type: ignore[no-untyped-call, unused-ignore]
    return {
        "openmp": openmp(),
        "onednn": _first(r"MKL-DNN v([\d.]+)", built) or _first(r"oneDNN v([\d.]+)", built),
        "mkl": _first(r"Math Kernel Library Version ([\d.]+)", built),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def openmp(maps: Path = Path("/proc/self/maps")) -> str | None:
    """The OpenMP runtimes that this process has loaded, as "libgomp": GNU's, Intel's (libiomp5) or LLVM's (libomp)."""
    loaded = maps.read_text(encoding="utf-8", errors="replace")
    names = set(re.findall(r"/(libgomp|libiomp5|libomp)\b[^/\s]*\.so", loaded))
    return ", ".join(sorted(names)) or None


def _nccl() -> str | None:
    if not torch.distributed.is_nccl_available():
        return None
    return ".".join(str(part) for part in torch.cuda.nccl.version())  # type: ignore[no-untyped-call, unused-ignore]


def _cublas(maps: Path = Path("/proc/self/maps")) -> str | None:
    """The version of the cuBLAS that this process has loaded: cublasGetProperty (cuBLAS, section 2.4)."""
    path = _first(r"(/\S*libcublas\.so\S*)", maps.read_text(encoding="utf-8", errors="replace"))
    if path is None:
        return None
    parts = [ctypes.c_int() for _ in range(3)]
    try:
        ask = ctypes.CDLL(path).cublasGetProperty
    except (OSError, AttributeError):
        return None
    if any(ask(number, ctypes.byref(part)) for number, part in enumerate(parts)):
        return None
    return ".".join(str(part.value) for part in parts)


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found[1] if found else None
