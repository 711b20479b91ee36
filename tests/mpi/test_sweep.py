"""The toy application swept for real: MPI ranks, worker groups, records, resume."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from saih import records
from tests.conftest import Cli, toy_config

pytestmark = pytest.mark.mpi


def read(folder):
    return {r.id: r for r in records.read_all(folder / "points")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One finished sweep that several tests look at; they copy it before they change it."""
    cli = Cli(tmp_path_factory.mktemp("finished"), reports=True, measure_ceilings=True)
    cli.write("toy.yaml", toy_config(size={"n": [8, 16, 9]}, sweep={"exclude": [{"n": 9}]}))
    cli.done = cli("sweep", "toy.yaml")
    return cli


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True)
    return Cli(tmp_path)


def test_every_point_asked_for_has_a_record(finished):
    found = read(finished.folder / "runs" / "toy")
    assert sorted((r.point["size"]["n"], r.point["run"]["ranks"], r.status) for r in found.values()) == [
        (8, 1, "ok"), (8, 2, "ok"), (9, 1, "skipped"), (9, 2, "skipped"), (16, 1, "ok"), (16, 2, "ok"),
    ]  # fmt: skip


def test_a_record_tells_what_was_measured_where_and_how(finished):
    found = read(finished.folder / "runs" / "toy")
    record = next(r for r in found.values() if r.status == "ok" and r.point["run"]["ranks"] == 2)
    assert record.value("samples_per_s") > 0
    assert 0 < record.value("percent_of_measured_peak") < 100
    assert record.value("flop_per_sample") == 2 * record.point["size"]["n"] ** 3
    assert record.value("peak_mem_bytes") >= 0
    assert record.metrics["exposed_comm_s"]["value"] is not None
    assert record.metrics["trace"]["label"] == "trace"
    assert record.metrics["percent_of_peak"]["value"] is None
    assert len(record.samples["block_s"]["full"][0]) == 2
    assert [rank["device"] for rank in record.system["ranks"]] == ["cpu", "cpu"]
    cores = [rank["cores"] for rank in record.system["ranks"]]
    assert not set(cores[0]) & set(cores[1]) or os.cpu_count() == 1
    alone = next(r for r in found.values() if r.status == "ok" and r.point["run"]["ranks"] == 1)
    assert len(alone.system["ranks"][0]["cores"]) == len(cores[0])
    assert record.provenance["data"] == {"toy": {"made": 4}}
    assert record.diagnosis["verdict"]


def test_figures_of_merit_are_on_standard_output(finished):
    lines = [line for line in finished.done.stdout.splitlines() if line.startswith("FOM ")]
    assert len(lines) == 4 * 3  # the datasheet peak of a CPU is not known
    word, point, figure, unit = lines[0].split(" ")
    assert (word, figure.split("=")[0], unit) == ("FOM", "samples_per_s", "samples/s")
    assert float(figure.split("=")[1]) > 0
    assert point in {r.id for r in records.read_all(finished.folder / "runs" / "toy" / "points")}


def test_without_a_terminal_progress_is_plain_lines(finished):
    assert "\x1b" not in finished.done.stdout
    assert "[4/4]" in finished.done.stdout
    assert "left" in finished.done.stdout


def test_the_report_is_written_and_named(finished):
    assert "report: runs/toy/report.html" in finished.done.stdout
    assert "<html" in (finished.folder / "runs" / "toy" / "report.html").read_text()


def test_nothing_is_left_but_the_runs_files(finished):
    names = sorted(p.name for p in (finished.folder / "runs" / "toy").iterdir())
    assert names == ["config.yaml", "figures", "logs", "points", "report.html", "system.json"]
    assert all(p.suffix == ".log" for p in (finished.folder / "runs" / "toy" / "logs").iterdir())


def test_the_same_command_again_measures_nothing(copy):
    points = copy.folder / "runs" / "toy" / "points"
    before = {p.name: p.stat().st_mtime_ns for p in points.iterdir() if '"ok"' in p.read_text()}
    started = time.monotonic()
    copy("sweep", "toy.yaml")
    assert time.monotonic() - started < 20
    assert before == {p.name: p.stat().st_mtime_ns for p in points.iterdir() if p.name in before}


def test_dry_run_shows_the_points_and_touches_nothing(copy):
    before = sorted((str(p), p.stat().st_mtime_ns) for p in (copy.folder / "runs").rglob("*"))
    out = copy("sweep", "toy.yaml", "--dry-run").stdout
    assert out.count(" ok") == 4
    assert before == sorted((str(p), p.stat().st_mtime_ns) for p in (copy.folder / "runs").rglob("*"))


def test_points_can_be_added(copy):
    more = toy_config(size={"n": [8, 16, 32]}, run={"ranks": [1]}, sweep={"exclude": [{"n": 32, "ranks": 2}]})
    cores = json.loads((copy.folder / "runs" / "toy" / "system.json").read_text())["cores_per_rank"]
    copy.write("toy.yaml", more | {"launch": {"device": "cpu", "cores_per_rank": cores}})
    before = read(copy.folder / "runs" / "toy")
    copy("sweep", "toy.yaml")
    after = read(copy.folder / "runs" / "toy")
    assert len(after) == len(before) + 1
    assert {id_: after[id_] for id_ in before} == before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"measure": {"target_percent": 3}}, "toy: was measured with measure.target_percent = 50.0"),
        ({"launch": {"device": "auto"}}, "toy: was measured with launch.device = cpu"),
    ],
)
def test_another_method_is_refused_and_nothing_overwritten(copy, changes, says):
    before = sorted((str(p), p.stat().st_mtime_ns) for p in (copy.folder / "runs").rglob("*") if p.is_file())
    copy.write("toy.yaml", toy_config(**changes))
    assert says in copy("sweep", "toy.yaml", status=2).stderr
    assert before == sorted((str(p), p.stat().st_mtime_ns) for p in (copy.folder / "runs").rglob("*") if p.is_file())


def test_another_machine_is_refused(copy):
    path = copy.folder / "runs" / "toy" / "system.json"
    system = json.loads(path.read_text())
    system["machine"]["device"] = "Analytical Engine"
    path.write_text(json.dumps(system))
    copy.write("toy.yaml", toy_config(size={"n": 32}))
    assert "machine.device = Analytical Engine" in copy("sweep", "toy.yaml", status=2).stderr


def test_fresh_moves_the_old_run_aside(copy):
    copy.write("toy.yaml", toy_config(size={"n": 8}, run={"ranks": 1}, measure={"target_percent": 40, "max_s": 0.2}))
    copy("sweep", "toy.yaml", "--fresh")
    assert len(read(copy.folder / "runs" / "toy")) == 1
    (aside,) = (p for p in (copy.folder / "runs").iterdir() if p.name != "toy")
    assert len(read(aside)) == 6


def test_a_damaged_record_is_told_moved_aside_and_measured_again(copy):
    folder = copy.folder / "runs" / "toy"
    path = sorted((folder / "points").iterdir())[0]
    path.write_text("{")
    (folder / "system.json").write_text('{"machine": {"dev')
    assert f"left out: runs/toy/points/{path.name}: is not JSON" in copy("status", "runs/toy").stdout
    told = " ".join(copy("sweep", "toy.yaml").stdout.split())
    assert f"{path.name} cannot be used and is left out: is not JSON" in told
    assert "system.json cannot be used and is left out: is not JSON" in told
    assert (folder / "unread" / path.name).read_text() == "{"
    assert records.read(path).status == "ok"
    assert len(read(folder)) == 6


FAULTS = {"10": "oom", "12": "hang", "14": "kill", "16": "raise", "18": "exit", "20": "wrong"}


def test_whatever_ends_a_point_leaves_a_record_and_the_sweep_goes_on(saih):
    saih.write(
        "toy.yaml",
        toy_config(
            size={"n": [8, *map(int, FAULTS)]},
            run={"ranks": 2},
            data={"faults": FAULTS},
            limits={"point_timeout_s": 15, "memory_gib": 1},
        ),
    )
    saih("sweep", "toy.yaml", status=1)
    found = {str(r.point["size"]["n"]): r for r in read(saih.folder / "runs" / "toy").values()}
    assert {n: r.status for n, r in found.items()} == {
        "8": "ok", "10": "oom", "12": "timeout", "14": "failed", "16": "failed", "18": "failed", "20": "invalid",
    }  # fmt: skip
    assert "Unable to allocate" in found["10"].error["message"]
    assert found["10"].diagnosis["verdict"] == "capacity-limited"
    assert "no answer within 15 s" in found["12"].error["message"]
    assert re.fullmatch(r"rank 1 \(.*\) was killed by signal 9 .*; not for .*", found["14"].error["message"])
    assert re.fullmatch(r"rank 1 \(.*\) ended first, .* with exit status 7 before .*", found["18"].error["message"])
    assert found["16"].error["message"] == "RuntimeError: the toy is broken"
    assert "the toy is broken" in found["16"].error["log_end"]
    assert found["16"].error["rank"] == 1
    assert found["20"].error["message"] == "the trace is not finite"
    assert found["20"].value("samples_per_s") is None
    assert not _ranks_of(saih.folder)

    saih.write("toy.yaml", toy_config(size={"n": [8]}, run={"ranks": 2}, data={"faults": FAULTS},
                                      limits={"point_timeout_s": 15, "memory_gib": 1}))  # fmt: skip
    saih("sweep", "toy.yaml")  # points no longer asked for do not count


def test_retry_measures_the_named_statuses_again(saih):
    flag = saih.folder / "mended"
    saih.env["TOY_MENDED"] = str(flag)
    saih.write("toy.yaml", toy_config(size={"n": [8, 10]}, run={"ranks": 1}, data={"faults": {"10": "raise"}}))
    saih("sweep", "toy.yaml", status=1)
    flag.touch()
    saih("sweep", "toy.yaml", status=1)
    saih("sweep", "toy.yaml", "--retry", "failed,timeout")
    assert {r.status for r in read(saih.folder / "runs" / "toy").values()} == {"ok"}
    assert "must be of ok, oom" in saih("sweep", "toy.yaml", "--retry", "broken", status=2).stderr


def test_sigterm_ends_in_order_and_the_next_call_goes_on(saih):
    saih.write("toy.yaml", toy_config(size={"n": 8}, run={"ranks": 2}, measure={"target_percent": 1e-6, "max_s": 4}))
    driver = saih.start("sweep", "toy.yaml")
    _wait(lambda: (saih.folder / "runs" / "toy" / "system.json").exists() and list(
        (saih.folder / "runs" / "toy" / "logs").glob("n8*")))  # fmt: skip
    time.sleep(1)
    while driver.poll() is None:  # again and again, as impatient users and batch systems do
        driver.send_signal(signal.SIGTERM)
        time.sleep(0.002)
    _, err = driver.communicate(timeout=30)
    assert driver.returncode == 75
    assert "stopped by SIGTERM" in err
    (record,) = read(saih.folder / "runs" / "toy").values()
    assert record.status == "preempted"
    assert not _ranks_of(saih.folder)
    saih.write("toy.yaml", toy_config(size={"n": 8}, run={"ranks": 2}, measure={"target_percent": 1e-6, "max_s": 1}))
    saih("sweep", "toy.yaml")
    (record,) = read(saih.folder / "runs" / "toy").values()
    assert record.status == "ok"
    assert record.samples["stopped"] == "limit"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"run": {"ranks": [1, 4096]}}, "run.ranks = 4096: this machine has"),
        ({"data": {"faults": {"8": "missing"}}}, "data.path = nowhere.h5: does not exist"),
        (
            {"run": {"ranks": [2]}, "launch": {"device": "cpu", "cores_per_rank": 10**6}},
            "cores, 1000000 a rank",
        ),
        ({"launch": {"device": "cuda"}}, "launch.device = cuda: torch sees no CUDA device"),
        ({"launch": {"device": "cpu", "wrapper": ["/nonexistent-wrapper"]}}, "setup.log"),
        ({"app": "nosuch"}, "app = nosuch: there is no module apps.nosuch"),
        ({"app": "json:loads"}, "app = json:loads: json.loads has no"),
    ],
)
def test_what_cannot_run_here_is_one_line_and_writes_no_record(saih, changes, says):
    saih.write("toy.yaml", toy_config(**changes))
    if "cuda" in str(changes) and shutil.which("nvidia-smi"):
        pytest.skip("this machine has a CUDA device")
    saih.measure_ceilings = True
    err = saih("sweep", "toy.yaml", status=2).stderr
    assert says in err
    assert err.count("\n") == 1
    assert not list((saih.folder / "runs").rglob("*.json"))


def test_a_folder_that_cannot_be_made_is_one_line(saih):
    saih.write("toy.yaml", toy_config())
    (saih.folder / "file").touch()
    err = saih("sweep", "toy.yaml", "--out", "file/run", status=2).stderr
    assert err == "saih: file/run: Not a directory\n"


def test_ranks_beyond_the_machine_can_be_skipped(saih):
    saih.write("toy.yaml", toy_config(size={"n": 8}, run={"ranks": [1, 4096]}, sweep={"beyond_slots": "skip"}))
    saih("sweep", "toy.yaml")
    found = {r.point["run"]["ranks"]: r for r in read(saih.folder / "runs" / "toy").values()}
    assert (found[1].status, found[4096].status) == ("ok", "skipped")
    assert "4096 ranks, but this machine has" in found[4096].error["message"]


def test_the_driver_itself_must_not_be_started_on_several_ranks(saih):
    saih.write("toy.yaml", toy_config())
    mpiexec = str(Path(sys.executable).parent / "mpiexec")
    command = [mpiexec, "-n", "2", sys.executable, "-m", "saih", "sweep", "toy.yaml"]
    done = subprocess.run(command, cwd=saih.folder, env=saih.env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "PMI_SIZE = 2: saih starts the ranks itself" in done.stderr
    assert not (saih.folder / "runs").exists()


def test_a_launcher_that_starts_singletons_is_caught_at_once(saih):
    fake = saih.folder / "mpiexec"
    skip_options = 'while [ "${1#-}" != "$1" ]; do shift 2; done'
    fake.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo HYDRA && exit\n{skip_options}\nexec "$@"\n')
    fake.chmod(0o755)
    saih.write("toy.yaml", toy_config(run={"ranks": [2]}, launch={"device": "cpu", "mpiexec": str(fake)}))
    saih.measure_ceilings = True
    err = saih("sweep", "toy.yaml", status=2).stderr
    assert "2 ranks were asked for, but MPI counts 1" in err


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_every_device_measures_the_point_for_itself_all_at_once(saih):
    launch = {"device": "cpu", "cores_per_rank": 1}
    everywhere = toy_config(size={"n": 8}, run={"ranks": 1}, sweep={"everywhere": "device"}, launch=launch)
    saih.write("toy.yaml", everywhere)
    saih("sweep", "toy.yaml")
    cores = len(os.sched_getaffinity(0))
    for record in read(saih.folder / "runs" / "toy").values():
        assert record.status == "ok"
        assert len(record.system["ranks"]) == cores
        beside = record.diagnosis["everywhere"]["copies"]
        assert len({each["device"] for each in beside}) == len(beside) == cores
        assert record.value("samples_per_s") in [each["samples_per_s"] for each in beside]
        assert record.metrics["exposed_comm_s"]["method"] == "one rank: there is no communication"
        assert record.value("percent_of_measured_peak") > 0


def test_everywhere_is_for_points_that_are_alone(saih):
    saih.write("toy.yaml", toy_config(run={"ranks": [1, 2]}, sweep={"everywhere": "device"}))
    assert "run.ranks = 2: must be 1 with sweep.everywhere = device" in saih("plan", "toy.yaml", status=2).stderr


def test_a_group_serves_point_after_point_and_each_repeat_has_its_own(saih):
    saih.write("toy.yaml", toy_config(run={"ranks": 1}, sweep={"repeats": 2}))
    saih("sweep", "toy.yaml")
    found = read(saih.folder / "runs" / "toy").values()
    served = {repeat: sorted(r.provenance["served_before"] for r in found if r.point["repeat"] == repeat)
              for repeat in (0, 1)}  # fmt: skip
    first = served[0][0]
    assert first > 0  # the group had measured the ceilings before
    assert served == {0: [first, first + 1], 1: [0, 1]}


def _ranks_of(folder):
    """Worker processes started from this test's folder that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes()
            if b"saih.worker.main" in command and str(folder).encode() in command:
                found.append(path.parent.name)
    return found


def _wait(condition, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)
