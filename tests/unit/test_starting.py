"""Groups that do not start: real processes of launchers that end, wait, complain or say nothing at all."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from saih import launch
from saih.config.schema import Launch
from saih.errors import GroupError, InputError
from saih.groups.worker_group import Group, Patience
from saih.launch import slurm
from saih.launch.launchers import Launcher
from tests.conftest import toy_config

pytestmark = pytest.mark.slow

TOLD_S = 10.0
RETRYING = "srun: Job 5 step creation temporarily disabled, retrying (Requested nodes are busy)"
FATAL = "srun: fatal: SLURM_MEM_PER_CPU, SLURM_MEM_PER_GPU, and SLURM_MEM_PER_NODE are mutually exclusive."


def script(folder, lines):
    folder.mkdir()
    program = folder / "launcher"
    program.write_text(f"#!/bin/sh\n{lines}\n")
    program.chmod(0o755)
    return program


class Start:
    """What became of a group whose launcher is this program, and what was said until then."""

    def __init__(self, program, timeout_s=9.5, ranks=2):
        folder = program.parent
        launcher = Launcher(str(program), "mpich", None, lambda *_: [])
        self.said, begun_s = [], time.monotonic()
        say = lambda text: self.said.append((time.monotonic() - begun_s, text))  # noqa: E731
        group = Group(launcher, ranks, Launch(), 1, 1, folder / "setup.log", say)
        try:
            group.ask({"do": "describe"}, folder / "setup.log", Patience(timeout_s), lambda *_: None)
        except GroupError as error:
            self.error, self.after_s = error, time.monotonic() - begun_s


ENDED = {
    "complains": (f"echo '{FATAL}' >&2; exit 1", FATAL),
    "on standard output": ("echo 'no such option: -ppn'; exit 2", "no such option: -ppn"),
    "silently": ("exit 0", "ended with exit status 0"),
    "killed": ("kill -9 $$", "killed by signal 9"),
    "not there": ("exec /nowhere/mpiexec", "not found"),
    "buried": (f"echo '{FATAL}' >&2; echo '[mpiexec@n1] main (mpiexec.c:270): sock write'; echo =====; exit 1", FATAL),
    "outputs held open": ("echo 'sh: error: x' >&2; setsid sleep 12 & exit 1", "sh: error: x"),
}
WAITS = {
    "retries": (f"echo '{RETRYING}' >&2; echo 'srun: a warning' >&2; sleep 1000 & wait", RETRYING),
    "retried": (
        f"echo '{RETRYING}' >&2; echo 'srun: Step created for job 5' >&2; sleep 1000 & wait",
        "Step created for",
    ),
    "silent": ("sleep 1000 & wait", "none of 2 ranks has begun"),
    "one rank": (
        "echo 'saih-rank 1 has begun on n1 as process 7' >&2; sleep 1000 & wait",
        "1 of 2 ranks have begun, nothing was heard of the others: rank 0",
    ),
    "one rank without a number": (
        "echo '0: saih-rank - has begun on n1 as process 7' >&2; sleep 1000 & wait",
        "1 of 2 ranks have begun, nothing was heard of the others",
    ),
    "all ranks": (
        "for i in 0 1; do echo saih-rank $i has begun on n1 as process $i >&2; done; sleep 1000 & wait",
        "2 ranks have begun, but are not ready",
    ),
}
HELPER_ENDED = f"sh -c 'echo \"{FATAL}\" >&2'; exec sleep 1000"
"""What MPICH's mpiexec does once the srun that should start its daemons has ended."""
LOADING = "exec sleep 1000"


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """Script -> what became of its group. They wait, so they wait together."""
    scripts = [lines for lines, _ in (*ENDED.values(), *WAITS.values())] + [HELPER_ENDED, LOADING]
    folder = tmp_path_factory.mktemp("started")
    programs = [script(folder / str(number), lines) for number, lines in enumerate(scripts)]
    with ThreadPoolExecutor(len(programs)) as pool:
        return dict(zip(scripts, pool.map(Start, programs), strict=True))


@pytest.mark.parametrize("case", ENDED)
def test_a_launcher_that_ended_is_told_within_seconds_with_its_last_line(started, case):
    lines, says = ENDED[case]
    found = started[lines]
    assert found.error.failure.kind == "failed"
    assert says in str(found.error)
    assert "none of 2 ranks has begun" in str(found.error)
    assert found.after_s < TOLD_S


def test_a_launcher_that_waits_though_its_helper_has_ended_is_not_waited_for(started):
    found = started[HELPER_ENDED]
    assert "nothing that could start ranks is left" in str(found.error)
    assert FATAL in str(found.error)
    assert found.after_s < TOLD_S


@pytest.mark.parametrize("case", WAITS)
def test_what_keeps_a_group_waiting_is_told_within_seconds(started, case):
    lines, says = WAITS[case]
    found = started[lines]
    after_s, text = found.said[0]
    assert text.startswith("starting 2 ranks: ")
    assert says in text
    assert after_s < TOLD_S
    assert found.error.failure.kind == "timeout"
    assert says in str(found.error)


def test_a_launcher_that_has_done_nothing_yet_may_be_loading(started):
    assert started[LOADING].error.failure.kind == "timeout"


def in_step(monkeypatch, **variables):
    for name, value in {"SLURM_JOB_ID": "7", **variables}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"},
        {"SLURM_STEP_ID": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "0"},
    ],
)
def test_a_driver_in_a_step_is_refused_with_the_command_to_use(monkeypatch, variables):
    in_step(monkeypatch, **variables)
    with pytest.raises(InputError, match=r"run it once and without a launcher: saih sweep 'a b\.yaml' --out x$"):
        launch.refuse_ranks(["sweep", "a b.yaml", "--out", "x"])


def test_of_many_ranks_one_speaks(monkeypatch):
    in_step(monkeypatch, SLURM_STEP_ID="0", SLURM_STEP_NUM_TASKS="4", SLURM_PROCID="2")
    with pytest.raises(SystemExit) as raised:
        launch.refuse_ranks(["sweep"])
    assert raised.value.code == 2


@pytest.mark.parametrize("step", ["4294967290", "4294967291", "4294967292", ""])  # interactive, batch, extern
def test_a_batch_script_and_the_shell_of_salloc_may_start_ranks(monkeypatch, step):
    in_step(monkeypatch, SLURM_STEP_ID=step, SLURM_PROCID="0")
    launch.refuse_ranks(["sweep"])


def test_the_command_line_refuses_before_anything_else(saih):
    saih.measure_ceilings = True  # so that the run's folder is not there yet
    saih.write("toy.yaml", toy_config())
    saih.env |= {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}
    done = saih("sweep", "toy.yaml", status=2)
    assert done.stderr.endswith("run it once and without a launcher: saih sweep toy.yaml --no-report\n")
    assert done.stderr.count("\n") == 1
    saih.env["SLURM_PROCID"] = "1"
    assert saih("sweep", "toy.yaml", status=2).stderr == ""
    assert [path.name for path in saih.folder.iterdir()] == ["toy.yaml"]


@pytest.mark.parametrize(
    ("given", "dropped"),
    [
        ({"SLURM_MEM_PER_CPU": "100"}, ()),
        ({"SLURM_MEM_PER_NODE": "200"}, ()),
        ({"SLURM_MEM_PER_CPU": "100", "SLURM_MEM_PER_NODE": "200"}, ("SLURM_MEM_PER_CPU", "SLURM_MEM_PER_NODE")),
        ({"SLURM_MEM_PER_CPU": "", "SLURM_MEM_PER_NODE": "200"}, ()),
    ],
)
def test_memory_asked_for_in_two_ways_is_asked_for_in_none(given, dropped):
    assert slurm.contradictory(given) == dropped
    launcher = Launcher("x", "mpich", None, lambda *_: [], slurm.Allocation(job="7"))
    assert not set(dropped) & set(launcher.whole_environment({**given, "A": "b"}))
    assert launcher.whole_environment({**given, "A": "b"})["A"] == "b"


CHATTY = 'while :; do echo \'{"progress": ["measuring", 1, 2], "block_s": 0.1}\'; sleep 0.02; done'
BURST = "head -c 1500000 /dev/zero | tr '\\0' x >&2; echo 'the last words' >&2; exec sleep 1000"


def test_a_group_that_reports_without_a_pause_has_no_more_time_than_others(tmp_path):
    started = Start(script(tmp_path / "chatty", CHATTY), timeout_s=2)
    assert started.error.failure.kind == "timeout"
    assert "no answer within 2 s, last while measuring" in str(started.error)
    assert started.after_s < 6


def test_what_was_said_last_is_in_the_log_once_nothing_more_is(tmp_path):
    program = script(tmp_path / "burst", BURST)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(Start, program, 8)
        deadline_s = time.monotonic() + 7
        log = program.parent / "setup.log"
        while not (log.exists() and log.read_bytes().endswith(b"the last words\n")):
            assert time.monotonic() < deadline_s, "the log's end is not on disk"
            time.sleep(0.1)
