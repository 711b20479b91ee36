"""What changes figures is kept: variables, settings, versions; some make a point suspect."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from saih.common.environment import LONGEST, listed, slowed
from saih.diagnosis.suspect import of_environment, of_settings
from saih.launch import slurm
from saih.launch.launchers import Launcher, hydra
from saih.records.run_folder import Folder, InputError
from saih.telemetry.readings import Unreadable
from saih.worker import libraries, main
from saih.worker.host_settings import of_gpu, of_host
from saih.worker.processor_name import processor_name

CHANGING = (
    "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG", "CUDNN_CONV_WSCAP_DBG",
    "ONEDNN_MAX_CPU_ISA", "DNNL_DEFAULT_FPMATH_MODE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ATEN_CPU_CAPABILITY",
    "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "NCCL_ALGO", "NCCL_P2P_DISABLE", "UCX_TLS", "OMPI_MCA_btl",
    "FI_PROVIDER", "GLOO_SOCKET_IFNAME", "MPICH_ASYNC_PROGRESS", "I_MPI_FABRICS", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY",
    "KMP_AFFINITY", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES", "LD_PRELOAD", "CUDA_LAUNCH_BLOCKING",
    "CUDA_DEVICE_MAX_CONNECTIONS", "CUDA_MODULE_LOADING", "TORCHINDUCTOR_MAX_AUTOTUNE", "TORCH_CUDNN_V8_API_DISABLED",
    "CUDA_INJECTION64_PATH", "PYTHONMALLOC",
)  # fmt: skip
NEITHER = (
    "HOME", "PATH", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "SLURM_JOB_ID", "SLURM_PROCID", "CUDA_VISIBLE_DEVICES",
    "OMPI_COMM_WORLD_RANK", "OMPI_MCA_ess_base_jobid", "OMPI_MCA_orte_hnp_uri", "PMI_RANK", "TORCH_HOME",
    "NCCL_DEBUG_FILE", "TORCHINDUCTOR_CACHE_DIR", "PMIX_NAMESPACE", "HYDI_CONTROL_FD", "omp_num_threads",
)  # fmt: skip


@pytest.mark.parametrize("name", CHANGING)
def test_what_changes_figures_is_listed(name):
    assert listed({name: "1"}) == {name: "1"}


@pytest.mark.parametrize("name", NEITHER)
def test_what_does_not_or_differs_between_equal_jobs_is_not(name):
    assert listed({name: "1"}) == {}


SET_BY_LAUNCHERS = (
    # Open MPI 4 and 5
    "OMPI_MCA_num_procs", "OMPI_MCA_cpu_type", "OMPI_MCA_initial_wdir", "OMPI_MCA_ess", "OMPI_MCA_ess_base_vpid",
    "OMPI_MCA_orte_ess_num_procs", "OMPI_MCA_orte_bound_at_launch", "OMPI_MCA_orte_app_num", "OMPI_MCA_pmix",
    "OMPI_MCA_shmem_RUNTIME_QUERY_hint", "OMPI_MCA_mpi_oversubscribe", "OMPI_MCA_rmaps_ppr_n_pernode",
    "OMPI_MCA_hwloc_base_binding_policy", "OMPI_COMM_WORLD_SIZE", "OMPI_UNIVERSE_SIZE", "PMIX_RANK",
    "PMIX_SERVER_URI41", "PMIX_MCA_gds", "PMIX_MCA_psec", "PMIX_GDS_MODULE", "PRTE_MCA_ess_base_vpid", "PRTE_LAUNCHED",
    # Intel MPI, MPICH
    "I_MPI_PIN_MAPPING", "I_MPI_PIN_INFO", "I_MPI_HYDRA_BOOTSTRAP", "I_MPI_INFO_NUMA_NODE_MAP", "I_MPI_LOCAL_RANK",
    "PMI_SIZE", "HYDI_CONTROL_FD", "MPI_LOCALNRANKS", "MPIR_CVAR_CH3_INTERFACE_HOSTNAME",
    # srun
    "SLURM_NTASKS", "SLURM_STEP_GPUS", "SLURM_PMIX_MAPPING_SERV", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES",
)  # fmt: skip
SET_ON_PURPOSE = (
    "OMPI_MCA_pml", "OMPI_MCA_btl_tcp_if_include", "OMPI_MCA_coll_hcoll_enable", "I_MPI_FABRICS", "I_MPI_PIN_DOMAIN",
    "I_MPI_PIN_PROCESSOR_LIST", "I_MPI_ADJUST_ALLREDUCE", "MPIR_CVAR_ALLREDUCE_INTRA_ALGORITHM", "MV2_USE_CUDA",
)  # fmt: skip


@pytest.mark.parametrize("name", SET_BY_LAUNCHERS)
def test_what_launchers_set_themselves_is_not_listed(name):
    assert listed({name: "2"}) == {}


@pytest.mark.parametrize("name", SET_ON_PURPOSE)
def test_what_a_user_sets_of_an_mpi_is(name):
    assert listed({name: "2"}) == {name: "2"}


def test_the_installed_launcher_adds_nothing_that_is_listed():
    command = [str(Path(sys.executable).with_name("mpiexec")), "-n", "2", "env"]
    done = subprocess.run(command, env={"PATH": "/usr/bin"}, capture_output=True, text=True, check=True)
    variables = [line.split("=", 1) for line in done.stdout.splitlines() if "=" in line]
    assert "PMI_RANK" in dict(variables)
    assert listed(dict(variables)) == {}


@pytest.mark.parametrize(
    "name",
    [
        "TORCH_HUB_TOKEN", "TRITON_CACHE_SECRET", "XLA_PASSWORD", "NCCL_NET_COOKIE", "UCX_AUTH_KEY", "PSM3_UUID",
        "TORCHINDUCTOR_CREDENTIALS_JSON", "PYTORCH_JOB_ID", "NCCL_HOSTID", "MPICH_INTERFACE_HOSTNAME_R0",
        "OMPI_MCA_oob_auth_token", "OMPI_MCA_mca_base_env_list", "OMPI_MCA_orte_default_hostfile",
    ],
)  # fmt: skip
def test_what_may_hold_a_secret_a_job_or_a_host_is_never_kept(name):
    assert listed({name: "hunter2", "NCCL_IB_ADDR_FAMILY": "AF_INET", "UCX_IB_PKEY": "0x1"}) == {
        "NCCL_IB_ADDR_FAMILY": "AF_INET",
        "UCX_IB_PKEY": "0x1",
    }


@pytest.mark.parametrize("flavour", ["mpich", "openmpi", "intel", "srun"])
def test_what_the_harness_sets_itself_tells_nothing_of_a_job(flavour):
    """A sweep that goes on outside of the allocation it began in is the same sweep."""
    alone = Launcher("mpiexec", flavour, None, hydra).environment()
    in_a_job = Launcher("mpiexec", flavour, None, hydra, slurm.Allocation(job="7")).environment()
    assert listed(alone) == listed(in_a_job)


def test_values_are_one_line_and_short_and_still_tell_long_ones_apart():
    long, other = ("x" * 5000 + end for end in "ab")
    kept = listed({"NCCL_A": "a\nb\x1b[31m", "NCCL_B": long, "NCCL_C": other, "CUDA_MPS_PIPE_DIRECTORY": "/tmp/job7"})
    assert kept["NCCL_A"] == "a\\nb\\x1b[31m"
    assert all(len(value) < LONGEST + 60 for value in kept.values())
    assert kept["NCCL_B"] != kept["NCCL_C"]
    assert kept["CUDA_MPS_PIPE_DIRECTORY"] == "set"


@pytest.mark.parametrize(
    "name", ["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT", "CUDA_MPS_CLIENT_PRIORITY"]
)
def test_limits_of_mps_count_with_their_value(name):
    assert listed({name: "50"}) == {name: "50"}


@pytest.mark.parametrize(
    ("name", "slow", "fast"),
    [
        ("CUDA_LAUNCH_BLOCKING", "1", "0"),
        ("LD_PRELOAD", "/usr/lib/libasan.so.8", "/opt/lib/libtcmalloc.so"),
        ("MALLOC_CHECK_", "3", "0"),
        ("MALLOC_PERTURB_", "165", "0"),
        ("GLIBC_TUNABLES", "glibc.malloc.check=3", "glibc.malloc.tcache_count=0"),
        ("TORCH_DISTRIBUTED_DEBUG", "DETAIL", "OFF"),
        ("NCCL_DEBUG", "TRACE", "INFO"),
        ("ONEDNN_VERBOSE", "1", "0"),
        ("PYTHONDEVMODE", "1", ""),
    ],
)
def test_what_slows_down_makes_suspect_and_switched_off_it_does_not(name, slow, fast):
    place = {"host": "n1", "environment": {}}
    (found,) = of_environment(listed({name: slow}), [place, place])
    assert found["cause"] == "environment"
    assert f"{name} = {slow}" in found["words"]
    assert slowed(listed({name: fast})) == []


@pytest.mark.parametrize(
    ("name", "little", "much"),
    [
        ("NCCL_DEBUG", ("INFO", "WARN", "VERSION"), "TRACE"),
        ("CUDNN_LOGLEVEL_DBG", ("0", "1", "2"), "3"),
        ("CUBLAS_LOGINFO_DBG", ("0",), "1"),
        ("CUDNN_LOGINFO_DBG", ("0",), "1"),
        ("CUBLASLT_LOG_LEVEL", ("0", "1"), "5"),
        ("CUBLASLT_LOG_MASK", ("0", "1"), "16"),
        ("ONEDNN_VERBOSE", ("0", "none", "error"), "all"),
        ("MKL_VERBOSE", ("0",), "1"),
        ("TORCH_DISTRIBUTED_DEBUG", ("OFF", "INFO"), "DETAIL"),
        ("UCX_LOG_LEVEL", ("warn", "info"), "trace"),
        ("TORCH_CPP_LOG_LEVEL", ("INFO",), None),
        ("TORCH_SHOW_CPP_STACKTRACES", ("1",), None),
        ("OMP_DISPLAY_ENV", ("VERBOSE",), None),
        ("KMP_VERSION", ("1",), None),
        ("I_MPI_DEBUG", ("5",), None),
        ("OMPI_MCA_btl_base_verbose", ("10",), None),
    ],
)
def test_what_prints_a_little_does_not_count_and_what_prints_much_does(name, little, much):
    assert [listed({name: value}) for value in little] == [{}] * len(little)
    if much:
        assert listed({name: much}) == {name: much}
        assert len(slowed({name: much})) == 1


def judged(environment, *ranks):
    """The sentences about ranks that were started with these variables."""
    places = main._placed([({"host": f"n{n}"}, own) for n, own in enumerate(ranks)], environment)
    return [each["words"] for each in of_environment(environment or {}, places)]


def test_ranks_that_differ_are_suspect_with_both_values():
    sweeps = {"NCCL_ALGO": "Ring", "OMP_PLACES": "cores"}
    assert judged(sweeps, sweeps, {"NCCL_ALGO": "Tree"}) == [
        "rank 1 on n1: NCCL_ALGO is Tree, the sweep's is Ring",
        "rank 1 on n1: OMP_PLACES is not set, the sweep's is cores",
    ]
    assert judged(sweeps, sweeps, sweeps) == []
    assert of_environment({}, [{"host": "older"}]) == []


def test_ranks_that_all_differ_from_the_sweep_are_suspect():
    other = {"NCCL_ALGO": "Tree"}
    assert judged({"NCCL_ALGO": "Ring"}, other, other) == ["all 2 ranks: NCCL_ALGO is Tree, the sweep's is Ring"]
    assert judged({}, other, other) == ["all 2 ranks: NCCL_ALGO is Tree, the sweep's is not set"]
    assert judged({"CUDA_LAUNCH_BLOCKING": "1"}, {}, {}) == [
        "all 2 ranks: CUDA_LAUNCH_BLOCKING is not set, the sweep's is 1"
    ]
    assert judged(None, other, other) == []  # an older version's sweep


BOUND = {
    "UCX_NET_DEVICES": ("mlx5_0:1", "mlx5_1:1"),
    "NCCL_IB_HCA": ("mlx5_0", "mlx5_1"),
    "OMP_PLACES": ("{0:4}", "{4:4}"),
    "GOMP_CPU_AFFINITY": ("0-3", "4-7"),
    "KMP_AFFINITY": ("proclist=[0-3],explicit", "proclist=[4-7],explicit"),
}


@pytest.mark.parametrize("name", BOUND)
def test_ranks_that_are_each_bound_to_their_own_are_not_suspect(name):
    first, second = ({name: value} for value in BOUND[name])
    assert judged(first, first, second) == []
    assert judged({}, first, second) == []
    assert len(judged(first, second, second)) == 1  # all to the same, and not the sweep's


def test_other_ways_of_binding_must_be_alike():
    assert len(judged({"OMP_PLACES": "cores"}, {"OMP_PLACES": "cores"}, {"OMP_PLACES": "threads"})) == 1


def test_a_host_set_otherwise_than_the_sweeps_first_is_suspect():
    sweeps = {"governor": "performance", "smt": None, "numa_balancing": "off", "power_limit_w": 700.0}
    here = {"governor": "powersave", "smt": "on", "numa_balancing": None, "power_limit_w": 700.0, "boost": "on"}
    changed = main._changed(here, sweeps)
    assert changed == {"governor": "powersave"}  # of the others one of the two is not known, or they are alike
    assert main._changed(here, None) == {}  # an older version's sweep
    places = [{"host": "n1", "settings": {}}, {"host": "n2", "settings": changed}, {"host": "n3"}]
    assert of_settings(sweeps, places) == [
        {"cause": "settings", "words": "rank 1 on n2: governor is powersave, the sweep's is performance"}
    ]


DESCRIBED = {
    "machine": {"device": "cpu", "device_kind": "cpu", "devices": 2, "cores": 2, "architecture": "x86_64"},
    "software": {"torch": "2.13", "cpu_capability": "AVX2", "openmp": "libgomp"},
    "settings": {"governor": "performance", "huge_pages_defrag": "madvise", "application_clock_mhz": 1980},
    "environment": {"OMP_PLACES": "cores"},
}


@pytest.mark.parametrize(
    ("section", "changed", "says"),
    [
        ("environment", {}, "environment.OMP_PLACES = cores, but this one has none"),
        ("environment", {"OMP_PLACES": "cores", "MKL_CBWR": "AVX2"}, "no environment.MKL_CBWR, but this one has AVX2"),
        ("environment", {"OMP_PLACES": ""}, "environment.OMP_PLACES = cores, but this one has ;"),
        ("settings", {"governor": "powersave"}, "settings.governor = performance, but this one has powersave"),
        ("settings", {"huge_pages_defrag": "always"}, "huge_pages_defrag = madvise, but this one has always"),
        ("settings", {"application_clock_mhz": 1200}, "application_clock_mhz = 1980, but this one has 1200"),
        ("software", {"cpu_capability": "DEFAULT"}, "cpu_capability = AVX2, but this one has DEFAULT"),
        ("software", {"openmp": "libgomp, libiomp5"}, "openmp = libgomp, but this one has libgomp, libiomp5"),
    ],
)
def test_a_folder_refuses_a_run_in_which_they_differ(tmp_path, section, changed, says):
    folder = Folder(tmp_path)
    folder.write_system(DESCRIBED | {"method_version": 8})
    folder.check_machine(DESCRIBED, "1", 1)
    held = {} if section == "environment" else DESCRIBED[section]
    with pytest.raises(InputError) as raised:
        folder.check_machine(DESCRIBED | {section: held | changed}, "1", 1)
    assert says in str(raised.value)


def test_a_folder_of_before_asks_for_what_it_holds_only(tmp_path):
    folder = Folder(tmp_path)
    old = {"machine": DESCRIBED["machine"], "software": {"torch": "2.13"}}
    folder.write_system(old | {"method_version": 8})
    folder.check_machine(DESCRIBED, "1", 1)


def tree(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_settings_of_the_host(tmp_path):
    cpu = "sys__devices__system__cpu__"
    files = {
        f"{cpu}cpu{n}__cpufreq__scaling_governor": governor
        for n, governor in enumerate(("powersave\n", "performance\n"))
    }
    files |= {
        f"{cpu}intel_pstate__no_turbo": "1\n",
        f"{cpu}smt__active": "1\n",
        "proc__sys__kernel__numa_balancing": "0\n",
    }
    files["sys__kernel__mm__transparent_hugepage__enabled"] = "always [madvise] never\n"
    files["sys__kernel__mm__transparent_hugepage__defrag"] = "always defer [defer+madvise] madvise never\n"
    assert of_host(tree(tmp_path, **files)) == {
        "governor": "performance, powersave",
        "boost": "off",
        "smt": "on",
        "numa_balancing": "off",
        "huge_pages": "madvise",
        "huge_pages_defrag": "defer+madvise",
    }
    assert set(of_host(tmp_path / "nowhere").values()) == {None}


class FakeGpu:
    divided = False

    def ecc(self):
        return True

    def persistence_mode(self):
        raise Unreadable("not supported")

    def compute_mode(self):
        return 3

    def power_limit_w(self):
        return 500.0

    def default_power_limit_w(self):
        return 700.0

    def application_clock_mhz(self):
        return 1980


def test_settings_of_a_gpu():
    assert of_gpu(FakeGpu()) == {
        "mig": "off",
        "ecc": "on",
        "persistence_mode": None,
        "compute_mode": "exclusive process",
        "power_limit_w": 500.0,
        "default_power_limit_w": 700.0,
        "application_clock_mhz": 1980,
    }


@pytest.mark.parametrize(
    ("loaded", "runtime"),
    [
        (["/torch/lib/libgomp-a34b3233.so.1", "/torch/lib/libgomp-a34b3233.so.1"], "libgomp"),
        (["/opt/intel/lib/libiomp5.so", "/usr/lib/libgomp.so.1"], "libgomp, libiomp5"),
        (["/usr/lib/llvm/libomp.so.5", "/usr/lib/libomptarget.so.1"], "libomp"),
        (["/usr/lib/libc.so.6"], None),
    ],
)
def test_the_openmp_runtime_is_the_one_that_is_loaded(tmp_path, loaded, runtime):
    maps = "".join(f"7f0000-7f1000 r-xp 00000000 08:01 42    {path}\n" for path in loaded)
    assert libraries.openmp(tree(tmp_path, maps=maps) / "maps") == runtime


def test_a_rank_has_an_openmp_runtime():
    assert libraries.versions(False)["openmp"] == libraries.openmp() is not None


ARM = "processor\t: 0\nBogoMIPS\t: 50\nCPU implementer\t: 0x41\nCPU variant\t: 0x1\nCPU part\t: 0xd40\n"


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n", "Some CPU @ 2 GHz"),
        ("processor\t: 0\ncpu\t\t: POWER9, altivec supported\n", "POWER9, altivec supported"),
        (ARM, "implementer 0x41, part 0xd40, variant 0x1"),
        (ARM + ARM.replace("0xd40", "0xd4f"), "implementer 0x41, part 0xd40/0xd4f, variant 0x1"),
    ],
)
def test_processors_without_a_model_name_are_told_apart(tmp_path, cpuinfo, name):
    assert processor_name(tree(tmp_path, proc__cpuinfo=cpuinfo)).endswith(name)


def test_the_environment_is_the_one_the_process_began_with():
    code = (
        "import os; os.environ['OMP_PLACES'] = 'threads'; os.environ['NCCL_ALGO'] = 'Ring'; "
        "from saih.common.environment import listed, started_with; print(listed(started_with()))"
    )
    environment = {"OMP_PLACES": "cores", "PATH": "/usr/bin", "PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'OMP_PLACES': 'cores'}"
