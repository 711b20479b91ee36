import os

import pytest

from saih.common import jobs
from saih.common.holder import Fate, Holder, judge
from saih.errors import InputError
from saih.launch import slurm


@pytest.mark.parametrize(
    ("ranks", "per_node", "nodes", "expected"),
    [
        (1, 4, 2, (1, 1)),
        (4, 4, 2, (1, 4)),
        (5, 4, 2, (2, 3)),  # evenly: 3 + 2, not 4 + 1
        (8, 4, 2, (2, 4)),
        (6, 1, 8, (6, 1)),
        (9, 4, 2, (2, 5)),  # more than there is room for: the caller refuses it, or the launcher does
    ],
)
def test_ranks_lie_on_few_nodes_evenly(ranks, per_node, nodes, expected):
    assert slurm.spread(ranks, per_node, nodes) == expected


def test_without_a_job_the_driver_has_its_own_host():
    here = slurm.allocation({"SLURM_JOB_NUM_NODES": "4"})  # left over from elsewhere: no job, no nodes
    assert (here.nodes, here.job, here.facts()) == (1, None, None)


def test_a_jobs_allocation_is_what_slurm_says_of_it():
    here = slurm.allocation(
        {
            "SLURM_JOB_ID": "12",
            "SLURM_JOB_NUM_NODES": "3",
            "SLURM_RESTART_COUNT": "2",
            "SLURM_JOB_NODELIST": "n[1-3]",
            "SLURM_ARRAY_TASK_ID": "5",
            "SLURM_GPUS_ON_NODE": "4",
        }
    )
    assert here.facts() == {
        "nodes": 3,
        "job": "12",
        "restarts": 2,
        "array_task": "5",
        "nodelist": "n[1-3]",
        "partition": None,
        "gpus_per_node": "4",
    }


def test_a_count_that_is_none_is_told():
    with pytest.raises(InputError, match="SLURM_JOB_NUM_NODES = many: must be a number"):
        slurm.allocation({"SLURM_JOB_ID": "1", "SLURM_JOB_NUM_NODES": "many"})


def program(path, name, lines):
    path.mkdir(exist_ok=True)
    (path / name).write_text(f"#!/bin/sh\n{lines}\n")
    (path / name).chmod(0o755)


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Makes commands of Slurm that answer as told."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    for name in [name for name in os.environ if name.startswith("SLURM")]:
        monkeypatch.delenv(name)
    program(tmp_path / "bin", "sacct", "exit 1")
    program(tmp_path / "bin", "scontrol", "echo 'ClusterName             = here'")
    return lambda name, lines: program(tmp_path / "bin", name, lines)


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ("echo 1 1 RUNNING", "RUNNING"),
        ("true", "ended"),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", "ended"),
        ("echo 'Unable to contact slurm controller' >&2; exit 1", None),
    ],
)
def test_a_jobs_state_is_unknown_only_where_nobody_answers(commands, answers, state):
    commands("squeue", answers)
    found = jobs.look("1")
    assert (found and found.state) == state


@pytest.mark.parametrize(("number", "name", "state"), [("8", "7_0", "COMPLETED"), ("7", "7_1", "RUNNING")])
def test_a_task_is_told_from_its_array(commands, number, name, state):
    """One task bears the array's number, and squeue then shows all of them, in any order."""
    commands("squeue", "echo 8 7_0 COMPLETED; echo 7 7_1 RUNNING")
    assert jobs.look(number) == jobs.Job(number, name, state)


def test_the_accounting_is_asked_where_the_controller_is_silent(commands):
    commands("squeue", "exit 1")
    commands("sacct", "echo '7|7|CANCELLED by 1000'")
    assert jobs.look("7") == jobs.Job("7", "7", "CANCELLED")
    assert jobs.look("8") is None  # what it does not list it may not have heard of


def test_the_users_filters_hide_no_job(commands, monkeypatch):
    commands("squeue", '[ -n "$SQUEUE_PARTITION$SLURM_CLUSTERS" ] || echo 1 1 RUNNING')
    monkeypatch.setenv("SQUEUE_PARTITION", "other")
    monkeypatch.setenv("SLURM_CLUSTERS", "other")
    assert jobs.look("1").state == "RUNNING"


def test_a_job_of_another_cluster_is_not_looked_for_here(commands):
    commands("squeue", 'case "$*" in *--clusters=there*) exit 1;; esac')
    assert jobs.look("1", "here").state == "ended"
    assert jobs.look("1", "there") is None


@pytest.mark.parametrize("number", ["", "x", "--all", "1" * 30])
def test_what_is_no_number_is_no_job(commands, number):
    commands("squeue", "echo 1 1 RUNNING")
    assert jobs.look(number) is None
    assert jobs.own({"SLURM_JOB_ID": number}) is None


HERE = {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "1", "SLURMD_NODENAME": "n1"}


@pytest.mark.parametrize(
    ("holder", "fate"),
    [
        ({"job": "7", "restarts": 0}, Fate.GONE),  # this very job, before it was requeued on another node
        ({"job": "7", "restarts": 1}, Fate.UNKNOWN),  # this job as it is now: two drivers of one job
        ({"job": "7", "restarts": 0, "cluster": "there"}, Fate.UNKNOWN),  # this number, elsewhere
        ({"job": "6", "restarts": 0}, Fate.GONE),  # a job that Slurm has forgotten
        ({"job": "6", "ends_with_job": False}, Fate.UNKNOWN),  # in salloc's shell on a login node
        ({"job": "5", "restarts": 0}, Fate.AT_WORK),
        ({"job": None}, Fate.UNKNOWN),  # no job: nobody can say
    ],
)
def test_a_lock_from_another_host_is_judged_by_its_job(commands, monkeypatch, holder, fate):
    commands("squeue", 'case "$*" in *clusters*) exit 1;; *--jobs=5*) echo 5 5 RUNNING;; esac')
    for name, value in HERE.items():
        monkeypatch.setenv(name, value)
    assert judge(Holder("elsewhere", 1, **holder), os.getuid()).fate is fate


def test_a_job_that_slurm_may_hide_has_not_ended(commands, monkeypatch):
    """Where PrivateData hides other users' jobs, a living one looks like one that is forgotten."""
    commands("squeue", "true")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert judge(Holder("elsewhere", 1, job="6"), owner=1001).fate is Fate.UNKNOWN
    assert judge(Holder("elsewhere", 1, job="6"), owner=1000).fate is Fate.GONE
