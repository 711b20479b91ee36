"""Sweeps whose driver, ranks and launchers are killed at random: nothing is lost, doubled or left behind."""

import random
import signal
import time

import pytest

from saih import records
from tests.conftest import toy_config
from tests.mpi import marked

pytestmark = [pytest.mark.mpi, pytest.mark.timeout(900)]  # a busy machine takes minutes for what takes one otherwise

GONE_S = 15
"""How long what a killed driver started may live on."""
FEW, MANY = (8, 16, 18), (8, 10, 12, 16, 18)
"""Sizes of the toy, for a few kills and for many."""

LOST = ("failed", "timeout")
"""What becomes of a point that a kill has hit."""


def config(sizes, max_s):
    """Points that run, and of each rank count one (16) that computes nonsense and one (18) that is left out."""
    return toy_config(
        size={"n": list(sizes)},
        data={"faults": {"16": "wrong"}},
        sweep={"exclude": [{"n": 18}]},
        measure={"target_percent": 1e-3, "max_s": max_s},
        limits={"point_timeout_s": 300},  # a busy machine is no hang, which `silence_s` finds earlier
    )


def expected(sizes):
    """What becomes of the points without any kill."""
    return {(n, ranks): {16: "invalid", 18: "skipped"}.get(n, "ok") for n in sizes for ranks in (1, 2)}


def folder_of(saih):
    return saih.folder / "runs" / "toy" / "points"


def kept(saih):
    """The records, each of which must be whole, by point; with when each was written, unless it is decided anew."""
    found = records.read_all(folder_of(saih))
    written = {record.id: (folder_of(saih) / f"{record.id}.json").stat().st_mtime_ns for record in found}
    decided = {record.id: written[record.id] for record in found if record.status != "skipped"}
    by_point = {(record.point["size"]["n"], record.point["run"]["ranks"]): record.status for record in found}
    assert len(by_point) == len(found)
    return by_point, decided


def assert_all_measured(saih, sizes):
    """Every point is as it is without any kill."""
    errors = {record.id: record.error["message"] for record in records.read_all(folder_of(saih)) if record.error}
    assert kept(saih)[0] == expected(sizes), errors


def await_another(saih, driver, count):
    """Return once there are more than ``count`` decided records, or the driver has ended."""
    marked.wait(lambda: driver.poll() is not None or len(kept(saih)[1]) > count)


def await_points(saih, driver):
    """Return once the driver has a point measured, or has ended."""
    began_s = time.time()
    logs = folder_of(saih).parent / "logs"
    marked.wait(lambda: driver.poll() is not None or any(p.stat().st_mtime > began_s for p in logs.glob("n*.log")))


def nothing_but_records(saih):
    """Whether the folder of points holds nothing else than records and what was being written when a driver died."""
    return all(path.suffix in (".json", ".tmp") for path in folder_of(saih).glob("*"))


def outlived(mark, killed_s):
    """Whether processes of a killed driver are there longer after its end than they may be."""
    return time.monotonic() > killed_s + GONE_S and bool(marked.processes(mark))


@pytest.mark.parametrize(
    ("rounds", "sizes"),
    [
        pytest.param(2, FEW, id="2"),
        pytest.param(50, MANY, id="50", marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
)
def test_a_driver_killed_again_and_again_loses_and_doubles_nothing(saih, rounds, sizes):
    saih.write("toy.yaml", config(sizes, 0.3))
    chance = random.Random(rounds)
    killed_s = {}  # mark of a driver -> when it was killed
    before = {}
    for number in range(rounds):
        saih.env[marked.MARK] = mark = f"{saih.folder.name}-{number}"
        driver = saih.start("sweep", "toy.yaml")
        if number % 2:  # somewhere in a point, rather than in the set-up
            await_another(saih, driver, len(before))
            time.sleep(chance.uniform(0, 0.6))
        else:
            time.sleep(chance.uniform(0, 5))
        driver.kill()
        driver.communicate()
        killed_s[mark] = time.monotonic()
        _, after = kept(saih)
        assert before.items() <= after.items()
        before = after
        assert nothing_but_records(saih)
        assert not [each for each, at_s in killed_s.items() if outlived(each, at_s)]
    saih.env[marked.MARK] = f"{saih.folder.name}-last"
    saih("sweep", "toy.yaml", status=1)
    assert_all_measured(saih, sizes)
    _, after = kept(saih)
    assert before.items() <= after.items()
    marks = (*killed_s, saih.env[marked.MARK])
    marked.wait(lambda: not any(map(marked.processes, marks)), max(0.1, killed_s[mark] + GONE_S - time.monotonic()))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_ranks_and_launchers_killed_again_and_again_cost_a_point_each_at_most(saih):
    """One kill of each kind is in test_rank_faults.py and test_emulate_mpi.py."""
    kills = 50
    saih.write("toy.yaml", config(MANY, 0.6))
    saih.env[marked.MARK] = mark = saih.folder.name
    chance = random.Random(kills)
    before, fell = set(), 0
    while kills > 0:
        again = ["--retry", ",".join(LOST) if before else "ok"] if folder_of(saih).exists() else []
        driver = saih.start("sweep", "toy.yaml", *again)
        if chance.random() < 0.8:  # else the set-up may be hit
            await_points(saih, driver)
        hits = kill_others(driver, mark, chance, kills)
        _, err = driver.communicate(timeout=600)
        assert driver.returncode in (1, 2)  # 2: killed in the set-up, without which there is no sweep
        assert err.count("\n") == (driver.returncode == 2)
        failed = {point for point, status in kept(saih)[0].items() if status in LOST}
        assert len(failed - before) <= hits
        fell += len(failed - before) + (driver.returncode == 2)
        before, kills = failed, kills - hits
    assert fell
    saih("sweep", "toy.yaml", "--retry", ",".join(LOST), status=1)
    assert_all_measured(saih, MANY)
    assert nothing_but_records(saih)
    marked.wait(lambda: not marked.processes(mark), GONE_S)


def kill_others(driver, mark, chance, most):
    """Kill ranks, launchers and their daemons at random while the driver runs, ``most`` in all; how many it were."""
    hits = 0
    while driver.poll() is None and hits < most:
        time.sleep(chance.uniform(0, 2.5))
        others = sorted(set(marked.processes(mark)) - {driver.pid})
        hits += bool(others) and marked.kill(chance.choice(others), signal.SIGKILL)
    return hits
