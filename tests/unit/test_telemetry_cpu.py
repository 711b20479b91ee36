"""What others take of our cores: in a tree like /proc whose sums are known, and beside a real busy neighbour."""

import json
import os
import subprocess
import sys

import pytest

from saih.diagnosis.suspect import suspect
from saih.telemetry import cpu
from saih.telemetry.host import HostWatch
from saih.telemetry.readings import Unreadable
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Proc:
    """A tree like /proc: ticks by core and process."""

    def __init__(self, root):
        self.root = root

    def cores(self, **busy):
        """``busy``: core -> (user, nice, system, idle, iowait, irq, softirq, steal)."""
        lines = [f"{core} {' '.join(map(str, times))} 0 0" for core, times in busy.items()]
        (self.root / "stat").write_text("cpu 1 2 3 4 5 6 7 8 9 10\n" + "\n".join(lines) + "\nintr 5\n")

    def process(self, pid, parent, user=0, system=0, ended=0):
        (self.root / str(pid)).mkdir(exist_ok=True)
        fields = ["S", parent, *range(2, 11), user, system, ended, *[0] * 6]
        (self.root / str(pid) / "stat").write_text(f"{pid} (a (b) c) {' '.join(map(str, fields))}\n")


@pytest.fixture
def proc(tmp_path):
    return Proc(tmp_path)


def test_busy_is_what_processes_had_and_what_was_withheld(proc):
    proc.cores(cpu0=(1, 2, 4, 1000, 1000, 1000, 1000, 8), cpu1=(500,) * 8, cpu2=(16, 0, 0, 0, 0, 0, 0, 0))
    assert cpu.busy_s([0, 2], proc.root) == pytest.approx((1 + 2 + 4 + 8 + 16) * TICK_S)
    with pytest.raises(Unreadable, match="no line for core 7"):
        cpu.busy_s([0, 7], proc.root)


def test_ours_are_the_ranks_and_their_descendants_that_may_run_there(proc):
    me = os.getpid()
    mine = os.sched_getaffinity(0)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        proc.process(me, 1, user=1, system=2, ended=4)
        proc.process(child.pid, me, user=8)
        proc.process(1, 0, user=1000)
        proc.process(2**30, 1, user=1000)
        assert cpu.own_s([me], mine, proc.root) == pytest.approx(15 * TICK_S)
        elsewhere = {max(mine) + 1}
        assert cpu.own_s([me], elsewhere, proc.root) == pytest.approx(7 * TICK_S)
    finally:
        child.communicate(b"\n")
    with pytest.raises(Unreadable, match="a rank's process that is not seen"):
        cpu.own_s([me, 5], mine, proc.root)


def test_where_the_kernel_does_not_count_nothing_is_claimed(proc):
    me = os.getpid()
    proc.cores(cpu0=(5, 0, 0, 0, 0, 0, 0, 0))
    proc.process(me, 1, user=10)
    others = cpu.Others({me: [0]}, proc.root)
    proc.process(me, 1, user=20)
    with pytest.raises(Unreadable, match="does not count here"):
        others.cores_taken()


@pytest.mark.parametrize("later", [(4, 0, 0, 0, 0, 0, 0, 0), (9, 0, 0, 0, 0, 0, 0, 0), (2**32, 0, 0, 0, 0, 0, 0, 0)])
def test_a_core_whose_counter_fell_is_not_hidden_by_one_whose_counter_grew(proc, later):
    me = os.getpid()
    proc.cores(cpu0=(10, 0, 0, 0, 0, 0, 0, 0), cpu1=(5, 0, 0, 0, 0, 0, 0, 0))
    proc.process(me, 1)
    others = cpu.Others({me: [0, 1]}, proc.root)
    proc.cores(cpu0=later, cpu1=(500, 0, 0, 0, 0, 0, 0, 0))
    if later[0] > 10:
        assert others.cores_taken() > 0
        return
    with pytest.raises(Unreadable, match=r"busy seconds of core 0: fell from 0\.1 to 0\.0"):
        others.cores_taken()


def test_processes_whose_time_fell_leave_no_figure_of_others(proc):
    me = os.getpid()
    proc.cores(cpu0=(10, 0, 0, 0, 0, 0, 0, 0))
    proc.process(me, 1, user=10)
    others = cpu.Others({me: [0]}, proc.root)
    proc.cores(cpu0=(20, 0, 0, 0, 0, 0, 0, 0))
    proc.process(me, 1, user=3)
    with pytest.raises(Unreadable, match="our own processes"):
        others.cores_taken()


def test_a_throttle_counter_that_fell_is_told(monkeypatch):
    counts = iter([{0: 5, 1: 5}, {0: 5, 1: 2}])
    monkeypatch.setattr(cpu, "throttle_counts", lambda cores: next(counts))
    watch = HostWatch({os.getpid(): [0, 1]})
    watch.begin()
    found = watch.to_dict({})
    assert found["throttled_cores"] is None
    assert "core 1: fell from 5 to 2" in found["why"]["throttled_cores"]


def test_clocks_are_a_mean_over_a_few_cores(tmp_path):
    for core in range(16):
        folder = tmp_path / f"cpu{core}" / "cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_cur_freq").write_text(f"{1_000_000 + core * 100_000}\n")
    assert cpu.clock_mhz([3], tmp_path) == 1300
    assert cpu.clock_mhz([0, 1], tmp_path) == 1050
    assert cpu.clock_mhz(list(range(16)), tmp_path) == 1700  # every second one: 0, 2, ..., 14
    with pytest.raises(Unreadable, match="cpu16/cpufreq/scaling_cur_freq: no such file"):
        cpu.clock_mhz([16], tmp_path)


def test_throttling_is_counted_by_core_and_package(tmp_path):
    folder = tmp_path / "cpu2" / "thermal_throttle"
    folder.mkdir(parents=True)
    (folder / "core_throttle_count").write_text("3\n")
    (folder / "package_throttle_count").write_text("4\n")
    assert cpu.throttle_counts([2], tmp_path) == {2: 7}
    with pytest.raises(Unreadable, match="cpu0/thermal_throttle"):
        cpu.throttle_counts([0, 2], tmp_path)


MEASURED = """
import json, os, signal, sys, time
from saih.telemetry.watch import Telemetry

core, seconds, in_a_child = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "child"
os.sched_setaffinity(0, {core})
with Telemetry("cpu", {os.getpid(): {core}}, True) as telemetry:
    before = os.times()
    telemetry.begin()
    child = 0
    with telemetry.block("full"):
        end = time.monotonic() + seconds
        child = os.fork() if in_a_child else 0
        while (not in_a_child or not child) and (in_a_child or time.monotonic() < end):
            pass
        time.sleep(max(0.0, end - time.monotonic()))
    read = telemetry.end()
    if child:
        os.kill(child, signal.SIGKILL)
        os.wait()
    after = os.times()
had_s = sum(after[:4]) - sum(before[:4])
read["not_had"] = 1 - had_s / (after.elapsed - before.elapsed)
print(json.dumps(read, allow_nan=False))
"""
NEIGHBOUR = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nprint(flush=True)\nwhile True: pass"


def measured(how, core):
    """Telemetry of a process that always wants ``core``; "not_had": the share of time that it did not get."""
    words = [sys.executable, "-c", MEASURED, str(core), "2", how]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("how", ["itself", "child"])
def test_what_others_took_is_what_a_process_that_always_wants_the_core_did_not_get(how):
    """Other work on this machine is a neighbour, too: the reference is measured with it. A quiet one is not accused."""
    core = max(os.sched_getaffinity(0))
    read = measured(how, core)
    assert read["host_cpu"]["others_cores"] == pytest.approx(read["not_had"], abs=0.1)
    accused = suspect([read], {"block_s": {"full": []}})
    if read["not_had"] < 0.01:
        assert not accused
    elif read["not_had"] > 0.15:
        assert "of the ranks' 1 core busy" in accused[0]["words"]


def test_a_busy_neighbour_is_seen_and_named():
    core = max(os.sched_getaffinity(0))
    neighbour = subprocess.Popen([sys.executable, "-c", NEIGHBOUR, str(core)], stdout=subprocess.PIPE)
    try:
        neighbour.stdout.readline()
        read = measured("itself", core)
    finally:
        neighbour.kill()
        neighbour.communicate()
    assert read["host_cpu"]["others_cores"] > 0.2
    assert read["host_cpu"]["others_cores"] == pytest.approx(read["not_had"], abs=0.1)
    (reason,) = suspect([read], {"block_s": {"full": []}})
    assert reason["cause"] == "cores shared"
    assert reason["words"].startswith(f"{read['host']}: others kept 0.")
