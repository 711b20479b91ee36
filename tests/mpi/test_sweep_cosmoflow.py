"""CosmoFlow swept for real on tiny cubes: universes are made, read from HDF5 and trained on, by one rank and by two."""

import shutil

import pytest

from saih import records
from tests.conftest import Cli

pytestmark = pytest.mark.mpi

CONFIG = {
    "schema": 1,
    "name": "tiny",
    "app": "cosmoflow",
    "data": {"recipe": {"universes": 12, "edge": 16}},
    "size": {"edge": [8, 16], "width": 0.125},
    "run": {"ranks": [1, 2], "batch": 2},
    "sweep": {"kind": "zip"},
    "measure": {"target_percent": 50, "max_s": 0.5},
    "limits": {"point_timeout_s": 100},
    "launch": {"device": "cpu"},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    cli = Cli(tmp_path_factory.mktemp("tiny"))
    cli.write("tiny.yaml", CONFIG)
    cli("sweep", "tiny.yaml")
    return cli


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True)
    return Cli(tmp_path)


def test_every_point_trains_on_the_data_set_and_is_believed(finished):
    found = records.read_all(finished.folder / "runs" / "tiny" / "points")
    assert [r.status for r in found] == ["ok"] * 2
    for record in found:
        assert record.provenance["remarks"] == []
        edge, ranks = record.point["size"]["edge"], record.point["run"]["ranks"]
        steps = sum(len(each) for each in record.samples["read_bytes"]) * record.samples["block_steps"] / ranks
        assert sum(map(sum, record.samples["read_bytes"])) == steps * ranks * 2 * edge**3 * 4 * 2
        assert record.value("read_bytes_per_s") > 0
        assert record.metrics["exposed_input_s"]["value"] is not None
        assert (record.value("exposed_comm_s") == 0) == (ranks == 1)
        facts = record.provenance["data"][str(edge)]
        assert (facts["universes"], facts["verified"]) == (12, "every sample")


@pytest.mark.long
def test_one_group_serves_plain_and_compiled_points_alike(copy):
    """What torch keeps for later, its compile workers above all, is nothing that an application left."""
    run = {"batch": 2, "ranks": 2, "execution": ["plain", "compiled"]}
    limits = {"point_timeout_s": 300}
    copy.write("tiny.yaml", CONFIG | {"name": "both", "sweep": {"kind": "matrix"}, "run": run, "limits": limits})
    copy("sweep", "tiny.yaml")
    found = records.read_all(copy.folder / "runs" / "both" / "points")
    assert [record.provenance["remarks"] for record in found] == [[]] * 4
    served = sorted(record.provenance["served_before"] for record in found)
    assert served == list(range(served[0], served[0] + 4))


def test_the_made_sets_are_used_again(copy):
    before = {path: path.stat().st_mtime_ns for path in (copy.folder / "data").glob("*/*")}
    assert len(before) == 2 * (12 + 2)
    copy.write("tiny.yaml", CONFIG | {"name": "again", "size": {"edge": 8, "width": 0.25}, "run": {"batch": 2}})
    copy("sweep", "tiny.yaml")
    assert before == {path: path.stat().st_mtime_ns for path in (copy.folder / "data").glob("*/*")}


def test_a_damaged_file_is_one_line_that_names_it_and_stays_as_it_is(copy):
    path = next((copy.folder / "data").glob("*edge16*")) / "universe-00003.h5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    copy.write("tiny.yaml", CONFIG | {"name": "damaged"})
    err = copy("sweep", "tiny.yaml", status=2).stderr
    assert path.name in err
    assert "sample" in err
    assert err.count("\n") == 1
    assert path.read_bytes() == content
    assert not list((copy.folder / "runs" / "damaged").rglob("*.json"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data": {"path": "none"}}, "none: no such data set"),
        ({"data": {"path": "tiny.yaml"}}, "tiny.yaml: is a file; a data set is a folder"),
        ({"data": {"recipe": {"universes": 1, "edge": 16}}}, "data.recipe.universes = 1: must be an integer"),
        ({"data": {"recipe": {"universe": 8, "edge": 16}}}, "data.recipe: unknown key 'universe'"),
        ({"size": {"edge": 100}}, "size.edge = 100: must be a multiple of 16"),
        ({"size": {"edge": 16, "width": 0.3}}, "size.width = 0.3"),
        ({"run": {"execution": "tuned"}}, "run.execution = tuned: must be one of plain, compiled"),
    ],
)
def test_bad_input_is_one_line(saih, changes, says):
    saih.write("tiny.yaml", CONFIG | changes)
    err = saih("sweep", "tiny.yaml", status=2).stderr
    assert says in err
    assert err.count("\n") == 1
    assert not list(saih.folder.rglob("*.json"))
