"""A worker group as the driver sees it: a child process that answers JSON requests, line by line.

Requests go to rank 0's stdin, answers come from its stdout, all else that the ranks print goes to a log. End of file
on stdin ends the group. Whatever goes wrong costs this group only.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from saih.errors import GroupDied, GroupTimeout
from saih.launch import Launcher

KILL_GRACE_S = 10.0
"""How long srun may take to end its ranks; Slurm's KillWait and a slow node are within it."""

OnProgress = Callable[[str, float, float], None]


class Group:
    """One running worker group of ``ranks`` ranks; use it as a context manager.

    Each rank binds itself to ``cores_per_rank`` cores, 0 leaving it all of its host's.
    """

    def __init__(
        self, launcher: Launcher, ranks: int, device: str, wrapper: list[str], cores_per_rank: int, log: Path
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self._faults = log.with_suffix(".faults")
        shutil.rmtree(self._faults, ignore_errors=True)
        # -P keeps the working folder off the import path: a folder called "apps" there must not stand in for ours
        python = [sys.executable, "-P", "-m", "saih.worker"]
        words = [*python, "--ranks", str(ranks), "--device", device, "--cores-per-rank", str(cores_per_rank)]
        words += ["--faults", str(self._faults.absolute())]
        self._oom_kills = _oom_kills()
        self._ask_first = launcher.ends_on_term
        log.unlink(missing_ok=True)
        with open(log, "a", encoding="utf-8") as stderr:
            self._process = subprocess.Popen(
                launcher.command(ranks, words, wrapper),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=os.environ | launcher.environment(),
                text=True,
                start_new_session=True,  # so that it can be ended whole, and no Ctrl-C goes past the driver
            )
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, request: Mapping[str, Any], timeout_s: float, on_progress: OnProgress) -> dict[str, Any]:
        """The group's answer. Raises GroupTimeout or GroupDied; the group is then gone."""
        self._send(request)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                answer = self._answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                self.kill()
                raise GroupTimeout(timeout_s) from None
            if answer is None:
                raise GroupDied(self._ended())
            if "progress" not in answer:
                return answer
            on_progress(*answer["progress"])

    def fault(self) -> dict[str, Any] | None:
        """What the ranks of a dead group left as its cause: {"kind", "message", "rank"}, or None.

        When one rank fails, others fail in its wake: a lack of memory explains the rest, then the earliest does.
        """
        found = [json.loads(path.read_text(encoding="utf-8")) for path in self._faults.glob("rank*.json")]
        shutil.rmtree(self._faults, ignore_errors=True)
        found.sort(key=lambda fault: (fault["kind"] not in ("input", "oom"), fault["time"]))
        if found:
            return dict(found[0])
        if _oom_kills() > self._oom_kills:
            return {"kind": "oom", "message": "the kernel ended a process for want of host memory", "rank": None}
        return None

    def log_end(self, most: int = 2000) -> str:
        """The last part of what the ranks printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-most:]

    def kill(self) -> None:
        """End every process of the group at once. Ranks on other hosts end with their launcher's daemon.

        srun must be asked to do it: killed itself, it would leave its ranks running and their cores taken.
        """
        if self._ask_first:
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(self._process.pid, signal.SIGTERM)
                self._process.wait(KILL_GRACE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self, grace_s: float = 20.0) -> None:
        """End of file for the group; it is killed if it has not ended after ``grace_s``."""
        with contextlib.suppress(subprocess.TimeoutExpired, BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.wait(grace_s)
        self.kill()

    def __enter__(self) -> Group:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.kill()

    def _send(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise GroupDied(self._ended()) from None

    def _read(self) -> None:
        assert self._process.stdout is not None
        with open(self.log, "a", encoding="utf-8") as log:
            for line in self._process.stdout:
                try:
                    self._answers.put(json.loads(line))
                except ValueError:  # not a rank speaks but the launcher, of processes that ended badly
                    log.write(line)
        self._answers.put(None)

    def _ended(self) -> int | None:
        try:
            return self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
            return None


def _oom_kills() -> int:
    """How often this host's kernel has ended a process for want of memory since it started; 0 where it won't say."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
