"""A sweep that soaks its points: what the records and the report tell of it."""

import json

import pytest

from saih import records
from tests.conftest import toy_config

pytestmark = pytest.mark.mpi

MEASURE = {"target_percent": 50, "max_s": 0.3, "soak_s": 1.5}


def test_a_point_is_soaked_and_watched_before_it_counts(saih):
    saih.reports = True
    config = toy_config(size={"n": [16]}, run={"ranks": [2]}, measure=MEASURE)
    saih.write("toy.yaml", config)
    saih("sweep", "toy.yaml")
    (record,) = records.read_all(saih.folder / "runs" / "toy" / "points")
    assert record.status == "ok"
    soak = record.samples["soak"]
    assert soak["seconds"] >= soak["asked_s"] == 1.5
    assert record.provenance["wall_s"] > soak["seconds"]
    assert soak["steps"] >= soak["block_steps"] * len(soak["step_s"])
    watched, counted = soak["telemetry"], record.samples["telemetry"]
    assert [rank["seconds"].keys() for rank in watched] == [{"window"}] * 2
    assert watched[0]["seconds"]["window"] >= 1.5
    assert watched[0]["sampling"]["samples"] >= 3
    assert "soak" not in counted[0]["seconds"]
    assert [len(block) for block in record.samples["handed_out_s"]] == [2] * len(record.samples["block_s"]["full"])
    assert "Then full steps ran for" in (saih.folder / "runs" / "toy" / "report.html").read_text()

    saih.write("toy.yaml", config | {"measure": MEASURE | {"soak_s": 2}})
    assert "was measured with measure.soak_s = 1.5" in saih("sweep", "toy.yaml", status=2).stderr
    (row,) = json.loads(saih("plan", "toy.yaml", "--json").stdout)["points"]
    assert row["time_basis"] == {"cpu": "from 1 measured point"}
    assert 2 < row["time_low_s"]["cpu"] < row["time_s"]["cpu"] < row["time_high_s"]["cpu"]
