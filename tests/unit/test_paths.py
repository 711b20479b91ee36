"""Homes and variables in a configuration's paths."""

from pathlib import Path

import pytest

from saih import launch
from saih.config.schema import Launch
from saih.errors import InputError
from saih.paths import expanded

pytestmark = pytest.mark.slow

SWEEP = {"schema": 1, "name": "x", "app": "cosmoflow", "size": {"edge": [8]}, "run": {"batch": [1]},
         "measure": {"target_percent": 50, "max_s": 0.2, "profile": False}, "launch": {"device": "cpu"}}  # fmt: skip
RECIPE = {"universes": 2, "edge": 8, "box_mpc_h": 64, "redshifts": [0, 1, 2, 3], "steps": 0}


@pytest.fixture(autouse=True)
def variables(monkeypatch):
    monkeypatch.setenv("SCRATCH", "/scratch/a b")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("ODD", "~/$SCRATCH")


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("$SCRATCH/x", "/scratch/a b/x"),
        ("${SCRATCH}x/$SCRATCH", "/scratch/a bx//scratch/a b"),
        ("~/x", "/home/me/x"),
        ("~", "/home/me"),
        ("~root/x", f"{Path('~root').expanduser()}/x"),
        ("~/$SCRATCH", "/home/me//scratch/a b"),
        ("a/~/b", "a/~/b"),
        ("./~", "~"),
        ("plain", "plain"),
        ("$ODD", "~/$SCRATCH"),
    ],
)
def test_homes_and_variables_are_what_a_shell_makes_of_them(given, path):
    assert expanded("data.folder", given) == Path(path)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("$NOT_SET_HERE/x", "a variable in it is not set on .*: NOT_SET_HERE"),
        ("${NOT_SET_HERE}/x", ": NOT_SET_HERE"),
        ("$EMPTY/x", ": EMPTY"),
        ("${}/x", r"\$\{\}"),
        ("${A:-b}", ": A:-b"),
        ("$(touch x)", r"only \$NAME and \$\{NAME\} are expanded"),
        ("a$", r"only \$NAME"),
        ("~nobody_of_this_name/x", "there is no such home"),
    ],
)
def test_what_cannot_be_expanded_is_refused_in_one_line(given, says):
    with pytest.raises(InputError, match=f"^data.folder = .*{says}") as raised:
        expanded("data.folder", given)
    assert "\n" not in str(raised.value)


def sweep(saih, **data):
    saih.write("x.yaml", {**SWEEP, "data": data})
    return saih


@pytest.mark.parametrize("verb", ["plan", "sweep"])
@pytest.mark.parametrize(
    "data", [{"recipe": RECIPE, "folder": "$NOT_SET_HERE/x"}, {"path": "${NOT_SET_HERE}/x-{edge}"}]
)
def test_an_unset_variable_is_refused_before_anything_is_made(saih, verb, data):
    saih.measure_ceilings = True  # so that the run's folder is not there yet
    done = sweep(saih, **data)(verb, "x.yaml", status=2)
    assert "a variable in it is not set on" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in saih.folder.iterdir()] == ["x.yaml"]


@pytest.mark.mpi
@pytest.mark.parametrize("folder", ["$SCRATCH/x", pytest.param("~/x", marks=pytest.mark.long)])
def test_a_recipes_set_is_made_where_the_variable_points(saih, folder):
    place = saih.folder / "place"
    place.mkdir()
    saih.env |= {"SCRATCH": str(place), "HOME": str(place)}
    sweep(saih, recipe=RECIPE, folder=folder)("sweep", "x.yaml")
    assert [path.name.partition("-edge")[0] for path in (place / "x").iterdir()] == ["universes"]
    assert {path.name for path in saih.folder.iterdir()} == {"x.yaml", "runs", "place"}
    dry = saih("augment", "data", "simulate", "--config", "x.yaml", "--dry-run").stdout
    assert str(place / "x") in dry


def test_a_launcher_is_looked_for_where_the_variable_points(monkeypatch, tmp_path):
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    (tmp_path / "mpiexec").write_text("#!/bin/sh\necho HYDRA\n")
    (tmp_path / "mpiexec").chmod(0o755)
    assert launch.find(Launch(mpiexec="$SCRATCH/mpiexec")).program == str(tmp_path / "mpiexec")
    monkeypatch.chdir(tmp_path)
    assert launch.find(Launch(mpiexec="./mpiexec")).program == "./mpiexec"
    with pytest.raises(InputError, match=r"launch\.mpiexec = \$NOT_SET_HERE/mpiexec: a variable"):
        launch.find(Launch(mpiexec="$NOT_SET_HERE/mpiexec"))
