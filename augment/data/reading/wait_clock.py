"""Seconds that the calling thread has waited for storage, so that reading can be told from what follows it.

They are counted where the system is asked: opening, looking at and reading files. Reads that the page cache answers
count too: then it is the time of copying out of it. All else that is done with a sample is the rest of a thread's time.
"""

from __future__ import annotations

import threading
import time


class _Waited(threading.local):
    seconds = 0.0


_mine = _Waited()


def read_s() -> float:
    """What this thread has waited in all."""
    return _mine.seconds


def waited_since(begin: float) -> None:
    """Counts the time since `begin`, of time.perf_counter(), as waiting for storage."""
    _mine.seconds += time.perf_counter() - begin
