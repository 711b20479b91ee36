"""The toy of planted bottlenecks can be swept with each plant, and does what its dials say."""

import json

import pytest

from tests.conftest import ROOT, Cli
from tests.unit.test_cosmoflow_training import PHASES

pytestmark = [
    pytest.mark.mpi,
    pytest.mark.long,
    pytest.mark.planted,
]  # alone: their times are fractions of a millisecond

SMALL = {"n": 64, "products": 2, "array_mb": 1}
POINTS = (
    {"passes": 6, "calls": 100},
    {"reads_mb": 2},
    {"inflate_mb": 3},
    {"sums_mb": 4, "late": 50, "hoard_mb": 300},
)
PLANTS = {plant: value for planted in POINTS for plant, value in planted.items()}
CONFIG = {
    "schema": 1,
    "name": "planted",
    "app": "tests.toys.planted:APP",
    "data": {"folder": "made", "pairs": 1},
    "size": SMALL | {plant: [0, value] for plant, value in PLANTS.items()},
    "run": {"ranks": 2, "batch": 2},
    "sweep": {"only": [dict.fromkeys(PLANTS, 0) | planted for planted in POINTS]},
    "measure": {"target_percent": 50, "max_s": 0.3},
    "limits": {"point_timeout_s": 60},
    "launch": {"device": "cpu"},
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """First plant of a point -> its record."""
    saih = Cli(tmp_path_factory.mktemp("planted"))
    saih.env["PYTHONPATH"] = str(ROOT)
    saih.write("planted.yaml", CONFIG)
    saih("sweep", "planted.yaml")
    records = [json.loads(path.read_text()) for path in (saih.folder / "runs" / "planted" / "points").glob("*.json")]
    return {next(plant for plant in PLANTS if record["point"]["size"][plant]): record for record in records}


def test_points_with_plants_are_measured(swept):
    assert set(swept) == {"passes", "reads_mb", "inflate_mb", "sums_mb"}
    for record in swept.values():
        assert record["status"] == "ok", record["error"]
        assert "without_communication" in record["samples"]["block_s"]


def test_layers_are_profiled(swept):
    layers = swept["passes"]["samples"]["profile"]["layers"]
    assert [layer["name"] for layer in layers] == ["product 1", "product 2", *(f"pass {i}" for i in range(1, 7))]
    assert all(layer["forward_s"] > 0 for layer in layers)
    assert all(layer["backward_s"] > 0 for layer in layers[:2])


def test_input_is_told_by_its_phases(swept):
    for plant, record in swept.items():
        phases, blocks = record["samples"]["phases_s"], record["samples"]["block_s"]
        assert set(phases) == PHASES
        for variant in ("without_input", "without_input_wait"):
            assert (variant in blocks) == (plant in ("reads_mb", "inflate_mb"))
        for phase, cause in (("read_s", "reads_mb"), ("decode_s", "inflate_mb")):
            most_s = max(max(ranks) for ranks in phases[phase]) / record["samples"]["block_steps"]
            assert (most_s > 2e-4) == (plant == cause), (plant, phase)
        read = record["samples"]["read_bytes"][0][0] / record["samples"]["block_steps"]
        assert read == (2e6 if plant == "reads_mb" else 0)


def test_a_hoard_is_held(swept):
    held, bare = (swept[plant]["metrics"]["peak_mem_bytes"]["value"] for plant in ("sums_mb", "passes"))
    assert held >= 300e6 > bare


def test_a_late_rank_is_longer_at_work(swept):
    blocks = swept["sums_mb"]["samples"]["block_s"]["without_communication"]
    first, second = (sum(ranks[rank] for ranks in blocks) for rank in (0, 1))
    assert second > 2 * first
