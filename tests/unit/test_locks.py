"""Locks: one process at a time, whoever dies when; taken over from the dead only, whatever the lock holds.

Real processes, PID namespaces and a kernel without hard links; and every order in which two processes' steps can come.
"""

import ctypes
import json
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from saih.common import files, holder, locks
from saih.common.holder import Fate, Holder, judge, mine, parse
from tests.conftest import ROOT
from tests.holders import SHOW, of_a_dead_process

FORK = multiprocessing.get_context("fork")


def refusal(path):
    with pytest.raises(locks.Refused) as raised:
        locks.held(path, "a sweep").__enter__()
    assert "\n" not in str(raised.value)
    assert str(raised.value).isprintable()
    return str(raised.value)


def put(path, **changes):
    """A lock of this very process, but for ``changes``."""
    path.write_bytes(replace(mine(), **changes).to_bytes())


# one at a time


def test_a_second_one_is_refused_and_told_who_is_first(tmp_path):
    with locks.held(tmp_path / "lock", "a sweep"):
        assert f"a sweep is at work here (process {os.getpid()} on " in refusal(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_removed_by_its_holder_alone(tmp_path):
    path = tmp_path / "lock"
    with locks.held(path, "a sweep"):
        path.unlink()  # by hand, while it is held
        put(path, pid=1)
    assert json.loads(path.read_text())["pid"] == 1


@pytest.mark.parametrize("ended", ["unreaped", "reaped"])
def test_a_process_that_has_ended_is_gone(ended):
    child = subprocess.Popen([sys.executable, "-c", SHOW], cwd=ROOT, stdout=subprocess.PIPE)
    held = parse(child.stdout.read())
    if ended == "unreaped":
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert judge(held, os.getuid()).fate is Fate.GONE
    child.communicate()
    assert judge(held, os.getuid()).fate is Fate.GONE


def test_a_number_given_to_another_process_is_no_holder():
    assert judge(replace(mine(), started=1), os.getuid()).fate is Fate.GONE
    assert judge(mine(), os.getuid()).fate is Fate.AT_WORK


def test_a_process_that_proc_hides_is_no_dead_one(monkeypatch):
    """/proc with hidepid shows users their own processes only."""
    monkeypatch.setattr(holder.procfs, "look", lambda pid: None)
    assert judge(replace(mine(), pid=os.getppid(), started=1), os.getuid()).fate is Fate.UNKNOWN


# what cannot be seen from here


@pytest.mark.parametrize("change", ["boot", "time_namespace"])
def test_what_is_elsewhere_is_not_decided_here(tmp_path, change):
    put(tmp_path / "lock", **{change: "another"}, host="elsewhere", pid=12)
    said = refusal(tmp_path / "lock")
    assert "may be at work here (process 12 on elsewhere, since 20" in said
    assert f"look there (ps -fp 12), and if it is gone, delete {tmp_path}/lock" in said


@pytest.mark.parametrize(
    ("changes", "fate"),
    [
        ({}, Fate.GONE),
        ({"since_s": time.time()}, Fate.UNKNOWN),  # younger than this boot: a machine of the same name
        ({"machine": "another"}, Fate.UNKNOWN),
        ({"machine": None}, Fate.UNKNOWN),
        ({"host": "elsewhere"}, Fate.UNKNOWN),
        ({"since_s": None}, Fate.UNKNOWN),
    ],
)
def test_a_machine_that_was_started_anew(monkeypatch, changes, fate):
    monkeypatch.setattr(holder, "_machine", lambda: "3d1219c7c4c5404aaa1f6d2a48adfda4")
    before = {"boot": "an earlier one", "since_s": 1e9}
    assert judge(replace(mine(), **before | changes), os.getuid()).fate is fate


def test_a_lock_of_an_earlier_version_without_a_job_is_not_decided(tmp_path):
    (tmp_path / "lock").write_text(json.dumps({"host": "n1", "pid": 7, "started": 5, "job": None, "restarts": 0}))
    assert "may be at work here (process 7 on n1)" in refusal(tmp_path / "lock")


root_only = pytest.mark.skipif(os.geteuid() != 0, reason="PID namespaces need root")
IN_A_NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"]
TRY = """
from pathlib import Path
from saih.common import locks
try:
    with locks.held(Path("lock"), "a sweep"):
        print("inside", flush=True)
        input()
except locks.Refused as error:
    print(error)
"""


def trying(folder, *launcher):
    words = [*launcher, sys.executable, "-c", TRY]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(words, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, **pipes)


@root_only
def test_two_containers_of_one_host(tmp_path):
    """Both are process 1 of their own namespace. Only the host sees both, and can tell when one has ended."""
    first = trying(tmp_path, *IN_A_NAMESPACE)
    assert first.stdout.readline() == "inside\n"
    said, _ = trying(tmp_path, *IN_A_NAMESPACE).communicate()
    assert "may be at work here (process 1 on " in said
    assert "in another PID namespace of this host (a container)" in said
    said, _ = trying(tmp_path).communicate()
    assert "a sweep is at work here (process 1 on " in said
    assert json.loads((tmp_path / "lock").read_text())["pid"] == 1
    (inner,) = (process.pid for process in holder.procfs.everyone() if process.parent == first.pid)
    os.kill(inner, signal.SIGKILL)
    first.communicate()
    said, _ = trying(tmp_path, *IN_A_NAMESPACE).communicate("\n")
    assert "may be at work" in said  # another container still cannot see it
    said, _ = trying(tmp_path).communicate("\n")
    assert said == "inside\n"
    assert not (tmp_path / "lock").exists()


@root_only
def test_a_container_that_has_its_hosts_proc(tmp_path):
    """Numbers in /proc then are the host's: the process of the lock's number there is another one."""
    with locks.held(tmp_path / "lock", "a sweep"):
        content = (tmp_path / "lock").read_bytes()
        said, _ = trying(tmp_path, *IN_A_NAMESPACE[:-1]).communicate()
        assert "may be at work" in said
    mine_too = "; import os; h = mine(); assert judge(h, 0).fate is not Fate.GONE; assert h.pid == os.getpid() == 1"
    code = f"from saih.common.holder import Fate, judge, mine{mine_too}"
    subprocess.run([*IN_A_NAMESPACE[:-1], sys.executable, "-c", code], cwd=ROOT, check=True)
    assert parse(content).pid == os.getpid()


# whatever a lock holds

GOOD = json.loads(Holder("n1", 7).to_bytes())
BAD = [None, "abc", "", [], {}, [[]], True, -1, 0, 1.5, 2**70, float("inf"), float("nan"), "\x1b[31m\n\u202e", "\ud800"]


@pytest.mark.parametrize("key", GOOD)
def test_any_value_of_any_key_is_one_line(tmp_path, key):
    for value in BAD:
        (tmp_path / "lock").write_text(json.dumps(GOOD | {key: value}))
        assert "delete" in refusal(tmp_path / "lock")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"host": "n1", "pid": "abc"}', "pid = abc"),
        ('{"host": "n1", "pid": 1e400}', "pid = inf"),
        ('{"host": "n1", "pid": true}', "pid = True"),
        ('{"host": "n1"}', "lacks pid"),
        ('{"pid": 1}', "lacks host"),
        ('{"host": "n1", "pid": 1, "job": "--format=x"}', "job = --format=x"),
        ("[]", "holds no JSON object"),
        ("7", "holds no JSON object"),
        ("[" * 4000, "is not JSON"),
        ("\udc80\udcff\0", "is not JSON"),
        ("1" * 4096, "holds no JSON object"),
        ("x" * 5000, "holds more than 4096 bytes"),
    ],
)
def test_what_is_no_lock_says_why(tmp_path, text, says):
    (tmp_path / "lock").write_bytes(text.encode("utf-8", "surrogateescape"))
    expected = f"{tmp_path}/lock: is no lock that can be read ({says}); if nothing is at work here, delete it"
    assert refusal(tmp_path / "lock") == expected


def test_an_empty_lock_is_waited_for(tmp_path, monkeypatch):
    """Its maker is about to write to it, or has died."""
    path = tmp_path / "lock"
    path.touch()
    threading.Timer(0.3, lambda: path.write_bytes(mine().to_bytes())).start()
    assert "is at work here" in refusal(path)
    path.write_bytes(b"")
    monkeypatch.setattr(locks, "_EMPTY_S", 0.1)
    assert "(is empty)" in refusal(path)


def test_a_folder_that_cannot_be_written_names_the_lock(tmp_path):
    with pytest.raises(FileNotFoundError) as raised:
        locks.held(tmp_path / "nowhere" / "lock", "a sweep").__enter__()
    assert raised.value.filename == str(tmp_path / "nowhere" / "lock")


# no hard links

LINKS = {"x86_64": (86, 265), "aarch64": (37,)}


def forbid_hard_links():
    """From now on link() fails with EPERM in this process, as on file systems without: a seccomp filter."""

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    def step(code, k, yes=0, no=0):
        return code.to_bytes(2, "little") + bytes([yes, no]) + k.to_bytes(4, "little")

    calls = LINKS[platform.machine()]
    steps = [step(0x20, 0)]  # load the call's number
    steps += [step(0x15, call, yes=len(calls) - i) for i, call in enumerate(calls)]  # jump to the end if it is it
    steps += [step(0x06, 0x7FFF0000), step(0x06, 0x00050000 | 1)]  # allow; fail with EPERM
    program = Program(len(steps), b"".join(steps))
    c = ctypes.CDLL(None, use_errno=True)
    assert c.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert c.prctl(22, 2, ctypes.byref(program)) == 0, os.strerror(ctypes.get_errno())  # PR_SET_SECCOMP


@pytest.mark.skipif(platform.machine() not in LINKS, reason="the numbers of link() are known of x86-64 and Arm only")
def test_a_file_system_without_hard_links(tmp_path):
    (tmp_path / "lock").write_bytes(of_a_dead_process().to_bytes())

    def locked():
        forbid_hard_links()
        (tmp_path / "x").touch()
        with pytest.raises(PermissionError):
            os.link(tmp_path / "x", tmp_path / "y")
        with locks.held(tmp_path / "lock", "a sweep"):
            files.write_text(tmp_path / "x", "inside")

    child = FORK.Process(target=locked)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert (tmp_path / "x").read_text() == "inside"
    assert not (tmp_path / "lock").exists()
