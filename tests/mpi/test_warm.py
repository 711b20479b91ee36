"""A worker group that has served other points measures what a fresh one does."""

import os
import statistics

import pytest

from saih import launch
from saih.app import Execution, Point
from saih.config.schema import Launch
from saih.groups.pool import Groups
from saih.groups.worker_group import Patience
from saih.statistics import intervals
from tests.conftest import TOYS

pytestmark = [pytest.mark.mpi, pytest.mark.long]

PAIRS = 6


def point_of(n):
    return Point("toy:APP", {"n": n, "power": 1}, Execution(2, 1, "fp32", "plain", "dataset"), {}, 0)


@pytest.fixture
def groups(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(TOYS), os.environ.get("PYTHONPATH")))))
    settings = Launch(device="cpu")
    with Groups(settings, launch.find(settings), tmp_path, lambda *_: None, cores_per_rank=1) as groups:
        yield groups


def step_s(groups, n, target_percent=1.0):
    request = {"do": "measure", "point": point_of(n).to_dict(), "target_percent": target_percent, "max_s": 0.5}
    request |= {"memory_gib": None, "paths": []}
    samples = groups.ask(request, 2, f"n{n}", Patience(120), 0)["samples"]
    return statistics.median(max(ranks) / samples["block_steps"] for ranks in samples["block_s"]["full"])


def test_warm_equals_cold_within_the_interval(groups):
    """Warm and cold in turn; the interval of their ratio, over fresh groups, holds 1 give or take 5 %."""
    ratios = []
    for _ in range(PAIRS):
        groups.end()
        cold_s = step_s(groups, 256)
        step_s(groups, 384, 50.0)  # something larger comes between
        assert groups.served(2, 0, 1) == 2
        ratios.append(step_s(groups, 256) / cold_s)
    found = intervals.independent_median_interval(ratios)
    assert found.confidence > 0.95
    assert found.low <= 1.05
    assert found.high >= 0.95
