"""A sweep where its surroundings fail it: a full disk, a folder that cannot be written or ceases to be."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from saih import records
from tests.conftest import toy_config

pytestmark = [pytest.mark.mpi, pytest.mark.timeout(600)]

PRIVATE = ["unshare", "--mount", "--map-root-user"]
"""A view of the file systems of one's own: what is mounted there ends with the last process that sees it."""


@pytest.fixture(scope="module")
def mounts():
    command = [*PRIVATE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")


EIGHT = [8, 10, 12, 14, 16, 18, 20, 22]
BRIEFLY = {"target_percent": 50, "max_s": 0.2}

STEP = """
mkdir runs
step() { # runs the words, tells their exit status and what they say on stderr; the run's folder is kept as <name>
    name=$1; shift
    set +e; "$@" >kept/out 2>kept/err; status=$?; set -e
    $PYTHON -c 'import json, sys
print(json.dumps({"name": sys.argv[1], "status": int(sys.argv[2]), "err": open("kept/err").read()}))' $name $status
    cp -a runs "kept/$name"
}
"""


def shell(saih, script, **names):
    """Run a script in a private view. It has $SAIH for the command and leaves what is to be looked at in kept/."""
    (saih.folder / "kept").mkdir(exist_ok=True)
    words = {"PYTHON": sys.executable, "SAIH": f"{sys.executable} -m saih"} | {k: str(v) for k, v in names.items()}
    command = [*PRIVATE, "sh", "-euc", STEP + script]
    environment = saih.env | words
    done = subprocess.run(command, cwd=saih.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def assert_refused(step, why):
    assert step["status"] == 2
    assert step["err"].startswith("saih: ")
    assert step["err"].endswith(f"{why}\n")
    assert step["err"].count("\n") == 1


def whole(folder):
    """The records of a run, each of which can be read; nothing else lies there but what was being written."""
    points = folder / "toy" / "points"
    assert all(path.suffix in (".json", ".tmp") for path in points.glob("*"))
    return {record.id: record for record in records.read_all(points)}


@pytest.mark.parametrize(
    ("free_kib", "least", "most"),
    [(0, 0, 0), pytest.param(40, 1, 7, marks=pytest.mark.long), pytest.param(84, 1, 8, marks=pytest.mark.long)],
)
def test_a_full_disk_is_one_line_and_with_room_again_the_sweep_goes_on(saih, mounts, free_kib, least, most):
    """Full from the start, in the midst of the records, and where the report is written or just before."""
    sizes = EIGHT if free_kib else EIGHT[:2]
    saih.write("toy.yaml", toy_config(size={"n": sizes}, run={"ranks": 1}, measure=BRIEFLY))
    full, roomy = shell(saih, FILL, FREE=free_kib)
    assert_refused(full, "No space left on device")
    before, after = whole(saih.folder / "kept" / "full"), whole(saih.folder / "kept" / "roomy")
    assert least <= len(before) <= most
    assert roomy == {"name": "roomy", "status": 0, "err": ""}
    assert [record.status for record in after.values()] == ["ok"] * len(sizes)
    assert before.items() <= after.items()


FILL = """
mount -t tmpfs -o size=1m tmpfs runs
head -c $((1024 - FREE))k /dev/zero >runs/ballast
step full $SAIH sweep toy.yaml
rm runs/ballast
step roomy $SAIH sweep toy.yaml
"""


def test_a_folder_that_cannot_be_written_is_one_line_and_can_still_be_read(saih, mounts):
    saih.write("toy.yaml", toy_config(size={"n": 8}, run={"ranks": 1}, measure=BRIEFLY))
    steps = {step["name"]: step for step in shell(saih, READ_ONLY)}
    assert_refused(steps["empty"], "Read-only file system")
    assert steps["done"] == {"name": "done", "status": 0, "err": ""}
    assert_refused(steps["again"], "Read-only file system")
    assert_refused(steps["beside"], "Read-only file system")
    for name in ("dry", "status", "report"):
        assert steps[name] == {"name": name, "status": 0, "err": ""}
    assert (saih.folder / "elsewhere.html").stat().st_size > 10_000
    assert whole(saih.folder / "kept" / "done") == whole(saih.folder / "kept" / "report")


READ_ONLY = """
mount --bind runs runs
mount -o remount,bind,ro runs
step empty $SAIH sweep toy.yaml
mount -o remount,bind,rw runs
step done $SAIH sweep toy.yaml
mount -o remount,bind,ro runs
step again $SAIH sweep toy.yaml --retry ok
step beside $SAIH report runs/toy
step dry $SAIH sweep toy.yaml --dry-run
step status $SAIH status runs/toy
step report $SAIH report runs/toy --out elsewhere.html
"""


def test_a_folder_that_ceases_to_be_writable_costs_the_point_in_flight_only(saih, mounts):
    saih.write("toy.yaml", toy_config(size={"n": EIGHT[:6]}, run={"ranks": 1}, measure=BRIEFLY))
    ceased, restored = shell(saih, CEASES)
    assert_refused(ceased, "Read-only file system")
    before, after = whole(saih.folder / "kept" / "ceased"), whole(saih.folder / "kept" / "restored")
    assert 2 <= len(before) < 6
    assert restored == {"name": "restored", "status": 0, "err": ""}
    assert [record.status for record in after.values()] == ["ok"] * 6
    assert before.items() <= after.items()


CEASES = """
mount --bind runs runs
cease() { # after two records; mounted over the old one, since a log is open for writing there
    while [ $(ls runs/toy/points 2>/dev/null | grep -c 'json$') -lt 2 ]; do sleep 0.05; done
    mount --bind runs runs
    mount -o remount,bind,ro runs
}
cease &
step ceased $SAIH sweep toy.yaml
wait
umount runs
step restored $SAIH sweep toy.yaml
"""


def test_a_folder_without_the_right_to_write_is_one_line(saih):
    saih.write("toy.yaml", toy_config(size={"n": 8}, run={"ranks": 1}))
    (saih.folder / "runs").mkdir(mode=0o555)
    as_anyone = ["unshare", "--user"] if os.geteuid() == 0 else []  # there root has no right to override rights
    command = [*as_anyone, sys.executable, "-m", "saih", "sweep", "toy.yaml"]
    done = subprocess.run(command, cwd=saih.folder, env=saih.env, capture_output=True, text=True, check=False)
    if done.stderr.startswith("unshare: "):
        pytest.skip(f"root cannot become anyone here: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (2, "saih: runs/toy: Permission denied\n")


def test_ranks_without_room_in_shared_memory_and_cores_that_openmp_takes(saih, mounts):
    """Three sweeps: with too small a /dev/shm, with files of no size, and where importing torch binds a thread."""
    faults = {"faults": {"8": "kill"}}
    saih.write("toy.yaml", toy_config(size={"n": [8, 10]}, run={"ranks": 2}, measure=BRIEFLY, data=faults))
    small, files, roomy = shell(saih, SHARED_MEMORY)
    assert small["status"] == files["status"] == 2
    assert re.search(r"signal 7 \(Bus error\); /dev/shm, where ranks .*, has 1\.0 MiB, .* of it free now", small["err"])
    assert "; limits that may be why: RLIMIT_FSIZE = 512 bytes (see " in files["err"]
    assert [step["err"].count("\n") for step in (small, files)] == [1, 1]
    assert roomy["status"] == 1
    assert {record.status for record in whole(saih.folder / "kept" / "roomy").values()} == {"failed", "ok"}
    assert (saih.folder / "kept" / "left").read_text() == ""
    system = records.read_json(saih.folder / "kept" / "roomy" / "toy" / "system.json")
    assert system["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert system["process"]["shared_memory"]["bytes"] == 64 * 2**20
    assert system["process"]["limits"]["FSIZE"] is None


SHARED_MEMORY = """
mount -t tmpfs -o size=1m tmpfs /dev/shm
step small $SAIH sweep toy.yaml
umount /dev/shm
mount -t tmpfs -o size=64m tmpfs /dev/shm
step files sh -c 'ulimit -f 1; exec "$@"' "" $SAIH sweep toy.yaml
rm -f /dev/shm/*
step roomy env OMP_PROC_BIND=true OMP_PLACES=cores $SAIH sweep toy.yaml
ls -A /dev/shm >kept/left
"""


@pytest.mark.long
def test_memory_and_time_of_a_control_group(saih):
    """Growing with the largest batch in a group of 900 MiB, that a quota holds back: both are known and named."""
    at = dict(line.split(":")[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    memory, cpu = (Path("/sys/fs/cgroup", name + at.get(name, ""), f"saih-{os.getpid()}") for name in ("memory", "cpu"))
    try:
        memory.mkdir()
        cpu.mkdir()
    except OSError as error:
        pytest.skip(f"no control groups of version 1 can be made: {error}")
    (memory / "memory.limit_in_bytes").write_text(str(900 * 2**20))
    (cpu / "cpu.cfs_quota_us").write_text("60000")
    grow = {"kind": "grow", "grow": {"along": {"n": 2}, "batch": "largest", "steps": 1, "bisections": 0}}
    changes = {"size": {"n": 1024}, "run": {"ranks": 1}, "data": {"hold": 1}, "sweep": grow, "measure": BRIEFLY}
    saih.write("toy.yaml", toy_config(**changes))
    enter = f"for g in {memory} {cpu}; do echo $$ >$g/cgroup.procs; done"
    command = ["sh", "-euc", f'{enter}; exec "$0" -m saih sweep toy.yaml', sys.executable]
    try:
        done = subprocess.run(command, cwd=saih.folder, env=saih.env, capture_output=True, text=True, check=False)
    finally:
        memory.rmdir()
        cpu.rmdir()
    assert done.returncode == 0, done.stderr
    machine = records.read_json(saih.folder / "runs" / "toy" / "system.json")["machine"]
    assert (machine["memory_bytes"], machine["cpu_quota_cores"]) == (900 * 2**20, 0.6)
    found = {record.status: record for record in whole(saih.folder / "runs").values()}
    assert f"{memory.name} (memory.limit_in_bytes) allows 0.879 GiB" in found["oom"].diagnosis["evidence"]
    assert "quota" in {reason["cause"] for reason in found["ok"].diagnosis["suspect"]}


@pytest.mark.parametrize("where", ["full", "gone"])
def test_a_sweep_outlives_the_reader_of_its_output(saih, where):
    """| head ends after a line, and a log's file system is full: what is measured is kept, and the status is true."""
    saih.write("toy.yaml", toy_config(size={"n": [8]}, run={"ranks": [1]}))
    if where == "full":
        out = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, out = os.pipe()
        os.close(reader)
    command = [sys.executable, "-m", "saih", "sweep", "toy.yaml", "--no-report"]
    done = subprocess.run(
        command, cwd=saih.folder, env=saih.env, stdout=out, stderr=subprocess.PIPE, text=True, timeout=120, check=False
    )
    os.close(out)
    reason = {"full": "No space left on device", "gone": "Broken pipe"}[where]
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"saih: standard output could not be written ({reason}); the sweep went on without\n"
    (kept,) = (saih.folder / "runs" / "toy" / "points").glob("*.json")
    assert json.loads(kept.read_text())["status"] == "ok"
