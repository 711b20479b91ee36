"""A sweep while the time of day jumps by hours and years: what is measured, kept and told does not notice."""

import datetime
import os
import re
import time

import pytest

from saih import records
from tests.conftest import TOYS, toy_config

pytestmark = [pytest.mark.mpi, pytest.mark.long, pytest.mark.timeout(600)]

HOUR_S = 3600


@pytest.fixture
def jumping(saih):
    saih.env["PYTHONPATH"] = os.pathsep.join([str(TOYS / "jumping_clock"), saih.env["PYTHONPATH"]])
    return saih


def read(saih):
    return {record.id: record for record in records.read_all(saih.folder / "runs" / "toy" / "points")}


def off_s(record, began, ended):
    """How far outside the time it was really made in a record says that it began."""
    told = datetime.datetime.fromisoformat(record.provenance["started"]).timestamp()
    return max(began - told, told - ended)


def test_durations_progress_lock_and_resume_do_not_follow_the_time_of_day(jumping):
    briefly = {"target_percent": 50, "max_s": 0.4}
    jumping.write("toy.yaml", toy_config(size={"n": [8, 10, 12, 14]}, run={"ranks": 1}, measure=briefly))
    began, clock = time.time(), time.monotonic()
    driver = jumping.start("sweep", "toy.yaml")
    while not read(jumping):
        assert driver.poll() is None
        time.sleep(0.05)
    assert "a sweep is at work here" in jumping("sweep", "toy.yaml", status=2).stderr
    driver.kill()
    driver.communicate()
    before = read(jumping)
    assert 0 < len(before) < 4

    done = jumping("sweep", "toy.yaml")
    took_s = time.monotonic() - clock
    after = read(jumping)
    assert before.items() <= after.items()
    assert [record.status for record in after.values()] == ["ok"] * 4
    assert max(off_s(record, began, time.time()) for record in after.values()) > HOUR_S  # it did jump
    for record in after.values():
        blocks = [seconds for variant in record.samples["block_s"].values() for block in variant for seconds in block]
        assert all(0 < seconds < took_s for seconds in blocks)
        assert 0 < record.provenance["wall_s"] < took_s
    assert sum(record.provenance["wall_s"] for record in after.values()) < took_s
    told = re.findall(r"\(.* left\)", done.stdout)
    assert len(told) == 4 - len(before) - 1  # the last one leaves nothing
    assert all(re.fullmatch(r"\((\d min )?\d+ s; about (\d min )?\d+ s left\)", each) for each in told)
    assert "4 of 4 points (4 ok)" in jumping("status", "runs/toy").stdout
