"""What an application leaves behind is found between points, ended and told, and does not colour the next point."""

import os

import pytest

from saih import launch, records
from saih.app import Execution, Point
from saih.config.schema import Launch
from saih.errors import GroupError
from saih.groups.pool import Groups
from saih.groups.worker_group import Patience
from tests.conftest import TOYS, toy_config
from tests.mpi import marked
from tests.toys.misdeeds import MISDEEDS, SPIN

pytestmark = pytest.mark.mpi


@pytest.fixture
def groups(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(TOYS), os.environ.get("PYTHONPATH")))))
    monkeypatch.setenv(marked.MARK, tmp_path.name)
    (tmp_path / "begun").mkdir()
    monkeypatch.setenv("MISDEEDS_BEGUN", str(tmp_path / "begun"))
    settings = Launch(device="cpu")
    with Groups(settings, launch.find(settings), tmp_path, lambda *_: None, cores_per_rank=1) as groups:
        groups.told, groups.mark, groups.begun = [], tmp_path.name, tmp_path / "begun"
        groups.say = groups.told.append
        yield groups


def measure(groups, misdeed, ranks, timeout_s=60):
    size = {"misdeed": MISDEEDS.index(misdeed)}
    point = Point("misdeeds:APP", size, Execution(ranks, 1, "fp32", "plain", "dataset")).to_dict()
    request = {"do": "measure", "point": point, "target_percent": 100, "max_s": 0.1, "memory_gib": None, "paths": []}
    return groups.ask(request | {"no_profile": "not asked for"}, ranks, misdeed, Patience(timeout_s), 0)


def spinning(groups):
    return [pid for pid, command in marked.processes(groups.mark).items() if SPIN in command]


def test_the_next_point_meets_nothing_of_the_one_before(groups):
    left = measure(groups, "leaves", 2)
    assert left["doubt"] is None
    assert left["fresh"]
    assert [line for line in groups.told if not line.startswith("starting ")] == left["remarks"]
    words = "\n".join(left["remarks"])
    assert "rank 0 left standard input replaced, which was put back" in words
    assert "rank 0 left standard output closed, which was put back" in words
    assert "rank 0 left standard error replaced, which was put back" in words
    assert "rank 0 left 2 threads running: sleeper, spinner" in words
    assert "rank 0 left 2 processes running, ended now: python" in words
    assert "the environment variable LEFT (not set before, '1' now)" in words
    assert "the working folder" in words
    assert "the handler of SIGUSR2" in words
    assert "rank 1" not in words
    assert spinning(groups) == []
    assert groups.served(2, 0, 1) == 0
    anew = measure(groups, "none", 2)
    assert (anew["remarks"], anew["fresh"], groups.served(2, 0, 1)) == ([], False, 1)
    with pytest.raises(GroupError, match="no answer within 4 s"):
        measure(groups, "hangs", 2, timeout_s=4)
    assert sorted(path.name for path in groups.begun.iterdir()) == ["0", "1"]
    assert spinning(groups) == []  # although each had a session of its own, and no parent of ours


def test_records_tell_what_was_given_wrongly_or_in_vain(saih):
    size = {"misdeed": [MISDEEDS.index("nan"), MISDEEDS.index("undeclared"), MISDEEDS.index("prints")]}
    briefly = {"target_percent": 100, "max_s": 0.2, "profile": False}
    saih.write(
        "toy.yaml",
        toy_config(app="misdeeds:APP", size=size, run={"ranks": 1}, measure=briefly, limits={"silence_s": 4}),
    )
    done = saih("sweep", "toy.yaml", status=1)
    found = records.read_all(saih.folder / "runs" / "toy" / "points")
    nan, undeclared, prints = sorted(found, key=lambda record: record.point["size"]["misdeed"])
    assert (nan.status, nan.error["kind"]) == ("invalid", "invalid")
    assert nan.error["message"] == "app = misdeeds:APP: by step 1 it gave values['loss'] = nan: must be finite"
    assert nan.metrics["loss"]["value"] is None
    assert nan.metrics["samples_per_s"]["value"] is None
    assert nan.samples["block_s"]["full"]
    assert undeclared.status == "ok"
    remark = "the application gave values that its metrics do not declare: los"
    assert undeclared.provenance["remarks"] == [remark]
    assert undeclared.metrics["loss"]["value"] is None
    assert remark in done.stdout
    assert prints.status == "ok"
    log = saih.folder / "runs" / "toy" / "logs" / f"{prints.id}.log"
    assert log.stat().st_size < 2.1 * 2**20  # of 80 MB
    assert "bytes left out" in log.read_text()
