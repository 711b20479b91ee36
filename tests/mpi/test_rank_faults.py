"""Ranks that work together, and one of them fails: it dies in a collective operation, is stopped, or is slow."""

import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from saih import processes, records
from tests.conftest import ROOT, TOYS, toy_config
from tests.mpi import marked

pytestmark = [pytest.mark.mpi, pytest.mark.timeout(600)]


@pytest.fixture
def together(saih):
    """A sweep of ranks that sum a vector at every step; its processes are marked."""
    saih.env["PYTHONPATH"] = os.pathsep.join([str(TOYS), str(ROOT)])
    saih.env[marked.MARK] = saih.folder.name
    saih.begun = saih.folder / "begun"
    saih.begun.mkdir()
    saih.env["TOY_BEGUN"] = str(saih.begun)
    return saih


def write(saih, slow, **changes):
    base = {"app": "collective:APP", "size": {"n": 200}, "run": {"ranks": 2}, "data": {"slow": slow}}
    saih.write("toy.yaml", toy_config(**(base | changes)))


def read(saih):
    return records.read_all(saih.folder / "runs" / "toy" / "points")


def ranks_at_work(saih, begun):
    """The ranks' pids while they run the steps of a point that is not among those that had begun."""
    marked.wait(lambda: {path.name for path in saih.begun.iterdir()} - begun)
    time.sleep(1)
    return marked.ranks(saih.folder.name)


def kill_before_the_launcher_sees_it(pid):
    """Kill a rank, and let its launcher run on only once another rank has failed for want of it."""
    daemon = processes.look(pid).parent
    os.kill(daemon, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    time.sleep(2)  # what the other rank says would come through the daemon
    os.kill(daemon, signal.SIGCONT)


def stop(pid):
    os.kill(pid, signal.SIGSTOP)


def test_one_that_dies_in_a_collective_and_one_that_is_stopped_cost_their_points_only(together):
    """Rank 1 waits in the sum for rank 0 nearly always, so that it is there when the signal comes."""
    sizes, saih = [200, 202, 204], together
    write(saih, {"0": 20}, size={"n": sizes}, measure={"target_percent": 1e-9, "max_s": 3}, limits={"silence_s": 3})
    driver = saih.start("sweep", "toy.yaml")
    begun, ended = [], []
    for fault in (kill_before_the_launcher_sees_it, stop):
        ranks = ranks_at_work(saih, set(begun))
        begun += {path.name for path in saih.begun.iterdir()} - set(begun)
        fault(ranks[1])
        ended += [ranks[0], ranks[1]]
    _, err = driver.communicate(timeout=400)
    assert (driver.returncode, err) == (1, "")
    found = {str(record.point["size"]["n"]): record for record in read(saih)}
    killed, stopped = (found.pop(n) for n in begun)
    assert [record.status for record in found.values()] == ["ok"]
    assert killed.status == "failed"
    assert killed.error["message"] == (
        f"rank 1 (process {ended[1]} on {socket.gethostname()}) was killed by signal 9 (Killed); "
        "not for want of host memory"
    )
    assert killed.error["rank"] == 1
    assert stopped.status == "timeout"
    assert re.match(
        "no sign of life|nothing was computed|a rank was stopped", stopped.error["message"]
    )  # in its blocks, or before
    assert "rank 1 is stopped" in stopped.error["message"]
    assert "rank 0" in stopped.error["message"]
    assert stopped.provenance["wall_s"] < 300  # of the 600 that point_timeout_s allows
    assert not {f"/proc/{pid}" for pid in ended if Path(f"/proc/{pid}").exists()}
    assert not marked.processes(saih.folder.name)


def test_one_that_is_stopped_before_its_steps_is_seen_although_the_others_ask_for_it_without_a_pause(together):
    limits = {"silence_s": 2, "point_timeout_s": 60}
    write(together, {}, data={"stops": 1}, limits=limits)
    together("sweep", "toy.yaml", status=1)
    (record,) = read(together)
    assert record.status == "timeout"
    assert record.error["message"] == (
        "a rank was stopped for 2 s while building (rank 1 is stopped; rank 0 runs); the worker group was killed"
    )
    assert not marked.processes(together.folder.name)


def test_a_sweep_that_was_suspended_itself_goes_on(together):
    """As a job is that Slurm suspends: for longer than the ranks' silence would be allowed to last."""
    write(together, {}, measure={"target_percent": 1e-9, "max_s": 4}, limits={"silence_s": 2, "point_timeout_s": 60})
    driver = together.start("sweep", "toy.yaml")
    suspended = [driver.pid, *ranks_at_work(together, set()).values()]
    for pid in suspended:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(15)
    for pid in suspended:
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.2)
    _, err = driver.communicate(timeout=120)
    assert (driver.returncode, err) == (0, "")
    (record,) = read(together)
    assert record.status == "ok"


@pytest.mark.long  # tests/planted has stragglers, too
def test_one_that_is_slow_is_seen_in_the_record_although_the_others_wait_for_it(together):
    write(together, {"1": 8}, size={"n": 400}, measure={"target_percent": 5, "max_s": 3})
    together("sweep", "toy.yaml")
    (record,) = read(together)
    assert record.status == "ok"
    assert record.value("rank_imbalance_percent") > 15  # each alone on its core, it would be 8 / 4.5 - 1 = 78 %
