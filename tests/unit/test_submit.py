"""What `saih submit` writes; tests/slurm hands it to a real Slurm."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from saih import config
from saih.cli import plan
from saih.errors import InputError
from saih.launch import batch_script, sites
from saih.launch.sites import JOBS, Site
from tests.conftest import toy_config


def script(site=None, **changes):
    job = {"config": "/c/toy.yaml", "name": "toy", "out": "runs/toy", "nodes": 2}
    return batch_script.script(batch_script.Job(**(job | changes)), site or Site(), "site.yaml", None)


def options(text):
    return [line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH")]


def test_the_profile_and_the_job_make_the_options():
    site = Site(partition="gpu", account="abc", time="02:00:00", gpus_per_node=4, options=["--constraint=a100"])
    assert options(script(site)) == [
        "--job-name=saih-toy",
        "--nodes=2",
        "--output=toy.slurm-%j.log",
        "--open-mode=append",
        "--partition=gpu",
        "--account=abc",
        "--time=02:00:00",
        "--gpus-per-node=4",
        "--signal=B:USR1@120",
        "--requeue",
        "--exclusive",
        "--constraint=a100",
    ]


def test_an_array_has_a_folder_and_a_log_for_each_task():
    text = script(tasks=3)
    assert "--array=0-2" in options(text)
    assert "--output=toy.slurm-%A_%a.log" in options(text)
    assert 'out="runs/toy-task$SLURM_ARRAY_TASK_ID"' in text


def test_what_the_profile_sets_up_comes_before_the_sweep():
    text = script(Site(modules=["openmpi/5.0"], mpi_type="pmix_v4", setup=["export A=1"]))
    for line in ("module load openmpi/5.0", "export SLURM_MPI_TYPE=pmix_v4", "export A=1"):
        assert 0 < text.index(line) < text.index("saih=(")


def test_every_script_is_bash_also_with_odd_names(tmp_path):
    odd = tmp_path / 'it\'s $(touch harm) a "file".yaml'
    text = script(config=odd)
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    found = subprocess.run(["bash"], input=text[: text.index("# What every job does")] + 'printf %s "$config"',
                           text=True, capture_output=True, cwd=tmp_path, check=True)  # fmt: skip
    assert found.stdout == str(odd)
    assert not (tmp_path / "harm").exists()


def body(tmp_path, status, signal=None, **environment):
    """Run the body with a command of the given exit status; returns (exit status, what it said and asked Slurm for)."""
    (tmp_path / "scontrol").write_text('#!/bin/sh\necho "asked: $*"\nkill -9 $PPID\n')
    (tmp_path / "scontrol").chmod(0o755)
    sweep = f"trap 'exit {status}' USR1 TERM; kill -{signal} $PPID; for i in {{1..100}}; do sleep 0.05; done; exit 9"
    (tmp_path / "sweep").write_text(sweep if signal else f"exit {status}")
    head = f'saih=(bash "{tmp_path}/sweep")\nconfig=c\nout=o\nmost_requeues=2\n'
    env = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "SLURM_JOB_ID": "7"} | environment
    done = subprocess.run(["bash", "-c", head + (JOBS / "body.sh").read_text()], env=env, capture_output=True,
                          text=True, timeout=20, check=False)  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("status", [0, 1, 2, 75])
def test_the_jobs_exit_status_is_the_sweeps(tmp_path, status):
    assert body(tmp_path, status) == (status, "")


def test_the_warning_reaches_the_sweep_and_the_job_is_requeued(tmp_path):
    assert "asked: requeue 7" in body(tmp_path, 75, "USR1")[1]


@pytest.mark.parametrize(
    ("array", "task", "requeued"),
    [
        ("7", "3", "7_3"),  # the task that bears the array's number, which means all tasks
        ("5", "3", "7"),  # any other task, or a job that a task of array 5 has submitted
    ],
)
def test_a_task_of_an_array_is_requeued_alone(tmp_path, array, task, requeued):
    of_an_array = {"SLURM_ARRAY_JOB_ID": array, "SLURM_ARRAY_TASK_ID": task}
    assert f"asked: requeue {requeued}\n" in body(tmp_path, 75, "USR1", **of_an_array)[1]


def test_a_finished_sweep_is_not_requeued(tmp_path):
    assert body(tmp_path, 0, "USR1") == (0, "")


def test_a_cancelled_job_is_not_requeued(tmp_path):
    assert body(tmp_path, 75, "TERM") == (75, "")


def test_requeues_are_counted(tmp_path):
    status, said = body(tmp_path, 75, "USR1", SLURM_RESTART_COUNT="2")
    assert status == 75
    assert "submit it again to go on" in said
    assert "asked" not in said


def asked(nodes=(1,), tasks=None, folder="runs/toy", **changes):
    found = config.Config.model_validate(toy_config(**changes))
    return batch_script.jobs(Path("toy.yaml"), found, folder, list(nodes), tasks)


def test_node_counts_are_a_chain_from_the_smallest():
    jobs = asked([4, 1, 2], sweep={"beyond_slots": "skip"})
    assert [(job.nodes, job.out) for job in jobs] == [(1, "runs/toy"), (2, "runs/toy"), (4, "runs/toy")]


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"nodes": [0]}, "--nodes 0: must be different numbers of at least 1"),
        ({"nodes": [2, 2]}, "--nodes 2 2: must be different"),
        ({"tasks": 0}, "--array 0: must be at least 1"),
        ({"nodes": [1, 2]}, "needs sweep.beyond_slots: skip"),
        ({"folder": 'a"b'}, "a batch script cannot carry"),
    ],
)
def test_what_cannot_be_meant_is_told(request_, says):
    with pytest.raises(InputError) as raised:
        asked(**request_)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("partitoin: gpu", "partitoin: unknown key; allowed: partition, account"),
        ("gpus_per_node: -1", "gpus_per_node = -1: must be greater than or equal to 0"),
        ("time: 7200", "time = 7200: must be a valid string"),
        ("time: 010", "line 1: 010 may be read in two ways"),
        ("[" * 3000, "is not YAML"),
        (
            "a: &a [1, 1, 1, 1, 1, 1, 1, 1]\n"
            + "".join(
                f"{n}: &{n} [*{b}, *{b}, *{b}, *{b}, *{b}, *{b}, *{b}, *{b}]\n"
                for b, n in zip("abcdefgh", "bcdefghi", strict=True)
            ),
            "holds more than 100000 values",
        ),
        ("partition: a\npartition: b", "key partition is given twice"),
        ("options: [nice]", "options.0 = 'nice': "),
        ("setup: ['a\\nb', \"a\\nb\"]", "setup[1] = 'a\\nb': must be a single line"),
        ("- 1", "must hold keys and values"),
        ("a: [", "is not YAML: while parsing"),
    ],
)
def test_a_wrong_profile_is_one_line(tmp_path, text, says):
    path = tmp_path / "site.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        sites.load(str(path))
    assert str(raised.value).startswith(f"{path}: ")
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_time_without_quotes_is_what_it_says(tmp_path):
    (tmp_path / "site.yaml").write_text("time: 2:00:00\n")
    assert "--time=2:00:00" in options(script(sites.load(str(tmp_path / "site.yaml"))))


def test_a_profile_that_never_ends_or_that_nobody_writes_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "site.yaml")
    with pytest.raises(InputError, match="is no regular file"):
        sites.load(str(tmp_path / "site.yaml"))
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"zero\.yaml: cannot be read .is no regular file"):
        sites.load(str(tmp_path / "zero.yaml"))


def test_an_unknown_profile_is_told_with_those_there_are():
    with pytest.raises(InputError, match=r"--site nowhere: .* profiles: .*example"):
        sites.load("nowhere")


def test_the_example_profile_can_be_read_and_an_empty_one_too(tmp_path):
    assert sites.load("example").gpus_per_node == 4
    (tmp_path / "empty.yaml").touch()
    assert sites.load(str(tmp_path / "empty.yaml")) == Site()


def test_dry_run_prints_a_script_for_each_job_and_needs_no_slurm(saih):
    saih.write("toy.yaml", toy_config(sweep={"beyond_slots": "skip"}))
    saih.env["PATH"] = str(Path(sys.executable).parent)
    out = saih("submit", "toy.yaml", "--site", "example", "--nodes", "1", "2", "--dry-run").stdout
    assert out.count("#!/bin/bash") == 2
    assert "--dependency=afterany:<job on 1 nodes>" in out
    assert list(saih.folder.iterdir()) == [saih.folder / "toy.yaml"]
    done = saih("submit", "toy.yaml", "--site", "example", status=2)
    assert "sbatch: is not on PATH" in done.stderr


def test_the_docs_show_every_key_of_the_profile():
    page = (JOBS.parent.parent / "docs" / "slurm.md").read_text()
    table = page[page.index("## The profile") : page.index("## Time limits")]
    assert [key for key in Site.model_fields if f"`{key}`" not in table] == []


@pytest.mark.parametrize("name", ["weak-scaling", "strong-scaling"])
def test_the_scaling_configurations_keep_what_they_say(name):
    found, _, points = plan.read(JOBS.parent.parent / "configs" / f"{name}.yaml")
    executions = [point.run for point in points.wanted if point.repeat == 0]
    assert [run.ranks for run in executions] == found.run.ranks
    kept = {run.batch * (run.ranks if name == "strong-scaling" else 1) for run in executions}
    assert len(kept) == 1
    assert len(batch_script.jobs(Path("x.yaml"), found, "runs/x", [1, 2, 4], None)) == 3
