"""Sweeps of the toy as batch jobs of a real Slurm with two nodes."""

import json
import os
from pathlib import Path

import pytest

from tests.slurm.cluster import GPUS

pytestmark = [pytest.mark.slurm, pytest.mark.mpi]


def processes_of(job):
    """Processes that bear the job's number in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"SLURM_JOB_ID={job}\0".encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


ALL_GPUS = ",".join(map(str, range(GPUS)))


def test_a_sweep_over_two_nodes(measured):
    record = measured.records()[16]
    assert record.status == "ok"
    assert len(record.system["ranks"]) == 2
    assert measured.ranks() == {("n1", ALL_GPUS), ("n2", ALL_GPUS)}  # every rank sees all GPUs of its node
    assert record.provenance["slurm"]["job"] == measured.job
    assert "the profile was here" in measured.logs()
    assert "0 to be measured\nno driver is at work (its job: COMPLETED)" in measured.saih("status", "runs/toy").stdout


def test_the_job_and_the_launcher_are_recorded(measured):
    system = measured.system()
    assert Path(system["launcher"]["program"]).name == "mpiexec"
    assert system["slurm"] == {
        "nodes": 2,
        "job": measured.job,
        "restarts": 0,
        "array_task": None,
        "nodelist": "n[1-2]",
        "partition": "test",
        "gpus_per_node": str(GPUS),
    }


def test_under_srun_too_and_there_a_point_that_hangs_or_dies_costs_itself_only(login, cluster):
    faults = {"data": {"faults": {"8": "hang", "10": "kill"}}, "limits": {"point_timeout_s": 15}}
    login.config("srun", size={"n": [8, 10, 16]}, **faults)
    (job,) = login.submit("--nodes", "2")
    cluster.wait_for(job, "FAILED", 120)
    assert cluster.job(job)["ExitCode"] == "1:0"  # the sweep's own
    assert {n: record.status for n, record in login.records().items()} == {
        8: "timeout",
        10: "failed",
        16: "ok",
    }
    killed = login.records()[10].error
    assert killed["rank"] == 1
    assert ") was killed by signal 9 (Killed)" in killed["message"]
    assert Path(login.system()["launcher"]["program"]).name == "srun"
    assert login.ranks() == {("n1", ALL_GPUS), ("n2", ALL_GPUS)}


@pytest.mark.long  # tests/mpi/test_sweep.py has devices instead of nodes
def test_every_node_measures_the_point_for_itself_all_at_once(login, cluster):
    login.config("srun", run={"ranks": [1]}, sweep={"everywhere": "node"})
    (job,) = login.submit("--nodes", "2")
    cluster.wait_for(job, "COMPLETED", 120)
    record = login.records()[16]
    assert login.ranks() == {("n1", ALL_GPUS), ("n2", ALL_GPUS)}
    assert len(record.samples["block_s"]["full"][0]) == 2
    beside = record.diagnosis["everywhere"]
    assert len(beside["copies"]) == 2
    assert "two cannot tell" in beside["words"]


def test_a_chain_of_node_counts_is_one_run(copy, cluster):
    copy.config(size={"n": [32]}, run={"ranks": [1, 2]}, sweep={"beyond_slots": "skip"})
    first, second = copy.submit("--nodes", "2", "1")
    assert cluster.job(second)["Dependency"].startswith(f"afterany:{first}")
    cluster.wait_for(second, "COMPLETED", 120)
    found = [json.loads(path.read_text()) for path in (copy.folder / "runs/toy/points").glob("n32-*.json")]
    jobs = {record["point"]["run"]["ranks"]: record["provenance"]["slurm"]["job"] for record in found}
    assert jobs == {1: first, 2: second}


def test_an_array_has_a_folder_for_each_task_and_one_report(login, cluster):
    login.config(run={"ranks": [1]})
    (job,) = login.submit("--array", "2")
    for task in range(2):
        cluster.wait_for(f"{job}_{task}", "COMPLETED", 120)
        assert login.records(f"toy-task{task}")[16].status == "ok"
    facts = [login.system(f"toy-task{task}")["slurm"] for task in range(2)]
    assert [fact["array_task"] for fact in facts] == ["0", "1"]
    assert facts[0]["nodelist"] != facts[1]["nodelist"]
    login.saih("report", "runs/toy-task0", "runs/toy-task1", "--out", "both.html")
    assert "toy-task1" in (login.folder / "both.html").read_text()


def begun(more):
    """The two nodes' job, once the point that hangs has begun."""
    (job,) = more.submit("--nodes", "2")
    logs = more.folder / "runs" / "toy" / "logs"
    more.cluster.until(lambda: list(logs.glob("n8-*.log")), lambda: f"beginning: {more.logs()}", 60)
    return job


def test_the_time_limits_signal_ends_the_sweep_in_order_and_the_requeued_job_goes_on(more, cluster):
    """Slurm looks at limits every 30 s, and signals who would come too late the next time: here 25 to 55 s after start.

    That is when the point has begun, on a slow machine too.
    """
    more.profile(time="2", warn_s=65)
    job = begun(more)
    cluster.until(lambda: 8 in more.records(), lambda: f"record of the hanging point: {more.logs()}", 120)
    stopped = more.records()[8]
    assert stopped.status == "preempted"
    assert "SIGUSR1" in stopped.error["message"]
    (more.folder / "mended").touch()
    done = cluster.wait_for(job, "COMPLETED", 120)
    assert int(done["Restarts"]) >= 1
    assert more.records()[8].status == "ok"
    assert more.records()[8].provenance["slurm"]["restarts"] >= 1
    assert "requeued (restart 1 of at most 20)" in more.logs()


def test_a_cancelled_job_ends_in_order_and_stays_cancelled(more, cluster):
    job = begun(more)
    said = more.saih("status", "runs/toy").stdout
    assert f"(job {job}: RUNNING)" in said
    assert "now: n8-" in said
    cluster.run("scancel", job)
    cluster.wait_for(job, "CANCELLED", 30)
    cluster.until(lambda: not processes_of(job), lambda: f"end of {processes_of(job)}", 15)
    assert cluster.job(job)["Restarts"] == "0"
    assert more.records()[8].status == "preempted"
    assert not (more.folder / "runs" / "toy" / "lock").exists()


@pytest.mark.long
def test_after_a_node_has_failed_the_job_waits_for_another_and_goes_on(more, cluster):
    job = begun(more)
    cluster.fail("n2")
    try:
        cluster.wait_for(job, "PENDING", 60)
        (more.folder / "mended").touch()
    finally:
        cluster.start_node("n2")
    cluster.wait_for(job, "COMPLETED", 120)
    assert more.records()[8].status == "ok"
    assert more.records()[8].provenance["slurm"]["restarts"] == 1


def test_a_refused_job_is_one_line(login):
    login.profile(partition="nowhere")
    login.config()
    done = login.saih("submit", "toy.yaml", "--site", "site.yaml", status=2)
    assert done.stderr.startswith("saih: sbatch refuses the job: ")
    assert done.stderr.count("\n") == 1


def test_srun_outside_a_job_is_refused(login):
    login.config(launcher="srun")
    assert "SLURM_JOB_ID" not in os.environ
    done = login.saih("sweep", "toy.yaml", status=2)
    assert "launch.launcher = srun: this is no Slurm job" in done.stderr
