"""A sweep's processes, found by a mark in their environment, which whatever they start inherits."""

import contextlib
import os
import time
from pathlib import Path

MARK = "TEST_MARK"


def processes(mark):
    """pid -> command line of every process with this mark that has not ended."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return {pid: command for pid, command in found.items() if command}


def ranks(mark):
    """Rank number -> pid of the worker group's ranks."""
    found = {}
    for pid, command in processes(mark).items():
        with contextlib.suppress(OSError):
            names = dict(word.partition(b"=")[::2] for word in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
            if "-m saih.worker.main" in command and b"PMI_RANK" in names:
                found[int(names[b"PMI_RANK"])] = pid
    return found


def wait(condition, timeout_s=120):
    """What ``condition`` returns once that is true."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)
    return found


def kill(pid, number):
    """Send a signal; whether the process was still there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
