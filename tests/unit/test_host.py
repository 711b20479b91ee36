"""What a process may have of its host: trees like the kernel's, real control groups where it lets us."""

import mmap
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from saih.common.host import affinity, limits, memory, quota, shared_memory
from saih.common.host.cgroups import groups
from saih.sweep.memory_fit import Room
from saih.telemetry.quota import QuotaWatch
from saih.telemetry.readings import Unreadable
from tests.conftest import ROOT

MIB = 2**20
GIB = 2**30


def tree(folder, mounts, membership, files, available=8 * GIB):
    """A /proc that tells of control groups mounted in ``folder``: {name: (type, root, options)}, {path: content}."""
    own = folder / "proc" / "self"
    own.mkdir(parents=True)
    lines = [
        f"{number} 23 0:{number} {root} {folder / name} rw,relatime shared:9 - {kind} {kind} rw,{options}\n"
        for number, (name, (kind, root, options)) in enumerate(mounts.items(), 30)
    ]
    (own / "mountinfo").write_text("".join(lines))
    (own / "cgroup").write_text(membership)
    (folder / "proc" / "meminfo").write_text(f"MemTotal: {16 * GIB // 1024} kB\nMemAvailable: {available // 1024} kB\n")
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"{content}\n")
    return folder / "proc"


V1 = {"memory": ("cgroup", "/", "memory"), "cpu": ("cgroup", "/", "cpu,cpuacct"), "v2": ("cgroup2", "/", "nsdelegate")}
V2 = {"v2": ("cgroup2", "/", "nsdelegate")}
UNLIMITED = 9223372036854771712


@pytest.mark.parametrize(
    ("mounts", "membership", "files", "total", "free", "by"),
    [
        pytest.param(
            V1,
            "4:memory:/job/step\n0::/\n",
            {
                "memory/job/memory.limit_in_bytes": 900 * MIB,
                "memory/job/memory.usage_in_bytes": 500 * MIB,
                "memory/job/memory.stat": f"inactive_file 7\ntotal_inactive_file {90 * MIB}\ntotal_active_file 0",
                "memory/job/step/memory.limit_in_bytes": UNLIMITED,
                "memory/job/step/memory.usage_in_bytes": 400 * MIB,
                "memory/job/step/memory.stat": f"hierarchical_memory_limit {900 * MIB}",
            },
            900 * MIB,
            490 * MIB,
            "control group /job (memory.limit_in_bytes)",
            id="version 1, a parent's",
        ),
        pytest.param(
            V2,
            "0::/slurm/job_7/step_0\n",
            {
                "v2/slurm/job_7/memory.max": 4 * GIB,
                "v2/slurm/job_7/memory.current": GIB,
                "v2/slurm/job_7/memory.stat": f"anon 5\ninactive_file {GIB // 4}\nactive_file {GIB // 4}",
                "v2/slurm/job_7/step_0/memory.max": "max",
                "v2/slurm/job_7/step_0/memory.current": GIB,
            },
            4 * GIB,
            3 * GIB + GIB // 2,
            "control group /slurm/job_7 (memory.max)",
            id="version 2, a parent's",
        ),
        pytest.param(
            V2,
            "0::/a\n",
            {"v2/a/memory.max": "max", "v2/a/memory.high": GIB, "v2/a/memory.current": 2 * GIB},
            GIB,
            0,
            "control group /a (memory.high)",
            id="memory.high, exceeded",
        ),
        pytest.param(
            V2,
            "0::/a\n",
            {"v2/a/memory.max": 64 * GIB},
            16 * GIB,
            8 * GIB,
            memory.THE_HOST,
            id="more than there is",
        ),
        pytest.param(
            {"memory": ("cgroup", "/docker/c0ffee", "memory")},
            "4:memory:/docker/c0ffee/inner\n",
            {"memory/memory.limit_in_bytes": GIB, "memory/inner/memory.limit_in_bytes": 2 * GIB},
            GIB,
            GIB,
            "control group / (memory.limit_in_bytes)",
            id="a container that sees its own part",
        ),
        pytest.param(
            V2,
            "0::/../../elsewhere\n",
            {"v2/memory.max": GIB},
            GIB,
            GIB,
            "control group / (memory.max)",
            id="a namespace",
        ),
        pytest.param(
            V2, "0::/gone/too\n", {"v2/memory.max": GIB}, GIB, GIB, "control group / (memory.max)", id="nearest above"
        ),
        pytest.param(
            V1,
            "4:memory:/c\n",
            {"memory/c/memory.limit_in_bytes": UNLIMITED, "memory/c/memory.stat": f"hierarchical_memory_limit {GIB}"},
            GIB,
            GIB,
            "control group /c or one above it",
            id="a limit above what is mounted",
        ),
        pytest.param({}, "0::/\n", {}, 16 * GIB, 8 * GIB, memory.THE_HOST, id="nothing mounted"),
    ],
)
def test_memory_is_the_least_of_all_limits(tmp_path, mounts, membership, files, total, free, by):
    proc = tree(tmp_path, mounts, membership, files)
    assert memory.limit(proc) == memory.Limit(total, by)
    assert memory.free_bytes(proc) == free


IN_JOB = {"SLURM_JOB_ID": "7"}


@pytest.mark.parametrize(
    ("environment", "size", "by"),
    [
        (IN_JOB | {"SLURM_MEM_PER_NODE": "900"}, 900 * MIB, "the job's SLURM_MEM_PER_NODE = 900"),
        (
            IN_JOB | {"SLURM_MEM_PER_CPU": "512", "SLURM_CPUS_ON_NODE": "4"},
            2048 * MIB,
            "the job's SLURM_MEM_PER_CPU = 512",
        ),
        (
            IN_JOB | {"SLURM_MEM_PER_GPU": "1024", "SLURM_GPUS_ON_NODE": "2"},
            2048 * MIB,
            "the job's SLURM_MEM_PER_GPU = 1024",
        ),
        (IN_JOB | {"SLURM_MEM_PER_NODE": "0"}, 16 * GIB, memory.THE_HOST),  # all of the node
        (IN_JOB | {"SLURM_MEM_PER_NODE": "99999999"}, 16 * GIB, memory.THE_HOST),
        (IN_JOB | {"SLURM_MEM_PER_CPU": "512", "SLURM_CPUS_ON_NODE": "many"}, 16 * GIB, memory.THE_HOST),
        ({"SLURM_MEM_PER_NODE": "900"}, 16 * GIB, memory.THE_HOST),  # left over in a shell, without a job
        (IN_JOB, 16 * GIB, memory.THE_HOST),
    ],
)
def test_what_a_job_asked_slurm_for_is_a_limit(tmp_path, environment, size, by):
    proc = tree(tmp_path, {}, "0::/\n", {})
    (proc / "self" / "status").write_text(f"RssAnon: {100 * 1024} kB\n")
    assert memory.limit(proc, environment) == memory.Limit(size, by)
    free = min(8 * GIB, size - 100 * MIB)
    assert memory.free_bytes(proc, environment) == free


def test_what_cannot_be_read_limits_nothing(tmp_path):
    found = memory.limit(tmp_path / "none")
    assert found == memory.Limit(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), memory.THE_HOST)
    assert groups("cpu", tmp_path) == quota.quotas(tmp_path) == []


@pytest.mark.parametrize(
    ("mounts", "membership", "files", "cores"),
    [
        (V1, "5:cpu,cpuacct:/a/b\n", {"cpu/a/cpu.cfs_quota_us": 30000, "cpu/a/cpu.cfs_period_us": 100000}, [0.3]),
        (V1, "5:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": -1, "cpu/a/cpu.cfs_period_us": 100000}, []),
        (V2, "0::/a/b\n", {"v2/a/cpu.max": "150000 100000", "v2/a/b/cpu.max": "max 100000"}, [1.5]),
        (V2, "0::/a/b\n", {"v2/a/cpu.max": "150000 100000", "v2/a/b/cpu.max": "50000 100000"}, [0.5, 1.5]),
        (V2, "0::/a/b\n", {"v2/a/b/cpu.max": ""}, []),
    ],
)
def test_quotas_of_all_groups(tmp_path, mounts, membership, files, cores):
    assert [each.cores for each in quota.quotas(tree(tmp_path, mounts, membership, files))] == cores


def test_the_group_that_was_held_back_most_is_told_and_a_count_that_falls_is_no_figure(tmp_path):
    """Version 2 counts microseconds; a container that is moved or restored begins to count anew."""
    stat = "nr_periods {}\nnr_throttled {}\nthrottled_usec {}"
    files = {"v2/a/cpu.max": "150000 100000", "v2/a/b/cpu.max": "50000 100000"}
    files |= {"v2/a/cpu.stat": stat.format(10, 0, 0), "v2/a/b/cpu.stat": stat.format(10, 5, 10**6)}
    watch = QuotaWatch(tree(tmp_path, V2, "0::/a/b\n", files))
    watch.begin()
    (tmp_path / "v2/a/cpu.stat").write_text(stat.format(110, 50, 10**6))
    (tmp_path / "v2/a/b/cpu.stat").write_text(stat.format(110, 59, 4 * 10**6))
    found = {"cores": 0.5, "group": "/a/b", "periods": 100, "throttled_periods": 54, "throttled_s": 3.0}
    assert watch.to_dict() == found
    (tmp_path / "v2/a/b/cpu.stat").write_text(stat.format(3, 1, 10))
    with pytest.raises(Unreadable, match="nr_periods: fell from 10 to 3"):
        watch.to_dict()
    (tmp_path / "v2/a/b/cpu.stat").write_text("usage_usec 5")
    with pytest.raises(Unreadable, match="does not count throttled periods"):
        watch.to_dict()


MACHINE = {"device_kind": "cpu", "device_memory_bytes": None, "memory_bytes": 900 * MIB}


@pytest.mark.parametrize(
    ("told", "most", "by"),
    [
        ({}, 450 * MIB, None),
        ({"memory_limited_by": memory.THE_HOST, "rank_memory_bytes": None}, 450 * MIB, None),
        (
            {"memory_limited_by": "control group /a (memory.max)"},
            450 * MIB,
            "control group /a (memory.max) allows 0.879",
        ),
        ({"rank_base_bytes": 50 * MIB}, 400 * MIB, None),
        ({"rank_memory_bytes": 10**6, "rank_memory_limited_by": "RLIMIT_AS of 2 GiB"}, 10**6, "RLIMIT_AS of 2 GiB"),
    ],
)
def test_what_a_rank_may_take_and_who_limits_it(told, most, by):
    """The first is a system.json of before."""
    room = Room(None, MACHINE | told, 1, None)
    found = room.limited_by(2)
    assert room.most_bytes(2) == most
    assert found is None if by is None else found.startswith(by)


def inside(code, *before, env=None, words=()):
    """What Python code prints that runs in a process of its own, after ``before`` a shell's words."""
    command = ["bash", "-euc", f'{"; ".join([*before, "exec"])} "$0" "$@"', sys.executable, "-c", code, *words]
    path = os.environ | {"PYTHONPATH": str(ROOT)} | (env or {})
    return subprocess.run(command, env=path, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def real_group(request):
    """A folder of a real control group of version 1 of this process's, and one in it."""
    line = re.search(rf"^\d+:{request.param}:(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
    folder = Path(f"/sys/fs/cgroup/{request.param}{line[1] if line else ''}/saih-test-{os.getpid()}")
    try:
        (folder / "inner").mkdir(parents=True)
    except OSError as error:
        pytest.skip(f"no control group of version 1 can be made: {error}")
    yield folder
    (folder / "inner").rmdir()
    folder.rmdir()


@pytest.mark.parametrize("real_group", ["memory"], indirect=True)
def test_a_real_limit_of_the_group_above(real_group):
    (real_group / "memory.limit_in_bytes").write_text(str(200 * MIB))
    code = (
        "from saih.common.host import memory; found = memory.limit(); print(found.size, memory.free_bytes(), found.by)"
    )
    size, free, by = inside(code, f"echo $$ >{real_group}/inner/cgroup.procs").split(maxsplit=2)
    assert int(size) == 200 * MIB
    assert 100 * MIB < int(free) < 200 * MIB
    assert by.endswith(f"/{real_group.name} (memory.limit_in_bytes)")


@pytest.mark.parametrize("real_group", ["cpu"], indirect=True)
def test_a_real_quota_holds_back_who_works_longer(real_group):
    (real_group / "cpu.cfs_period_us").write_text("10000")
    (real_group / "cpu.cfs_quota_us").write_text("3000")
    code = """
import time
from saih.telemetry.quota import QuotaWatch
watch = QuotaWatch()
watch.begin()
end_s = time.monotonic() + 0.3
while time.monotonic() < end_s:
    pass
found = watch.to_dict()
print(found["cores"], found["throttled_periods"] > 0.5 * found["periods"] > 2, found["throttled_s"] > 0.05)
"""
    assert inside(code, f"echo $$ >{real_group}/inner/cgroup.procs") == "0.3 True True"


def test_a_thread_that_a_library_binds_gets_its_cores_back():
    """As importing torch does under OMP_PROC_BIND; what is started then has all cores."""
    cores = affinity.own()
    if len(cores) < 2:
        pytest.skip("needs two cores")
    code = """
from saih.common.host import affinity
before = affinity.own()
import torch
print(affinity.restore(before) == before[:1], affinity.own() == before, affinity.restore(before))
"""
    assert inside(code, env={"OMP_PROC_BIND": "true", "OMP_PLACES": "cores"}) == "True True None"


def test_resource_limits_bound_memory_and_are_named():
    code = """
from saih.common.host import limits, memory
found = memory.own_limit()
print(found.by, 0 < found.size < 2**31, memory.free_bytes() <= found.size, limits.tight(), sep="|")
"""
    by, within, counts, tight = inside(code, "ulimit -v 2097152 -f 1 -n 64").split("|")
    assert (by, within, counts) == ("RLIMIT_AS of 2 GiB", "True", "True")
    assert tight == "RLIMIT_NOFILE = 64 open files, RLIMIT_AS = 2,147,483,648 bytes, RLIMIT_FSIZE = 1,024 bytes"


def test_files_are_allowed_up_to_the_hard_limit_and_data_never_beyond_its():
    code = """
import resource
from saih.common.host import limits
limits.allow_many_files()
print(limits.in_force()["NOFILE"], resource.getrlimit(resource.RLIMIT_NOFILE)[1])
limits.allow_data(2**30)
limits.allow_data(2**40)
print(limits.in_force()["DATA"], resource.getrlimit(resource.RLIMIT_DATA)[1])
limits.allow_data(None)
print(limits.in_force()["DATA"])
"""
    most = 4 * GIB
    told = inside(code, "ulimit -Sn 100", "ulimit -Hn 500", f"ulimit -d {most // 1024}").split()
    assert told == ["500", "500", *[str(most)] * 3]


def test_limits_in_force_are_numbers_or_none():
    found = limits.in_force()
    soft = resource.getrlimit(resource.RLIMIT_STACK)[0]
    assert found["STACK"] == (None if soft == resource.RLIM_INFINITY else soft)


def test_shared_memory_files_of_libraries_are_given_back_and_nobody_s_data(tmp_path):
    library, data = tmp_path / "mpich_shm_1_0", tmp_path / "universe.h5"
    held = []
    for path in (library, data):
        path.write_bytes(bytes(4096))
        with open(path, "r+b") as file:
            held.append(mmap.mmap(file.fileno(), 0))
    seen = shared_memory.mapped(os.getpid(), tmp_path)
    assert [path for path, _ in seen] == [library]
    other = {(path, number + 1) for path, number in seen}  # a file of that name that somebody has made since
    assert shared_memory.remove(other) == []
    assert shared_memory.remove(seen) == [library]
    assert data.exists()
    assert shared_memory.mapped(2**22 + 1, tmp_path) == set()


def test_the_size_of_shared_memory():
    found = shared_memory.space(Path("/proc/none"))
    here = shared_memory.space()
    assert found is None
    assert here is None or 0 <= here.free <= here.size
