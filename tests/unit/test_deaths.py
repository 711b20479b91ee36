"""Who of a group ended first: real processes that end in a known order, and launchers' words as they were printed."""

import json
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from saih import processes
from saih.common.host.memory import Limit
from saih.errors import Failure, Kind
from saih.groups import deaths
from saih.groups.deaths import Death, Deaths, explain

HERE = socket.gethostname()

MPICH = """
===================================================================================
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   PID 5787 RUNNING AT n1
=   EXIT CODE: 11
=   CLEANING UP REMAINING PROCESSES
=   YOU CAN IGNORE THE BELOW CLEANUP MESSAGES
===================================================================================
YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Segmentation fault (signal 11)
"""
INTEL = """
===================================================================================
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   RANK 0 PID 5809 RUNNING AT n1
=   KILLED BY SIGNAL: 9 (Killed)
===================================================================================

===================================================================================
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   RANK 1 PID 5810 RUNNING AT n2
=   KILLED BY SIGNAL: 11 (Segmentation fault)
===================================================================================
"""
OPENMPI = """--------------------------------------------------------------------------
orterun noticed that process rank 1 with PID 0 on node n2 exited on signal 9 (Killed).
--------------------------------------------------------------------------
"""
SRUN = """srun: error: n2: task 1: Killed
srun: launch/slurm: _step_signal: Terminating StepId=2.3
srun: error: n1: task 0: Terminated
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (MPICH, [Death("n1", 5787, signal=11)]),
        (INTEL, [Death("n1", 5809, 0, signal=9), Death("n2", 5810, 1, signal=11)]),
        (OPENMPI, [Death("n2", rank=1, signal=9)]),
        (SRUN, [Death("n2", rank=1, signal=9), Death("n1", rank=0, signal=15)]),
        ("PID 5 RUNNING AT a loss\nrank 1 was killed", []),
    ],
)
def test_what_launchers_say(words, expected):
    assert deaths.in_words(f"before\n{words}after\n") == expected


ELSEWHERE = [{"host": f"n{i + 1}.site", "pid": 5786 + i, "started": 0} for i in range(2)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (MPICH.replace("5787 RUNNING AT n1", "5787 RUNNING AT n2"), "rank 1 (process 5787 on n2.site)"),
        (OPENMPI, "rank 1 (process 5787 on n2.site)"),
        (SRUN, "rank 1 (process 5787 on n2.site)"),
        (INTEL, None),  # it names those that it killed itself, too
        ("", None),
    ],
)
def test_of_ranks_elsewhere_the_launchers_words_are_what_there_is(words, expected):
    watched = Deaths()
    watched.know(ELSEWHERE)
    first = watched.first(words)
    watched.close()
    assert (first and first.words) == expected


PARENT = """
import json, subprocess, sys, time
children = [subprocess.Popen(["sleep", "1000"]) for _ in range(3)]
print(json.dumps([child.pid for child in children]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def ranks():
    """Three processes and the one that has started them."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    pids = json.loads(parent.stdout.readline())
    told = [{"host": HERE, "pid": pid, "started": processes.look(pid).started} for pid in pids]
    yield parent, told
    for pid in pids:
        processes.kill(pid)
    parent.kill()
    parent.communicate()


def end(pid):
    processes.kill(pid)
    while (found := processes.look(pid)) and not found.ended:
        time.sleep(0.01)


@pytest.mark.parametrize("order", [(2, 0, 1), (1, 2, 0)])
def test_the_first_is_found_long_after_all_have_ended(ranks, order):
    _, told = ranks
    watched = Deaths()
    watched.know(told)
    assert watched.first("") is None
    for number in order:
        end(told[number]["pid"])
    intel = "".join(
        f"RANK {i} PID {r['pid']} RUNNING AT {HERE}\n=   KILLED BY SIGNAL: 9 (K)\n" for i, r in enumerate(told)
    )
    assert watched.first(intel) == Death(HERE, told[order[0]]["pid"], order[0], signal=9)
    watched.close()


def test_what_had_started_the_ranks_may_be_the_first(ranks):
    parent, told = ranks
    watched = Deaths()
    watched.know(told)
    end(parent.pid)
    end(told[0]["pid"])
    first = watched.first("")
    watched.close()
    assert (first.pid, first.rank) == (parent.pid, None)
    assert first.words.startswith("python")
    message = explain(first, 7, "", None).message
    assert message.endswith("ended first, and the worker group with exit status 7 before it answered")


def test_a_process_that_has_the_number_of_a_rank_is_not_taken_for_it(ranks):
    _, (one, *others) = ranks
    watched = Deaths()
    watched.know([one | {"started": one["started"] - 1}, *others])
    end(one["pid"])
    assert watched.first("") is None
    watched.close()


KILLED = Death(HERE, 7, 1, signal=signal.SIGKILL)


@pytest.mark.parametrize(
    ("first", "status", "log", "kills", "kind", "message"),
    [
        (None, 9, "", (3, 3), "failed", "the worker group ended with exit status 9 before it answered"),
        (None, -9, "", (3, 3), "failed", "the ranks' launcher was killed by signal 9 (Killed)"),
        (None, 9, "", (3, 4), "oom", "the kernel ended a process for want of host memory"),
        (KILLED, 9, "", (3, 3), "failed", "{} was killed by signal 9 (Killed); not for want of host memory"),
        (KILLED, 9, "", (3, 4), "oom", "{} was ended by the kernel for want of host memory"),
        (
            KILLED,
            9,
            "",
            (None, None),
            "failed",
            "{} was killed by signal 9 (Killed); whether for want of memory is not known here",
        ),
        (
            Death("elsewhere", 7, 1, signal=9),
            9,
            "",
            (3, 4),
            "failed",
            "rank 1 (process 7 on elsewhere) was killed by signal 9 (Killed); "
            "whether for want of memory is not known here",
        ),
        (
            Death("elsewhere", 7, 1, signal=9),
            9,
            "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been OOM Killed.",
            (3, 3),
            "oom",
            "rank 1 (process 7 on elsewhere) was ended by the kernel for want of host memory",
        ),
        (
            Death(HERE, 7, 1, signal=11),
            11,
            "",
            (3, 4),  # another's
            "failed",
            "{} was killed by signal 11 (Segmentation fault)",
        ),
    ],
)
def test_the_fault_in_words(monkeypatch, first, status, log, kills, kind, message):
    monkeypatch.setattr(deaths, "oom_kills", lambda: kills[1])
    found = explain(first, status, log, kills[0])
    assert found.kind == kind
    assert found.message == message.format(f"rank 1 (process 7 on {HERE})")
    assert found.rank == (1 if first else None)


def test_a_bus_error_names_shared_memory_and_a_control_group_that_it_has_less(monkeypatch):
    """A page that shared memory cannot give is a bus error; who limits memory is told where it is not the host."""
    found = explain(Death(HERE, 7, 1, signal=signal.SIGBUS), 9, "", deaths.oom_kills())
    space = r"/dev/shm, where ranks have shared memory, has [\d,.]+ MiB, [\d,.]+ MiB of it free now"
    assert re.search(rf"was killed by signal 7 \(Bus error\); {space}$", found.message)
    monkeypatch.setattr(deaths.memory, "limit", lambda: Limit(900 * 2**20, "control group /job (memory.max)"))
    monkeypatch.setattr(deaths, "oom_kills", lambda: 4)
    found = explain(KILLED, 9, "", 3)
    assert found.message.endswith("for want of host memory: control group /job (memory.max) allows 0.879 GiB in all")


@pytest.mark.parametrize(
    ("message", "told", "named"),
    [
        ("the worker group ended with exit status 255 before it answered", False, True),
        ("RuntimeError: can't start new thread", True, True),
        ("ZeroDivisionError: division by zero", True, False),
    ],
)
def test_resource_limits_are_named_where_they_may_be_why(monkeypatch, message, told, named):
    monkeypatch.setattr(deaths.limits, "tight", lambda: "RLIMIT_NOFILE = 16 open files")
    found = deaths.in_view_of_limits(Failure(Kind.FAILED, message, 0), told)
    suffix = "; limits that may be why: RLIMIT_NOFILE = 16 open files" if named else ""
    assert found == Failure(Kind.FAILED, f"{message}{suffix}", 0)
