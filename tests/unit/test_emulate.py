"""Disturbances are real: what the kernel, a reader and a busy loop see of them, and that nothing of them stays."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from saih import emulate
from saih import processes as process
from saih.emulate import Settings, storage
from saih.errors import InputError

pytestmark = pytest.mark.slow

BLKIO = Path("/sys/fs/cgroup/blkio")
MB = 1_000_000
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]

throttles = pytest.mark.skipif(
    os.geteuid() != 0 or not (BLKIO / storage.LIMIT).exists(), reason="needs root and cgroup version 1 with blkio"
)


def start(settings, *command, **more):
    return subprocess.Popen([*settings.wrapper(), *command], text=True, **more)


def run(*words, **more):
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, **more)


def state(pid):
    """A process's state in one letter, T being stopped; None where there is none."""
    found = process.look(pid)
    return None if found is None or found.ended else found.state


def schedule_s(pid):
    """(seconds on a core, seconds of waiting for one): sched-stats.rst in the kernel's documentation."""
    on_ns, waited_ns, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    return int(on_ns) / 1e9, int(waited_ns) / 1e9


def children(pid):
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found


def until(true, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


@pytest.fixture
def ended():
    """Processes to end whatever becomes of a test."""
    processes = []
    yield processes
    for each in processes:
        each.kill()
        each.communicate()


# what is asked for, and the label


SECTION = {
    "storage_mb_s": None,
    "link_mb_s": 25.0,
    "slow_rank": {"rank": 1, "share": 0.5},
    "stop_rank": {"rank": 0, "after_s": 600.0},
    "memory_gib": 3.0,
}


def test_each_rank_is_labelled_with_what_it_suffers():
    asked = Settings.of(SECTION)
    common = {"link_mb_s": 25.0, "memory_gib": 3.0}
    labels = [asked.at(rank, 3) for rank in range(3)]
    assert labels == [
        {**common, "stop_rank": {"rank": 0, "after_s": 600.0}},
        {**common, "slow_rank": {"rank": 1, "share": 0.5}},
        common,
    ]
    assert emulate.together(labels) == {name: value for name, value in SECTION.items() if value is not None}


def test_a_lone_rank_has_no_link_and_nothing_asked_for_is_nothing():
    assert Settings(link_mb_s=25.0).at(0, 1) == {}
    assert Settings.of({}).wrapper() == []
    assert emulate.label({}) is emulate.together([None, {}]) is None


def test_the_command_finds_its_label_and_so_do_commands_within_it():
    outer, inner = Settings(slow_rank=(0, 0.9)), Settings(memory_gib=2.0, stop_rank=(1, 5.0))
    done = run(*outer.wrapper(), *inner.wrapper(), "env")
    (found,) = [line for line in done.stdout.splitlines() if line.startswith(f"{emulate.LABEL}=")]
    expected = {"slow_rank": {"rank": 0, "share": 0.9}, "memory_gib": 2.0}
    assert json.loads(found.partition("=")[2]) == expected
    assert emulate.in_words(expected) == "rank 0 running 90 % of the time, 2 GiB of memory a rank"


def test_every_disturbance_has_its_words():
    told = emulate.in_words({**SECTION, "storage_mb_s": 50.0})
    assert told == (
        "storage at 50 MB/s, links at 25 MB/s, rank 1 running 50 % of the time, rank 0 stopped after 600 s, "
        "3 GiB of memory a rank"
    )


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({}, (0, 1)),
        ({"PMI_RANK": "3", "PMI_SIZE": "4", "SLURM_PROCID": "0"}, (3, 4)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, (1, 2)),
        ({"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8"}, (5, 8)),
    ],
)
def test_every_launcher_tells_the_rank(environment, place):
    assert process.place(environment) == place


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--slow-rank", "0", "1", "--", "true"], "--slow-rank: 1: must be a number from 0.01 to 0.99"),
        (["--stop-rank", "x", "1", "--", "true"], "--stop-rank: x: must be a number from 0 to 1e+06"),
        (["--storage-mb-s", "-5", "--", "true"], "argument --storage-mb-s: -5: must be a number from 0.001 to 1e+06"),
        (["--memory-gib", "2"], "no command after --"),
        (["--memory-gib", "2", "--", "no-such-program"], "no-such-program: No such file or directory"),
    ],
)
def test_what_cannot_be_is_one_line(words, told):
    done = run(sys.executable, "-m", "saih.emulate", *words)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].removeprefix("saih.emulate: ").removeprefix("error: ") == told


# the wrapper gets out of the way


def test_input_output_and_exit_status_are_the_commands_own(ended):
    code = "import sys; print(sys.stdin.read().upper(), end=''); sys.exit(7)"
    running = start(
        Settings(slow_rank=(0, 0.5)), sys.executable, "-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    ended.append(running)
    out, _ = running.communicate("a line\n", timeout=60)
    assert (out, running.returncode) == ("A LINE\n", 7)


def test_a_killed_launcher_takes_the_command_and_its_helper_along(ended):
    words = [*Settings(slow_rank=(0, 0.5)).wrapper(), *SLEEP]
    launcher = subprocess.Popen([sys.executable, "-c", f"import subprocess; subprocess.call({words!r})"])
    ended.append(launcher)
    until(lambda: children(launcher.pid) and children(children(launcher.pid)[0]))
    (command,) = children(launcher.pid)
    (helper,) = children(command)
    launcher.send_signal(signal.SIGKILL)
    until(lambda: state(command) is state(helper) is None)


# ranks that are slow, or stop


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_a_slow_rank_is_stopped_for_the_rest_of_the_time(share, ended):
    running = start(
        Settings(slow_rank=(0, share)), sys.executable, "-c", "print(flush=True)\nwhile True: pass", stdout=-1
    )
    ended.append(running)
    running.stdout.readline()
    (ran, waited), begun = schedule_s(running.pid), time.monotonic()
    seen = set()
    while time.monotonic() - begun < 2:
        time.sleep(0.003)
        seen.add(state(running.pid))
    (ran_then, waited_then), seconds = schedule_s(running.pid), time.monotonic() - begun
    assert (ran_then - ran) / seconds < share + 0.1
    # what it could not use, since others had the cores, it was still given
    assert (ran_then - ran + waited_then - waited) / seconds > share - 0.1
    assert "T" in seen


def test_another_rank_is_left_alone(ended):
    running = start(Settings(slow_rank=(1, 0.5), stop_rank=(2, 0.0)), *SLEEP)
    ended.append(running)
    until(lambda: b"saih.emulate" not in Path(f"/proc/{running.pid}/cmdline").read_bytes())
    assert not children(running.pid)


def test_a_stopped_rank_stays_stopped_and_can_be_killed(ended):
    running = start(Settings(stop_rank=(0, 0.2)), *SLEEP)
    ended.append(running)
    until(lambda: state(running.pid) == "T")
    helpers = children(running.pid)
    time.sleep(0.3)
    assert state(running.pid) == "T"
    running.kill()
    running.wait(20)
    until(lambda: {state(helper) for helper in helpers} <= {None})


# memory


@pytest.mark.parametrize(("mib", "status"), [(64, 0), (512, 1)])
def test_memory_ends_where_it_was_said_to(mib, status):
    code = f"x = bytearray({mib} * 2**20)"
    done = run(*Settings(memory_gib=0.25).wrapper(), sys.executable, "-c", code)
    assert done.returncode == status
    assert ("MemoryError" in done.stderr) == bool(status)


# storage


READ = """
import mmap, os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY | (os.O_DIRECT if sys.argv[2] == "direct" else 0))
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
buffer, done, start = mmap.mmap(-1, 1 << 20), 0, time.monotonic()
while n := os.preadv(fd, [buffer], done):
    done += n
print(done / (time.monotonic() - start))
"""


@pytest.fixture
def file():
    """16 MiB on a disk; pytest's own folder may lie in memory."""
    folder = Path(subprocess.check_output(["mktemp", "-d", "-p", "/var/tmp"], text=True).strip())
    path = folder / "data"
    with open(path, "wb") as out:
        out.write(os.urandom(16 * 2**20))
        os.fsync(out.fileno())
    yield path
    shutil.rmtree(folder)


def groups():
    return set(BLKIO.glob("**/saih-*"))


@throttles
@pytest.mark.parametrize("how", ["direct", "buffered"])
def test_a_plain_reader_gets_the_rate_and_the_group_goes_with_it(how, file):
    storage.require_disks(1.0, [str(file)])
    before = groups()
    done = run(*Settings(storage_mb_s=20.0).wrapper(), sys.executable, "-c", READ, str(file), how)
    assert float(done.stdout) < 1.2 * 20 * MB  # a busy host may give less
    until(lambda: groups() <= before)


@throttles
def test_the_kernel_knows_the_limit_of_every_disk():
    limits = f"cat {BLKIO}$(sed -n 's/^[0-9]*:blkio://p' /proc/self/cgroup)/{storage.LIMIT}"
    done = run(*Settings(storage_mb_s=20.0).wrapper(), "sh", "-c", limits)
    assert dict(line.split() for line in done.stdout.splitlines()) == dict.fromkeys(storage.disks(), "20000000")


@throttles
def test_the_ranks_of_a_host_share_the_rate(file, ended):
    words = [*Settings(storage_mb_s=20.0).wrapper(), sys.executable, "-c", READ, str(file), "direct"]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    ended += both
    assert all(float(each.communicate(timeout=60)[0]) < 0.8 * 20 * MB for each in both)


@throttles
def test_a_killed_command_leaves_no_group(ended):
    before = groups()
    running = start(Settings(storage_mb_s=3.0), *SLEEP)
    ended.append(running)
    until(lambda: groups() - before)
    running.send_signal(signal.SIGKILL)
    running.wait()
    until(lambda: groups() <= before)


def test_files_without_a_disk_are_refused():
    with pytest.raises(
        InputError, match=r"^emulate.storage_mb_s = 5: /proc/version lies on proc \(proc\), which has no"
    ):
        storage.require_disks(5.0, ["/proc/version"])
    storage.require_disks(None, ["/proc/version"])


# trying beforehand


def test_what_needs_no_rights_is_granted():
    emulate.require(Settings(slow_rank=(0, 0.5), stop_rank=(1, 1.0), memory_gib=4.0))
    emulate.require(Settings())


def test_a_lack_of_rights_is_one_line():
    if run("unshare", "--user", "--map-user=1000", "true").returncode:
        pytest.skip("needs user namespaces")
    code = "from saih import emulate; emulate.require(emulate.Settings(storage_mb_s=4.0))"
    done = run("unshare", "--user", "--map-user=1000", sys.executable, "-c", code)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("saih.errors.InputError: emulate.storage_mb_s = 4: ")
    assert "needs" in last


@pytest.mark.parametrize("given", ["garbage", "[1]", '{"slow_rank": 3}', '{"storage_mb_s": -1}'])
def test_a_label_that_no_disturbance_leaves_is_one_line(given):
    with pytest.raises(InputError, match=r"^SAIH_EMULATED = .*: must be what saih\.emulate leaves there; unset it$"):
        emulate.label({"SAIH_EMULATED": given})
