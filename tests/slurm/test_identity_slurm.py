"""Who holds a run's folder, as a real Slurm knows it: tasks of arrays, and drivers that other hosts cannot see."""

import json
import os
import signal
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.mpi]

ONE_RANK = {"run": {"ranks": [1]}}


@pytest.fixture
def array(login, cluster):
    """An array of two tasks, of which the first is done, and the last, which bears the array's number, is at work."""
    login.config(size={"n": [8]}, data={"faults": {"8": "hang"}}, **ONE_RANK)
    # the first task's point does not hang
    login.profile(setup=['[ "$SLURM_ARRAY_TASK_ID" = 1 ] || export TOY_MENDED=/'])
    (job,) = login.submit("--array", "2")
    login.job, login.runs = job, login.folder / "runs"
    cluster.wait_for(f"{job}_0", "COMPLETED", 120)
    cluster.until(lambda: list((login.runs / "toy-task1" / "logs").glob("n8-*.log")), login.logs, 60)
    assert cluster.job(f"{job}_1")["JobId"] == job
    return login


def elsewhere(login, *words):
    """The command line on another host: another name, another boot, and its own processes only."""
    boot = login.folder / "boot"
    boot.write_text("another boot")
    go = f'hostname elsewhere; mount --bind "{boot}" /proc/sys/kernel/random/boot_id; exec "$@"'
    unshare = ["unshare", "--uts", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", go, "sh"]
    words = [*unshare, sys.executable, "-m", "saih", *words]
    return subprocess.run(
        words, cwd=login.folder, env=login.saih.env, capture_output=True, text=True, timeout=100, check=False
    )


def test_the_last_task_of_an_array_is_seen_at_work_from_another_host_and_requeued_alone(array, cluster):
    job, lock = array.job, array.runs / "toy-task1" / "lock"
    said = elsewhere(array, "status", "runs/toy-task1").stdout
    assert f"at work: process {json.loads(lock.read_text())['pid']} on " in said
    assert f"(job {job}_1: RUNNING)" in said
    assert "no driver is at work (its job: COMPLETED)" in elsewhere(array, "status", "runs/toy-task0").stdout
    second = elsewhere(array, "sweep", "toy.yaml", "--out", "runs/toy-task1")
    assert second.returncode == 2
    assert "a sweep is at work here" in second.stderr
    assert f"its job {job}_1 is RUNNING; if it is gone, delete runs/toy-task1/lock" in second.stderr
    assert second.stderr.count("\n") == 1
    cluster.run("scancel", "--batch", "--signal=USR1", f"{job}_1")
    cluster.until(lambda: int(cluster.job(f"{job}_1")["Restarts"]) == 1, lambda: str(cluster.job(f"{job}_1")), 60)
    assert cluster.job(f"{job}_0")["Restarts"] == "0"
    assert cluster.job(f"{job}_0")["JobState"] == "COMPLETED"
    (array.folder / "mended").touch()
    cluster.wait_for(f"{job}_1", "COMPLETED", 120)
    assert array.records("toy-task1")[8].status == "ok"
    assert not lock.exists()


def test_a_job_that_was_killed_leaves_a_lock_that_another_host_takes_over(login, cluster):
    login.config(size={"n": [8]}, data={"faults": {"8": "hang"}}, **ONE_RANK)
    (job,) = login.submit()
    logs, lock = login.folder / "runs" / "toy" / "logs", login.folder / "runs" / "toy" / "lock"
    cluster.until(lambda: list(logs.glob("n8-*.log")), login.logs, 60)
    assert "a sweep is at work here" in elsewhere(login, "sweep", "toy.yaml", "--out", "runs/toy").stderr
    os.kill(json.loads(lock.read_text())["pid"], signal.SIGKILL)
    cluster.wait_for(job, "FAILED", 60)
    assert "ended without a last word" in elsewhere(login, "status", "runs/toy").stdout
    (login.folder / "mended").touch()
    done = elsewhere(login, "sweep", "toy.yaml", "--out", "runs/toy")
    assert done.returncode == 0, done.stderr
    assert login.records()[8].status == "ok"
    assert not lock.exists()


def test_what_a_task_submits_is_a_job_of_its_own(cluster, tmp_path):
    """Slurm hands SLURM_ARRAY_* of the task down to it; its number alone is its own."""
    show = f"{sys.executable} -c 'import os; from saih.common import jobs; print(jobs.own(os.environ).number)'"
    (tmp_path / "inner.sh").write_text(f"#!/bin/bash\necho $SLURM_ARRAY_JOB_ID; {show}\n")
    (tmp_path / "outer.sh").write_text("#!/bin/bash\nsbatch --parsable --output=inner.log inner.sh\nsleep 3\n")
    env = f"--export=ALL,PYTHONPATH={os.environ.get('PYTHONPATH', '')}"
    array = cluster.run("sbatch", "--parsable", env, "--array=4-4", "--output=outer.log", "outer.sh", cwd=tmp_path)
    cluster.wait_for(f"{array}_4", "COMPLETED", 60)
    inner = (tmp_path / "outer.log").read_text().strip()
    cluster.wait_for(inner, "COMPLETED", 60)
    assert (tmp_path / "inner.log").read_text().split() == [array, inner]
