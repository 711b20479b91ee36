"""The quickstart as it is shipped, interrupted half way: minutes, so only in `make test-long`."""

import shutil
import signal
import time

import pytest

from saih import records
from tests.conftest import ROOT

pytestmark = [pytest.mark.mpi, pytest.mark.long, pytest.mark.timeout(1500)]

POINTS = 32
"""Four edges, two widths and two numbers of ranks, each in two processes."""


def test_the_quickstart_killed_half_way_repeats_only_the_point_in_flight(saih):
    shutil.copy(ROOT / "configs" / "quickstart.yaml", saih.folder)
    points = saih.folder / "runs" / "quickstart" / "points"
    driver = saih.start("sweep", "quickstart.yaml")
    while not points.exists() or len(list(points.glob("*.json"))) < 5:
        assert driver.poll() is None
        time.sleep(0.2)
    time.sleep(2)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    before = {path.name: path.stat().st_mtime_ns for path in points.glob("*.json")}
    assert 5 <= len(before) < POINTS

    saih("sweep", "quickstart.yaml")
    after = {path.name: path.stat().st_mtime_ns for path in points.iterdir()}
    assert before.items() <= after.items()
    found = records.read_all(points)
    assert len(found) == POINTS
    assert {record.status for record in found} <= {"ok", "skipped"}
