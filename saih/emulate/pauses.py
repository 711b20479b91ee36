"""A rank that is slow, or stops: a helper process sends it SIGSTOP and SIGCONT. Needs no privileges.

The rank is really stopped, all its threads at once, and neither computes nor answers meanwhile. That is slicing of
time, not a slower clock: with a period of 10 ms, work that takes much longer takes 1 / share times as long on cores of
its own; on cores that others use too, the share is an upper limit. Processes started by the rank are not stopped, and
neither is a busy GPU.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

from saih.processes import die_with_parent

PERIOD_S = 0.01


def slow(share: float) -> None:
    """Let this process and its command run for `share` of the time from now on."""
    _start(lambda rank: _alternate(rank, share))


def stop(after_s: float) -> None:
    """Stop this process and its command for good in `after_s` seconds."""
    _start(lambda rank: _stop_once(rank, after_s))


def _start(helper: Callable[[int], None]) -> None:
    """Run `helper` on this process's pid in a child that ends with this process in any case."""
    rank = os.getpid()
    if os.fork():
        return
    try:
        die_with_parent(rank)
        close_all()
        helper(rank)
    finally:  # never return into the parent's code
        os._exit(0)


def close_all() -> None:
    """Close every descriptor: an end of file elsewhere must not wait for a helper."""
    os.closerange(0, 1024)


def _alternate(rank: int, share: float) -> None:
    """Stop and resume the rank in turn.

    A stop is as long as required by the real length of the run before it, so that the share is right on busy cores too.
    """
    owed_s = 0.0
    with contextlib.suppress(ProcessLookupError):
        while True:
            resumed = time.monotonic()
            time.sleep(share * PERIOD_S)
            os.kill(rank, signal.SIGSTOP)
            stopped = time.monotonic()
            owed_s += (stopped - resumed) * (1 - share) / share
            time.sleep(max(0.0, owed_s))
            os.kill(rank, signal.SIGCONT)
            owed_s -= time.monotonic() - stopped


def _stop_once(rank: int, after_s: float) -> None:
    time.sleep(after_s)
    os.kill(rank, signal.SIGSTOP)
    signal.pause()
