import os

import pytest

from saih import folder, slurm
from saih.errors import InputError


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


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ("echo RUNNING", "RUNNING"),
        ("true", "ended"),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", "ended"),
        ("echo 'Unable to contact slurm controller' >&2; exit 1", None),
    ],
)
def test_a_jobs_state_is_unknown_only_where_nobody_answers(tmp_path, monkeypatch, answers, state):
    program(tmp_path / "bin", "squeue", answers)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert slurm.job_state("1") == state


@pytest.mark.parametrize(
    ("holder", "gone"),
    [
        ({"job": "7", "restarts": 0}, True),  # this very job, before it was requeued on another node
        ({"job": "7", "restarts": 1}, False),  # this job as it is now: two drivers of one job
        ({"job": "6", "restarts": 0}, True),  # a job that Slurm has forgotten
        ({"job": None}, False),  # no job: nobody can say
    ],
)
def test_a_lock_from_another_host_is_judged_by_its_job(tmp_path, monkeypatch, holder, gone):
    program(tmp_path / "bin", "squeue", "true")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert folder.gone({"host": "elsewhere", "pid": 1, "started": "1", **holder}) == gone
