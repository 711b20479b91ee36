"""The profiled pass of real sweeps: what it leaves in the records, and what becomes of points whose pass fails."""

import os

import pytest

from saih import records
from tests.conftest import ROOT, Cli, toy_config

pytestmark = pytest.mark.mpi


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The folder of a sweep of two points on two ranks, the smaller of which fails under the profiler; records by n."""
    saih = Cli(tmp_path_factory.mktemp("dense"))
    saih.env["PYTHONPATH"] += f"{os.pathsep}{ROOT}"  # toys import one another
    run, data = {"ranks": [2], "batch": 8}, {"fault": {"64": "raise"}}
    saih.write("dense.yaml", toy_config(name="dense", app="dense:APP", size={"n": [64, 256]}, run=run, data=data))
    saih("sweep", "dense.yaml")
    folder = saih.folder / "runs" / "dense"
    return folder, {record.point["size"]["n"]: record for record in records.read_all(folder / "points")}


@pytest.fixture
def record(swept):
    found = swept[1][256]
    assert found.status == "ok"
    return found


def test_a_record_tells_where_the_time_of_a_step_goes(record):
    found = record.samples["profile"]
    assert found["device"] == "cpu"
    assert found["busy_s"] > 0
    assert found["phases"]["forward"] > 0
    assert found["phases"]["backward"] > 0
    (layer,) = found["layers"]
    assert layer["forward_s"] > 0
    assert layer["backward_s"] > 0
    assert layer["alone_forward_s"] > 0
    assert (layer["forward_flop"], layer["flop"]) == (2 * 8 * 256**2, 4 * 8 * 256**2)
    assert found["why"].keys() == {"exposed_input_s", "bytes"}  # no region of input; communication's bytes


def test_summing_is_communication_and_nothing_hides_it(record):
    """The toy waits for each sum at once, so that all of it is exposed."""
    found = record.samples["profile"]
    assert found["comm_s"] > 0
    assert found["exposed_comm_s"] == pytest.approx(found["comm_s"], rel=0.01)
    (sums,) = (each for each in found["classes"] if each["class"] == "communication")
    assert sums["count"] == 1
    assert "communication" not in {each["class"] for each in found["outside"]}


def test_a_record_holds_the_ceilings_it_is_judged_by(record):
    ceilings = record.system["ceilings"]
    for name in ("flop_per_s", "memory_bytes_per_s", "launch_s", "allreduce_bytes_per_s"):
        assert ceilings[name] > 0
    for name in ("h2d_bytes_per_s", "round_trip_s", "graph_launch_s"):
        assert ceilings[name] is None
        assert ceilings["why"][name]


def test_a_point_whose_group_is_lost_in_the_pass_is_measured_without_it(swept):
    folder, found = swept
    record = found[64]
    assert record.status == "ok"
    assert record.value("samples_per_s") > 0
    why = record.samples["profile"]["why"]["profile"]
    assert why == "the profiled pass ended the worker group: RuntimeError: the toy will not be watched"
    log = (folder / "logs" / f"{record.id}.log").read_text()
    assert "the toy will not be watched" not in log  # it is the second group's
