"""What keeps a sweep from starting in a job of a real Slurm, and what a site may do to its script."""

import sys

import pytest

pytestmark = [pytest.mark.slurm, pytest.mark.mpi]


def batch(login, cluster, lines, *options):
    """Submit a script of one's own; its job, ended, and what it said."""
    head = f"export PYTHONPATH='{login.saih.env['PYTHONPATH']}'\nsaih='{sys.executable} -P -m saih'"
    (login.folder / "own.sh").write_text(f"#!/bin/bash\n{head}\n{lines}\n")
    job = cluster.run("sbatch", "--parsable", "--output=own.log", *options, "own.sh", cwd=login.folder)
    cluster.until(lambda: cluster.job(job)["JobState"] in ("COMPLETED", "FAILED"), lambda: login.logs(), 120)
    return cluster.job(job), (login.folder / "own.log").read_text()


@pytest.mark.parametrize("tasks", [1, 2])
def test_srun_saih_sweep_is_refused_at_once_with_the_command_to_use(login, cluster, tasks):
    login.config()
    job, said = batch(login, cluster, f"time srun -n{tasks} $saih sweep toy.yaml; exit $?", "--nodes=2")
    assert "run it once and without a launcher: saih sweep toy.yaml" in said
    assert said.count("saih starts the ranks itself") == 1
    assert job["ExitCode"] == "2:0"
    assert not (login.folder / "runs").exists()


def test_memory_asked_for_in_two_ways_keeps_no_rank_from_starting(login, cluster):
    login.config(size={"n": [16]})
    lines = "export SLURM_MEM_PER_CPU=100 SLURM_MEM_PER_NODE=200\n$saih sweep toy.yaml"
    job, said = batch(login, cluster, lines, "--nodes=2")
    assert "mutually exclusive" not in said
    assert job["JobState"] == "COMPLETED", said


def test_a_step_that_waits_for_another_is_told_within_seconds(login, cluster):
    login.config("srun", size={"n": [16]}, limits={"point_timeout_s": 600})
    lines = (
        "srun -N2 -n4 --cpu-bind=none sleep 25 &\nsleep 2\nSECONDS=0\n$saih sweep toy.yaml & wait $!\necho status $?"
    )
    _, said = batch(login, cluster, lines, "--nodes=2", "--exclusive")
    assert "starting 1 rank: the rank has not begun; last line: srun: " in said
    assert "status 0" in said


def test_a_rough_site_does_not_switch_requeueing_off(more, cluster):
    rough = ["set -euo pipefail", "cd /", "trap 'exit 3' USR1 TERM EXIT", "IFS=/", "kill() { false; }"]
    more.profile(setup=rough)
    (job,) = more.submit("--nodes", "2")
    logs = more.folder / "runs" / "toy" / "logs"
    more.cluster.until(lambda: list(logs.glob("n8-*.log")), lambda: f"beginning: {more.logs()}", 60)
    cluster.run("scancel", "--batch", "--signal=USR1", job)
    cluster.until(lambda: 8 in more.records(), lambda: f"record of the hanging point: {more.logs()}", 60)
    assert more.records()[8].status == "preempted"
    (more.folder / "mended").touch()
    done = cluster.wait_for(job, "COMPLETED", 120)
    assert int(done["Restarts"]) == 1
    assert more.records()[8].status == "ok"


def test_a_module_that_is_missing_fails_the_job_and_is_named(login, cluster):
    login.profile(modules=["no/such"])
    login.saih.measure_ceilings = True  # so that the run's folder is not there yet
    login.config()
    login.saih.env["BASH_FUNC_module%%"] = "() { echo 'Lmod has detected the following error:' $2 >&2; return 0; }"
    (job,) = login.submit("--nodes", "2")
    done = cluster.wait_for(job, "FAILED", 60)
    assert done["ExitCode"] == "2:0"
    assert "saih: module no/such cannot be loaded: Lmod has detected the following error: no/such" in login.logs()
    assert not (login.folder / "runs").exists()


def test_no_value_of_the_command_line_runs_in_the_job(login, cluster):
    login.config(size={"n": [16]}, run={"ranks": [1]})
    odd = login.folder / "a\ntouch harm\n'b.yaml"
    odd.write_text((login.folder / "site.yaml").read_text())
    said = login.saih("submit", "toy.yaml", "--site", str(odd), "--nodes", "1", "--out", "runs/it is").stdout
    job = said.split()[1].rstrip(":")
    cluster.wait_for(job, "COMPLETED", 120)
    assert (login.folder / "runs" / "it is" / "report.html").exists()
    assert not list(login.folder.rglob("harm"))
