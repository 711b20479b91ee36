"""The host's processors: clocks, throttling for heat, and what others take of the cores that ranks run on."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from saih import processes
from saih.telemetry.readings import Unreadable, growth, read_number, read_text

CPUS = Path("/sys/devices/system/cpu")

MOST_CLOCKS_READ = 8
"""Of a rank's cores, evenly spread: reading a clock can interrupt the core it belongs to."""

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_USER, _NICE, _SYSTEM, _STEAL = 0, 1, 2, 7
"""Columns of /proc/stat (proc(5)). Interrupts are left out: our own disk and network cause most of them."""


def clock_mhz(cores: Sequence[int], root: Path = CPUS) -> float:
    """Mean clock of the cores just now, at most `MOST_CLOCKS_READ` of them. Raises Unreadable."""
    some = cores[:: -(-len(cores) // MOST_CLOCKS_READ)]
    return sum(read_number(root / f"cpu{core}/cpufreq/scaling_cur_freq") for core in some) / len(some) / 1e3


def throttle_counts(cores: Sequence[int], root: Path = CPUS) -> dict[int, int]:
    """Return the thermal throttling counts of each core or its package since boot. Raise Unreadable."""
    names = ("core_throttle_count", "package_throttle_count")
    return {core: sum(read_number(root / f"cpu{core}/thermal_throttle" / name) for name in names) for core in cores}


class Others:
    """Time that others than our ranks took of the ranks' cores, from the moment this object is made.

    Busy time of the cores (/proc/stat) less the time of our processes: the ranks, and whatever they have started and
    may run there. Time that a hypervisor gave to other guests counts as taken ("steal"). What runs on the other
    hardware thread of a core is not seen.
    """

    def __init__(self, ranks: Mapping[int, Collection[int]], proc: Path = processes.PROC) -> None:
        """`ranks`: process id -> cores, of all ranks of this host. Raises Unreadable."""
        self._ranks, self._proc = ranks, proc
        self._cores = sorted(set().union(*ranks.values()))
        self._first = self._now()

    def cores_taken(self) -> float:
        """Cores that others had busy, on average since the beginning. Raises Unreadable."""
        at_s, busy_by_core, own_now = self._now()
        seconds = at_s - self._first[0]
        name = f"{self._proc / 'stat'}: busy seconds of core"
        busy = sum(growth(f"{name} {core}", self._first[1][core], busy_by_core[core]) for core in self._cores)
        own = growth("processor time of our own processes (s)", self._first[2], own_now)
        if not busy and own:
            raise Unreadable(f"{self._proc / 'stat'}: does not count here, although our own processes ran")
        return max(0.0, (busy - own) / seconds)

    def _now(self) -> tuple[float, dict[int, float], float]:
        return time.perf_counter(), busy_by_core_s(self._cores, self._proc), own_s(self._ranks, self._cores, self._proc)


def busy_s(cores: Collection[int], proc: Path = processes.PROC) -> float:
    """Seconds that the cores together have worked for processes, or been withheld, since the start."""
    return sum(busy_by_core_s(cores, proc).values())


def busy_by_core_s(cores: Collection[int], proc: Path = processes.PROC) -> dict[int, float]:
    """Seconds that each core has worked for processes, or been withheld, since the start. Raises Unreadable."""
    lines = dict(line.split(" ", 1) for line in read_text(proc / "stat").splitlines() if line.startswith("cpu"))
    missing = [core for core in cores if f"cpu{core}" not in lines]
    if missing:
        raise Unreadable(f"{proc / 'stat'}: has no line for core {missing[0]}")
    times = {core: [int(word) for word in lines[f"cpu{core}"].split()] for core in cores}
    columns = (_USER, _NICE, _SYSTEM, _STEAL)
    return {core: sum(each[column] for column in columns) / _TICKS_PER_S for core, each in times.items()}


def own_s(ranks: Iterable[int], cores: Collection[int], proc: Path = processes.PROC) -> float:
    """Processor time of the processes `ranks` and of all that descend from them and may run on `cores`.

    Raises Unreadable where a rank is gone or not to be seen.
    """
    seen = list(processes.everyone(proc))
    parents = {each.pid: each.parent for each in seen}
    times_s = {each.pid: each.cpu_s + each.children_s for each in seen}
    roots = set(ranks)
    if unseen := roots - set(times_s):
        raise Unreadable(f"{proc / str(min(unseen))}: a rank's process that is not seen from here")
    ours = [pid for pid in times_s if _descends(pid, roots, parents)]
    return sum(times_s[pid] for pid in ours if pid in roots or _may_run_on(pid, cores))


def _descends(pid: int, roots: Collection[int], parents: Mapping[int, int]) -> bool:
    while pid in parents:
        if pid in roots:
            return True
        pid = parents[pid]
    return False


def _may_run_on(pid: int, cores: Collection[int]) -> bool:
    try:
        return bool(os.sched_getaffinity(pid).intersection(cores))
    except OSError:  # it has just ended
        return False
