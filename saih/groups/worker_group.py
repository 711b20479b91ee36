"""A worker group as the driver sees it: a child process that answers JSON requests, line by line, one after the other.

Requests go to rank 0's stdin, answers come from its stdout, all else that the ranks print goes to the request's log.
End of file on stdin ends the group. Whatever goes wrong costs this group only.

A group is given up when it has not answered in time, and earlier where it certainly hangs: the ranks say, once their
steps run, within which time the next sign of life comes; and before that, while they build or compile, a group that
computes nothing at all does not compile, nor does one of which a rank is stopped.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saih.config.schema import Launch
from saih.errors import Failure, GroupError, Kind
from saih.groups import deaths, failures, protocol
from saih.groups.hangs import MARK, Watch
from saih.groups.log_file import LogFile, last_words, lines
from saih.groups.starting import Starting
from saih.launch.launchers import Launcher

KILL_GRACE_S = 10.0
"""Time limit for srun to end its ranks, with Slurm's KillWait and a slow node."""
LOOK_S = 1.0
"""Interval between looks at a silent group."""
PAUSE_S = 1.0
"""A turn that took so much longer than it may was no wait: this process had not been running."""
SLOWER = 20
"""A block may take this many times what the slowest before it took, before it counts as hung."""

LAST_WORDS = 50_000
"""Bytes of the log's end that are searched for the launcher's report of a killed rank."""

ENDED_S = 5.0
"""Time limit for open outputs of a launcher that has ended; then the group counts as ended."""

OnProgress = Callable[[str, float, float], None]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Patience:
    """Timeouts of a request: `timeout_s` in all, `silence_s` without any sign of life."""

    timeout_s: float
    silence_s: float = math.inf


class _Signs:
    """The signs of life that a group has given since it was asked."""

    def __init__(self, patience: Patience) -> None:
        self.patience, self.doing, self.may_compile = patience, "starting", True
        self._asked_s = self._heard_s = time.monotonic()
        self._allowed_s = math.inf

    def hear(self, sign: protocol.Progress) -> None:
        """Record a heartbeat: the current activity and, once steps run, the time until the next one (`block_s`)."""
        self._heard_s, self.doing, block_s = time.monotonic(), sign.what, sign.block_s
        self.may_compile = block_s is None
        self._allowed_s = math.inf if block_s is None else max(self.patience.silence_s, SLOWER * block_s)

    def exclude_pause(self, seconds: float) -> None:
        """Take a pause of the watcher off all waiting."""
        self._asked_s += seconds
        self._heard_s += seconds

    def silent_for(self, seconds: float) -> bool:
        """Return True if there was no heartbeat for `seconds`."""
        return time.monotonic() - self._heard_s >= seconds

    def silent_too_long(self, spoke_s: float) -> str:
        """Why the group counts as hung, or "" while it may still answer. `spoke_s`: when it last printed."""
        now, heard_s = time.monotonic(), max(self._heard_s, spoke_s)
        if now - heard_s > self._allowed_s:
            return f"no sign of life for {now - heard_s:.0f} s while {self.doing}"
        if now - self._asked_s > self.patience.timeout_s:
            return f"no answer within {self.patience.timeout_s:g} s, last while {self.doing}"
        return ""


class Group:
    """One running worker group of `ranks` ranks, each bound to `cores_per_rank` cores (0: all of its host's).

    They do a request together, or divided into `copies` equal parts that do it side by side.
    `served` counts what it has answered. `log` is where the ranks' output goes until the first request. `say` is
    told what keeps the group from starting.
    """

    def __init__(
        self,
        launcher: Launcher,
        ranks: int,
        launch: Launch,
        cores_per_rank: int,
        copies: int,
        log: Path,
        say: Say = lambda _: None,
    ) -> None:
        self.ranks, self.cores_per_rank, self.copies, self.served = ranks, cores_per_rank, copies, 0
        self._faults = log.with_suffix(".faults")
        shutil.rmtree(self._faults, ignore_errors=True)
        self._log = LogFile(log)
        # -P keeps the working folder off the import path: a folder called "apps" there must not stand in for ours
        python = [sys.executable, "-P", "-m", "saih.worker.main"]
        words = [*python, "--ranks", str(ranks), "--device", launch.device, "--cores-per-rank", str(cores_per_rank)]
        words += ["--copies", str(copies), "--faults", str(self._faults.absolute())]
        self._oom_kills, self._deaths = deaths.oom_kills(), deaths.Deaths()
        self._ask_first, mark = launcher.ends_on_term, uuid.uuid4().hex
        self._process = subprocess.Popen(
            launcher.command(ranks, words, launch.wrapper),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=launcher.whole_environment(os.environ) | {MARK: mark},
            start_new_session=True,  # so that it can be ended whole, and no Ctrl-C goes past the driver
        )
        self._watch, self._say = Watch(self._process.pid, mark), say
        self._ended_s, self._spoke_s = math.inf, time.monotonic()
        self._starting: Starting | None = Starting(ranks, self._process.pid, launcher.ends_on_term)
        self._answers: queue.Queue[protocol.Message | None] = queue.Queue()
        self._ears = [threading.Thread(target=ear, daemon=True) for ear in (self._hear_answers, self._hear_errors)]
        for ear in self._ears:
            ear.start()

    @property
    def alive(self) -> bool:
        """True if the group can take a request."""
        return self._process.poll() is None and self._ears[0].is_alive()

    def ask(self, request: Mapping[str, Any], log: Path, patience: Patience, on_progress: OnProgress) -> dict[str, Any]:
        """Return the group's answer; its output goes to `log`. Raise GroupError, after which the group is gone."""
        if self.served:
            self._log.begin(log)
        self._send(request)
        signs = _Signs(patience)
        last_look_s = last_turn_s = time.monotonic()
        while True:
            message, silent = None, False
            try:
                message = self._answers.get(timeout=LOOK_S)
            except queue.Empty:
                silent = True
            last_turn_s = self._exclude_own_pause(last_turn_s, signs)
            if silent:
                self._log.update()
                self._look_at_start(signs, on_progress)
                self._give_up_if_hung(signs)
                continue
            if message is None:
                raise self._died(signs.doing)
            if isinstance(message, protocol.Ready):
                self._starting = None
                self._watch.know(message.ranks)
                self._deaths.know(message.ranks)
            elif isinstance(message, protocol.Progress):
                signs.hear(message)
                on_progress(message.what, message.done, message.total)
                if time.monotonic() - last_look_s > LOOK_S:  # the time allowed ends also while heartbeats never pause
                    last_look_s = time.monotonic()
                    self._give_up_if_hung(signs)
            elif message.to == request["do"]:
                self.served += 1
                self._log.update()
                return message.content

    def _exclude_own_pause(self, last_turn_s: float, signs: _Signs) -> float:
        """Take the time in which this process was stopped itself off all waiting; return the time.

        Ctrl-Z and `fg`, or a job that Slurm suspends: what the group said meanwhile has not been read yet.
        """
        now = time.monotonic()
        paused_s = now - last_turn_s - LOOK_S
        if paused_s > PAUSE_S:
            signs.exclude_pause(paused_s)
            self._watch.exclude_pause(paused_s)
            self._spoke_s += paused_s
        return now

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
        self._watch.end()
        self._deaths.close()
        shutil.rmtree(self._faults, ignore_errors=True)
        self._close_pipes()
        self._log.close()

    def close(self, grace_s: float = 20.0) -> None:
        """End of file for the group; it is killed if it has not ended after `grace_s`."""
        with contextlib.suppress(subprocess.TimeoutExpired, BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.wait(grace_s)
        self.kill()

    def _hear_out(self) -> None:
        """Return once all that was said has been heard, or after some seconds."""
        for ear in self._ears:
            ear.join(2)

    def _close_pipes(self) -> None:
        """Close the input; the outputs are closed at their end, which a process elsewhere may still keep open."""
        self._hear_out()
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin:
                self._process.stdin.close()

    def _give_up_if_hung(self, signs: _Signs) -> None:
        """Raise GroupError for a group that is out of time, or will certainly never answer."""
        silence_s = signs.patience.silence_s
        what = signs.silent_too_long(self._spoke_s)
        quiet = time.monotonic() - self._spoke_s > silence_s
        if signs.may_compile and quiet and self._watch.idle(silence_s):
            what = f"nothing was computed for {silence_s:g} s while {signs.doing}"
        if self._watch.stopped(silence_s) and signs.may_compile and signs.silent_for(silence_s):
            what = f"a rank was stopped for {silence_s:g} s while {signs.doing}"
        if what:
            raise self._hung(what)

    def _look_at_start(self, signs: _Signs, on_progress: OnProgress) -> None:
        """Pass on what keeps the group from starting. Raise GroupError once nothing can start it any more."""
        self._end_if_launcher_has(signs)
        if self._starting is None:
            return
        if news := self._starting.news():
            self._say(f"starting {self.ranks} {'rank' if self.ranks == 1 else 'ranks'}: {news}")
            on_progress(f"starting: {news}", 0, 0)
        if self._starting.is_forsaken():
            words = f"the launcher waits, but nothing that could start ranks is left: {self._starting.words()}"
            self.kill()
            raise GroupError(Failure(Kind.FAILED, words, during=signs.doing), self._log.path)

    def _end_if_launcher_has(self, signs: _Signs) -> None:
        """Raise GroupError where the launcher has ended, though a process it left behind holds its outputs open."""
        if self._process.poll() is None:
            return
        self._ended_s = min(self._ended_s, time.monotonic())
        if time.monotonic() - self._ended_s > ENDED_S:
            raise self._died(signs.doing)

    def _hung(self, what: str) -> GroupError:
        at = self._watch.words() or (self._starting.words() if self._starting else "")
        self.kill()
        message = f"{what}{f' ({at})' if at else ''}; the worker group was killed"
        return GroupError(Failure(Kind.TIMEOUT, message), self._log.path)

    def _died(self, doing: str) -> GroupError:
        """Explain why a group ended without an answer while it was `doing` something."""
        try:
            status: int | None = self._process.wait(10)
        except subprocess.TimeoutExpired:
            status = None
        of_rank = failures.first_cause(failures.left_by_ranks(self._faults))
        self._hear_out()
        self._log.update()
        said = last_words(self._log.path, LAST_WORDS)
        failure = of_rank or deaths.explain(self._deaths.first(said), status, said, self._oom_kills)
        if not of_rank and self._starting:
            failure = replace(failure, message=f"{failure.message}: {self._starting.words()}")
        self.kill()
        failure = deaths.in_view_of_limits(replace(failure, during=failure.during or doing), bool(of_rank))
        return GroupError(failure, self._log.path)

    def _send(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died("starting") from None

    def _hear_answers(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in lines(output, protocol.begins_in):
                if message := protocol.read(line.decode("utf-8", "replace")):
                    self._answers.put(message)
                else:  # not a rank speaks but the launcher, of processes that ended badly, or a wrapper
                    self._hear(line)
        self._answers.put(None)

    def _hear_errors(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as output:
            for line in lines(output):
                starting = self._starting
                begun = protocol.read_begun(line.decode("utf-8", "replace")) if starting else None
                if starting and begun:
                    starting.begin(begun)
                else:
                    self._hear(line)

    def _hear(self, line: bytes) -> None:
        self._spoke_s = time.monotonic()
        if starting := self._starting:
            starting.hear(line.decode("utf-8", "replace"))
        self._log.write(line)
