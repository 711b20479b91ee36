"""Find, end and report what an application leaves behind in its rank after a point.

The next point of a worker group must find the rank as the first did. Processes are ended, standard streams and torch's
flags are put back. Where anything else was left, or a process, the group is not fit for another point.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saih.common.procfs import wanted_s
from saih.worker import descendants, rank_settings

LOOKS_S = (0.05, 0.2)
"""How long an idle rank is looked at for what still computes, and again if anything does: pools spin for a while."""
BUSY_SHARE = 0.25
"""What runs, or would if it had a core, for this share of the time is at work."""
ENDING_S = 0.5
"""How long threads that are ending already may take."""
MOST_FILES = 100
"""Files left open beyond which the next point may find too few."""
MOST_TOLD = 5
_LIBRARIES = ("torch", "concurrent.futures", "multiprocessing", "tqdm")
"""Modules whose threads wait for work that comes, or not; one that computes is told all the same."""
_SHARED = Path("/dev/shm")
_SHARED_BY_LIBRARIES = ("nccl", "sem.", "mpich", "ompi", "vader", "ucx", "psm2", "psm3", "cuda", "torch_")
_STREAMS = ("standard input", "standard output", "standard error")


class Streams:
    """Standard input, output and error as they are when this is made, to be put back."""

    def __init__(self) -> None:
        self._kept = [os.dup(number) for number in range(3)]

    def put_back(self) -> list[str]:
        """Restore the streams; return descriptions of those that were closed or replaced."""
        told = []
        for number, kept in enumerate(self._kept):
            now = _identity(number)
            if now != _identity(kept):
                os.dup2(kept, number)
                told.append(f"left {_STREAMS[number]} {'closed' if now is None else 'replaced'}, which was put back")
        return told


@dataclass
class Left:
    """Descriptions of what was left. `fresh`: the next point needs a fresh worker group."""

    words: list[str] = field(default_factory=list)
    fresh: bool = False

    def add(self, words: list[str], fresh: bool = True) -> None:
        """Something more that was left."""
        self.words += words
        self.fresh |= fresh and bool(words)


class Before:
    """This rank before a point, to be held against what it is afterwards."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._children = descendants.known(descendants.all_now())
        self._threads = set(threading.enumerate())
        self._surroundings, self._flags = rank_settings.surroundings(), rank_settings.torch_flags()
        self._files, self._shared = _open_files(), _shared_memory()
        self._busy, _ = _busy()  # a library's thread that always polls is no one's leftover

    def left(self) -> Left:
        """Find what is left now that the point has ended, and undo what can be undone."""
        gc.collect()
        found = Left()
        found.add(self._streams.put_back())
        found.add(_named("thread", [thread.name for thread in self._new_threads()], "running"))
        busy, busy_children = _busy()
        found.add(_named("native thread", [str(each) for each in sorted(busy - self._busy)], "computing"))
        found.add(self._end_children(busy_children))
        changed = rank_settings.differing(self._surroundings, rank_settings.surroundings())
        found.add([f"left changed: {each}" for each in changed[:MOST_TOLD]])
        found.add([f"could not be put back: {each}" for each in rank_settings.put_back(self._flags)])
        files = [path for number, path in _open_files().items() if self._files.get(number) != path]
        found.add(_named("file", files, "open"), fresh=len(files) > MOST_FILES)
        found.add(_named("entry", sorted(_shared_memory() - self._shared), f"in {_SHARED}"), fresh=False)
        return found

    def _new_threads(self) -> list[threading.Thread]:
        """Python's threads that were not there, and do not end by themselves."""
        until = time.monotonic() + ENDING_S
        found = []
        for thread in set(threading.enumerate()) - self._threads:
            if isinstance(thread, threading._DummyThread) or _home(thread).startswith(_LIBRARIES):
                continue
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                found.append(thread)
        return sorted(found, key=lambda thread: thread.name)

    def _end_children(self, busy: set[int]) -> list[str]:
        """End every process that was not there, but those that libraries keep and that wait."""
        spared = set(self._children)
        left = [each for each in descendants.all_now() if (each.pid, each.started) not in spared]
        waiting = [each for each in left if each.pid not in busy and descendants.kept_by_libraries(each)]
        spared |= descendants.known(waiting)
        ended = [f"{each.name} {each.pid}" for each in left if each not in waiting]
        if not ended:
            return []
        stayed = [f"{each.name} {each.pid}" for each in descendants.end(frozenset(spared))]
        told = _named("process", ended, "running, ended now")
        return told + ([f"could not be ended: {', '.join(stayed[:MOST_TOLD])}"] if stayed else [])


def together(ranks: Sequence[Left]) -> dict[str, Any]:
    """Join what all ranks left, in the form of an answer: {"remarks", "fresh"}."""
    who = [f"rank {number} " if len(ranks) > 1 else "the application " for number in range(len(ranks))]
    remarks = [who[number] + words for number, left in enumerate(ranks) for words in left.words]
    return {"remarks": remarks, "fresh": any(left.fresh for left in ranks)}


def _busy() -> tuple[set[int], set[int]]:
    """Threads of this process, besides this one, and descendants that compute although nothing is asked of them."""
    threads: set[int] | None = None
    children: set[int] | None = None
    for seconds in LOOKS_S:
        processes = descendants.all_now()
        own, theirs, begun = wanted_s("self"), descendants.all_wanted_s(processes), time.monotonic()
        time.sleep(seconds)
        least_s = BUSY_SHARE * (time.monotonic() - begun)
        own_now, theirs_now = wanted_s("self"), descendants.all_wanted_s(processes)
        busy = {each for each, at_s in own_now.items() if at_s - own.get(each, at_s) > least_s}
        busy.discard(threading.get_native_id())
        busy_children = {each for each, at_s in theirs_now.items() if at_s - theirs[each] > least_s}
        threads = busy if threads is None else threads & busy
        children = busy_children if children is None else children & busy_children
        if not threads and not children:
            break
    return threads or set(), children or set()


def _named(what: str, names: Sequence[str], how: str) -> list[str]:
    """So many things left, the first few by name; nothing where there are none."""
    if not names:
        return []
    many = {"process": "processes", "entry": "entries"}.get(what, f"{what}s")
    more = f" and {len(names) - MOST_TOLD} more" if len(names) > MOST_TOLD else ""
    return [f"left {len(names)} {what if len(names) == 1 else many} {how}: {', '.join(names[:MOST_TOLD])}{more}"]


def _home(thread: threading.Thread) -> str:
    """The module whose code a thread runs."""
    target = getattr(thread, "_target", None) or getattr(thread, "function", None)
    return str(getattr(target, "__module__", None) or type(thread).__module__)


def _identity(number: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _open_files() -> dict[int, str]:
    """The files and folders that this process has open, by number; no devices, sockets or pipes."""
    found = {}
    for entry in list(Path("/proc/self/fd").iterdir()):
        try:
            path = str(entry.readlink())
        except OSError:  # the listing's own
            continue
        if (
            path.startswith("/")
            and not path.startswith(("/dev/", "/proc/", "/sys/", "/memfd:"))
            and int(entry.name) > 2
        ):
            found[int(entry.name)] = path
    return found


def _shared_memory() -> set[str]:
    """This user's entries of shared memory that are none of a library's."""
    found = set()
    try:
        for entry in os.scandir(_SHARED):
            if (
                not entry.name.startswith(_SHARED_BY_LIBRARIES)
                and entry.stat(follow_symlinks=False).st_uid == os.getuid()
            ):
                found.add(entry.name)
    except OSError:
        return found
    return found
