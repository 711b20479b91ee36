"""The environment variables that change figures: what they act on, and which of them slow everything down. Pure.

Only these go into records: a process's environment holds much that is nobody's business. Left out of the families are
variables that only print or name files, and those that launchers set themselves, anew for each job or by the number
of ranks; PMIx's, which only start ranks, are in none. Where ranks lie and are bound to is recorded as it came out.
Sources: the environment variable pages of PyTorch, CUDA (programming guide), cuBLAS, cuDNN, NCCL, oneDNN, MKL, Open
MPI, MPICH, Intel MPI, UCX, libfabric, OpenMP 5.2, GNU and LLVM OpenMP, glibc (malloc, tunables), jemalloc and ROCm.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from saih.common.terminal import printable

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "arithmetic": (
        "NVIDIA_TF32_OVERRIDE", "CUBLAS_*", "CUBLASLT_*", "CUDNN_*", "ONEDNN_*", "DNNL_*", "MKL_*", "ATEN_*",
        "OPENBLAS_*", "BLIS_*", "MIOPEN_*", "ROCBLAS_*", "HIPBLASLT_*", "HSA_OVERRIDE_GFX_VERSION", "TORCH_*",
        "PYTORCH_*", "TORCHINDUCTOR_*", "TORCHDYNAMO_*", "TRITON_*", "DISABLE_ADDMM_*", "XLA_*",
    ),
    "communication": (
        "NCCL_*", "RCCL_*", "GLOO_*", "UCX_*", "UCC_*", "FI_*", "OMPI_MCA_*", "PRTE_MCA_*", "MPICH_*",
        "MPIR_CVAR_*", "I_MPI_*", "MV2_*", "PSM2_*", "PSM3_*", "IBV_*", "MLX5_*", "HCOLL_*", "SHARP_*",
    ),
    "allocation": (
        "MALLOC_*", "GLIBC_TUNABLES", "LD_PRELOAD", "TCMALLOC_*", "JE_MALLOC_CONF", "MIMALLOC_*", "PYTHONMALLOC",
    ),
    "launching": (
        "CUDA_LAUNCH_BLOCKING", "CUDA_DEVICE_MAX_*", "CUDA_MODULE_*", "CUDA_AUTO_BOOST", "CUDA_FORCE_*",
        "CUDA_DISABLE_*", "CUDA_SCALE_LAUNCH_QUEUES", "CUDA_MANAGED_FORCE_DEVICE_ALLOC", "CUDA_MPS_*",
        "CUDA_INJECTION*", "NV_SANITIZER_*", "NVTX_INJECTION*", "HIP_LAUNCH_BLOCKING", "AMD_*", "HSA_*",
        "GPU_MAX_HW_QUEUES", "ROC_*", "OMP_*", "GOMP_*", "KMP_*", "PYTHONDEVMODE", "PYTHONASYNCIODEBUG", "PYTHON_GIL",
        "ASAN_OPTIONS", "TSAN_OPTIONS",
    ),
}  # fmt: skip
"""Effect -> names of variables; a star stands for any end."""
NEITHER = (
    # they print: only values of `SLOWING`, which print much, count
    "NCCL_DEBUG*", "*_LOG", "*_LOGS", "*_LOG_*", "*_LOGINFO*", "*_LOGERR*", "*_LOGWARN*", "*_LOGDEST*", "*_LOGLEVEL*",
    "*_VERBOSE*", "OMPI_MCA_*verbose", "OMP_DISPLAY_*", "OMP_AFFINITY_FORMAT", "KMP_VERSION", "KMP_SETTINGS",
    "KMP_WARNINGS", "TORCH_SHOW_*", "TORCH_DISTRIBUTED_DEBUG", "I_MPI_DEBUG*", "I_MPI_PRINT_VERSION", "MPICH_*_DISPLAY",
    # they name versions, files and folders
    "*_DEBUG_FILE", "*_CACHE_DIR", "*_CACHE_PATH", "*_DUMP_*", "*_HOME", "*_DIR", "*_ROOT", "*_PATH", "MKLROOT",
    "TORCH_EXTENSIONS_*", "PYTORCH_VERSION*", "NCCL_VERSION*",
    # Open MPI's mpirun sets them, by the job or the command line: orte/mca/odls, PMIx's pmdl/ompi, prrte's schizo
    "OMPI_MCA_num_procs", "OMPI_MCA_num_restarts", "OMPI_MCA_cpu_type", "OMPI_MCA_initial_wdir", "OMPI_MCA_orte_*",
    "OMPI_MCA_ess", "OMPI_MCA_ess_*", "OMPI_MCA_pmix*", "OMPI_MCA_plm*", "OMPI_MCA_ras*", "OMPI_MCA_rmaps_*",
    "OMPI_MCA_schizo_*", "OMPI_MCA_hwloc_base_binding_policy", "OMPI_MCA_shmem_RUNTIME_*", "OMPI_MCA_opal_signal",
    "OMPI_MCA_mpi_oversubscribe", "OMPI_MCA_mpi_yield_when_idle", "OMPI_MCA_mca_base_component_show_load_errors",
    "PRTE_MCA_prte_*", "PRTE_MCA_ess*", "PRTE_MCA_plm*", "PRTE_MCA_ras*", "PRTE_MCA_rmaps_*", "PRTE_MCA_schizo_*",
    "PRTE_MCA_pmix*",
    # Intel MPI's and MPICH's process managers, MVAPICH's and torchrun
    "I_MPI_HYDRA_*", "I_MPI_JOB_*", "I_MPI_MPIRUN", "I_MPI_INFO_*", "I_MPI_PIN_MAPPING", "I_MPI_PIN_INFO",
    "I_MPI_PERHOST", "I_MPI_TMPDIR", "I_MPI_*_RANK", "I_MPI_RANK*", "MPICH_RANK_*", "MPICH_INTERFACE_HOSTNAME*",
    "MPIR_CVAR_CH3_INTERFACE_HOSTNAME*", "MV2_COMM_WORLD_*", "MV2_NODE_ID", "MV2_NUM_NODES_IN_JOB", "NCCL_COMM_ID",
    "TORCHELASTIC_*", "UCX_HANDLE_ERRORS_*",
)  # fmt: skip
PRIVATE = (
    "*TOKEN*", "*SECRET*", "*PASSWORD*", "*PASSWD*", "*_PASS", "*PASSPHRASE*", "*CREDENTIAL*", "*COOKIE*", "*_KEY",
    "*_KEYS", "*APIKEY*", "*_AUTH", "*_UUID", "*_USER", "*_USERNAME", "*HOSTNAME*", "*HOSTID", "*HOSTFILE*", "*_HOST",
    "*_HOSTS", "*_HOST_LIST", "*JOBID*", "*JOB_ID*", "*JOB_NAME*", "*_URI", "*_URL", "*_ADDR", "*_ENV_LIST*",
)  # fmt: skip
"""Ends and parts of names, in capitals, of variables that may hold a secret, a job, a user or a host."""
ONLY_WHETHER = ("CUDA_MPS_*_DIRECTORY",)
"""Of these only counts whether they are set: the value names a place of the job. Limits of MPS count with theirs."""
LONGEST = 200
"""Characters of a value that are kept; of a longer one a digest stands for the rest."""

SLOWING: Mapping[str, tuple[str, str]] = {
    "CUDA_LAUNCH_BLOCKING": (r"^[1-9]", "the host waits for every kernel"),
    "HIP_LAUNCH_BLOCKING": (r"^[1-9]", "the host waits for every kernel"),
    "AMD_SERIALIZE_KERNEL": (r"^[1-9]", "the host waits for every kernel"),
    "AMD_SERIALIZE_COPY": (r"^[1-9]", "the host waits for every copy"),
    "CUDA_INJECTION64_PATH": (r".", "a tool is loaded into CUDA"),
    "NV_SANITIZER_INJECTION_PORT_RANGE_BEGIN": (r".", "compute-sanitizer checks every kernel"),
    "LD_PRELOAD": (r"(?i)[alt]san|valgrind|memcheck|efence|dmalloc|duma|heaptrack|mtrace", "a debug library is loaded"),
    "PYTORCH_NO_CUDA_MEMORY_CACHING": (r".", "every tensor is allocated by the driver"),
    "PYTORCH_NO_HIP_MEMORY_CACHING": (r".", "every tensor is allocated by the driver"),
    "MALLOC_CHECK_": (r"^[1-9]", "the C library checks its heap"),
    "MALLOC_PERTURB_": (r"^(?!0*$)", "the C library fills memory that it gives and takes back"),
    "MALLOC_CONF": (r"junk:(true|alloc|free)|prof:true", "jemalloc fills or profiles memory"),
    "GLIBC_TUNABLES": (r"malloc\.(check|perturb)=[1-9]", "the C library checks its heap"),
    "PYTHONMALLOC": (r"debug", "Python checks its heap"),
    "PYTHONDEVMODE": (r".", "Python checks what it does"),
    "TORCH_DISTRIBUTED_DEBUG": (r"(?i)^detail$", "torch checks every collective operation"),
    "TORCH_SHOW_DISPATCH_TRACE": (r"^(?!0$).", "torch prints every operation"),
    "TORCH_NCCL_BLOCKING_WAIT": (r"^(?!0$|false$).", "the host waits for every collective operation"),
    "NCCL_DEBUG": (r"(?i)^trace$", "NCCL prints what it does"),
    "NCCL_BLOCKING_WAIT": (r"^(?!0$|false$).", "the host waits for every collective operation"),
    "ONEDNN_VERBOSE": (r"(?i)^(?!(0|none|error|warn)$).", "oneDNN prints every operation"),
    "DNNL_VERBOSE": (r"(?i)^(?!(0|none|error|warn)$).", "oneDNN prints every operation"),
    "MKL_VERBOSE": (r"^(?!0$).", "MKL prints every operation"),
    "CUBLAS_LOGINFO_DBG": (r"^[1-9]", "cuBLAS prints every call"),
    "CUDNN_LOGINFO_DBG": (r"^[1-9]", "cuDNN prints every call"),
    "CUDNN_LOGLEVEL_DBG": (r"^[3-9]", "cuDNN prints every call"),
    "CUDNN_FRONTEND_LOG_INFO": (r"^[1-9]", "cuDNN prints every call"),
    "CUBLASLT_LOG_LEVEL": (r"^[2-9]", "cuBLAS prints every call"),
    "CUBLASLT_LOG_MASK": (r"^(?![01]$).", "cuBLAS prints every call"),
    "AMD_LOG_LEVEL": (r"^[3-9]", "HIP prints every call"),
    "UCX_LOG_LEVEL": (r"(?i)^(debug|trace|req|data|async|func|poll)", "UCX prints what it does"),
    "FI_LOG_LEVEL": (r"(?i)^(debug|trace)", "libfabric prints what it does"),
    "ASAN_OPTIONS": (r".", "the address sanitizer is set up"),
    "TSAN_OPTIONS": (r".", "the thread sanitizer is set up"),
}
"""Name -> values at which it slows a process down, and what it does."""

OF_EACH_RANK: Mapping[str, str] = {
    **dict.fromkeys(("UCX_NET_DEVICES", "NCCL_IB_HCA", "FI_CXI_DEVICE_NAME", "PSM3_NIC", "HCOLL_MAIN_IB"), r"."),
    "OMP_PLACES": r"[{\d]",
    "GOMP_CPU_AFFINITY": r"\d",
    "KMP_AFFINITY": r"proclist|explicit",
}
"""Name -> values by which ranks are bound to adapters or cores of their own, and so rightly differ. Those of GPUs
(CUDA_VISIBLE_DEVICES and its like) are not listed at all: the device is recorded."""


def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(name).replace(r"\*", ".*") for name in names))


_LISTED = _pattern(tuple(name for names in FAMILIES.values() for name in names))
_NEITHER, _PRIVATE, _ONLY_WHETHER = _pattern(NEITHER), _pattern(PRIVATE), _pattern(ONLY_WHETHER)


def started_with(environ: Path = Path("/proc/self/environ")) -> dict[str, str]:
    """Return the environment that this process was started with, without its own later changes."""
    pairs = environ.read_bytes().decode("utf-8", "replace").split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def listed(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of `FAMILIES`, and those that slow down, sorted, with values cut to `LONGEST`."""
    return {name: _kept(name, environ[name]) for name in sorted(environ) if _counts(name, environ[name])}


def slowed(environment: Mapping[str, str]) -> list[str]:
    """Describe the variables, as `listed` returns them, that slow a process down."""
    return [
        f"{name} = {environment[name]} was set: {words}"
        for name, (_, words) in SLOWING.items()
        if name in environment and _slows(name, environment[name])
    ]


def differing(environment: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str | None]:
    """Return the differences: name -> the value in `others`, None if it is not set there."""
    names = sorted({*environment, *others})
    return {name: others.get(name) for name in names if environment.get(name) != others.get(name)}


def binds(name: str, value: str | None) -> bool:
    """Return True if a rank may have this value of its own, or none, because it is bound to its own part of a host."""
    return name in OF_EACH_RANK and (value is None or bool(re.search(OF_EACH_RANK[name], value)))


def _slows(name: str, value: str) -> bool:
    return name in SLOWING and bool(re.search(SLOWING[name][0], value))


def _counts(name: str, value: str) -> bool:
    upper = name.upper()  # proxies aside, lower-case names of these are mistakes, and act on nothing
    if name != upper and not name.startswith(("OMPI_MCA_", "PRTE_MCA_")):
        return False
    if _PRIVATE.fullmatch(upper):
        return False
    return _slows(name, value) or bool(_LISTED.fullmatch(name) and not _NEITHER.fullmatch(name))


def _kept(name: str, value: str) -> str:
    if _ONLY_WHETHER.fullmatch(name):
        return "set"
    shown = printable(value)
    if len(shown) <= LONGEST:
        return shown
    digest = hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()[:12]
    return f"{shown[:LONGEST]}... ({len(value)} characters, sha256 {digest})"
