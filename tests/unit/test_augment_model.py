"""`saih augment model`: tables at each size, checkpoints that grow, and what is refused in a line."""

import contextlib
import os

import pytest
import torch

from apps.cosmoflow import APP
from apps.cosmoflow.network.architecture import describe
from apps.cosmoflow.network.module import make, volumes_of
from augment.errors import DataError
from augment.model import checkpoint
from augment.model.cost import parameters
from saih.app import Point
from saih.cli.augment_model import RUN

pytestmark = pytest.mark.slow

SMALL = {"edge": 16, "width": 0.125, "depth": 1}


def run(capsys, *words):
    from saih.cli.main import main

    status = main(["augment", "model", *map(str, words)])
    return status, *capsys.readouterr()


@pytest.fixture
def trained(tmp_path):
    """A checkpoint of a network whose weights are nobody's initial ones."""
    net, random = make(describe(16, 0.125), seed=5), torch.Generator().manual_seed(6)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=random))
    checkpoint.write(tmp_path / "small.pt", checkpoint.Checkpoint("cosmoflow", SMALL, net.state_dict()))
    return tmp_path / "small.pt", net


def test_shows_every_size(capsys):
    status, out, _ = run(capsys, "cosmoflow", "edge=16,32", "width=0.5,1", "--batch", 4)
    assert status == 0
    blocks = out.split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == [
        f"edge={edge} width={width} depth=1, batch 4, fp32" for edge in (16, 32) for width in ("0.5", "1")
    ]
    assert f"{parameters(describe(32, 0.5)):,} parameters" in blocks[2]
    assert "4 x 32^3   16 x 32^3" in blocks[2]


def test_a_grown_checkpoint_is_the_same_function(capsys, trained, tmp_path):
    path, net = trained
    status, out, _ = run(
        capsys, "cosmoflow", "width=0.25", "depth=2", "--checkpoint", path, "--out", tmp_path / "large"
    )
    assert status == 0
    assert "edge=16 width=0.25 depth=2, the same function as edge=16 width=0.125 depth=1" in out
    found = checkpoint.read(tmp_path / "large")
    assert found.size == {"edge": 16, "width": 0.25, "depth": 2}
    larger = make(describe(16, 0.25, 2), seed=1)
    larger.load_state_dict(found.model)
    counts = torch.randint(0, 9, (2, 16, 16, 16, 4), dtype=torch.int16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = net.eval()(volumes_of(counts))
        off = larger.eval()(volumes_of(counts)) - expected
    assert off.abs().max() <= 1e-5 * expected.abs().max()


def test_checkpoints_are_loaded_safely(capsys, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    torch.save({"app": "cosmoflow", "size": SMALL, "model": Bomb()}, tmp_path / "bomb")
    status, _, err = run(capsys, "cosmoflow", "width=1", "--checkpoint", tmp_path / "bomb", "--out", tmp_path / "x")
    assert status == 2
    assert "not a checkpoint that can be loaded safely" in err
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["cosmoflow", "edge=33"], "size.edge = 33: must be a multiple of 8"),
        (["cosmoflow"], "edge: is required"),
        (["cosmoflow", "edge"], "edge: must be DIAL=VALUE"),
        (["cosmoflow", "edge=16", "edge=32"], "each dial once"),
        (["cosmoflow", "edge=16", "hight=2"], "hight: no dial of cosmoflow; allowed: edge, width, depth"),
        (["cosmoflow", "edge=[16"], "edge = [16: is not a value"),
        (["cosmoflow", "edge=16", "--batch", "0"], "--batch 0: must be at least 1"),
        (["cosmoflow", "edge=16", "--out", "x"], "--checkpoint and --out: both or none"),
        (["tests.toys.toy:APP", "n=8"], "has no network(point)"),
        (["cosmoflow", "width=1", "--checkpoint", "{folder}/none", "--out", "x"], "none: cannot be read"),
        (["cosmoflow", "width=1", "--checkpoint", "{folder}", "--out", "x"], "cannot be read"),
        (["cosmoflow", "width=0.0625", "--checkpoint", "{small}", "--out", "x"], "cannot shrink"),
        (["cosmoflow", "edge=32", "--checkpoint", "{small}", "--out", "x"], "another plan"),
        (["cosmoflow", "width=1,2", "--checkpoint", "{small}", "--out", "x"], "grows to one size"),
        (["cosmoflow", "width=1", "--checkpoint", "{other}", "--out", "x"], "is of the application other"),
        (["cosmoflow", "width=1", "--checkpoint", "{wrong}", "--out", "x"], "neither a weight nor a bias"),
        (["cosmoflow", "width=1", "--checkpoint", "{sizeless}", "--out", "x"], "depth"),
        (["cosmoflow", "width=1", "--checkpoint", "{small}", "--out", "{folder}/no/x"], "cannot be written"),
    ],
)
def test_what_cannot_be_is_one_line(capsys, trained, tmp_path, words, expected):
    path, net = trained
    state = net.state_dict()
    checkpoint.write(tmp_path / "other", checkpoint.Checkpoint("other", SMALL, state))
    checkpoint.write(tmp_path / "wrong", checkpoint.Checkpoint("cosmoflow", SMALL, {"running_mean": torch.zeros(3)}))
    checkpoint.write(tmp_path / "sizeless", checkpoint.Checkpoint("cosmoflow", {"edge": 16, "depth": "x"}, state))
    places = {name: tmp_path / name for name in ("other", "wrong", "sizeless")} | {"small": path, "folder": tmp_path}
    status, out, err = run(capsys, *(word.format(**places) for word in words))
    assert (status, out) == (2, "")
    assert expected in err
    assert err.count("\n") == 1


def test_the_application_offers_what_growing_needs():
    module = APP.module(_point())
    assert sum(p.numel() for p in module.parameters()) == parameters(APP.network(_point()))


def _point(size=SMALL, app="cosmoflow"):
    return Point(app, size, RUN)


def test_another_applications_network_is_shown_and_grown(capsys, tmp_path):
    from tests.toys.perceptron import APP as PERCEPTRON

    name = "tests.toys.perceptron:APP"
    status, out, _ = run(capsys, name, "width=4", "depth=1,3")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines() if line.startswith("dense")] == ["dense"] * 6
    small, large = ({"width": 4, "depth": 1}, {"width": 7, "depth": 3})
    net = PERCEPTRON.module(_point(small, name))
    checkpoint.write(tmp_path / "small", checkpoint.Checkpoint(name, small, net.state_dict()))
    run(capsys, name, "width=7", "depth=3", "--checkpoint", tmp_path / "small", "--out", tmp_path / "large")
    larger = PERCEPTRON.module(_point(large, name))
    larger.load_state_dict(checkpoint.read(tmp_path / "large").model)
    x = torch.randn(5, 6)
    with torch.no_grad():
        torch.testing.assert_close(larger(x), net(x), rtol=1e-5, atol=1e-6)


def test_a_pipe_is_not_waited_for_and_no_damaged_checkpoint_ends_in_a_traceback(trained, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is no regular file"):
        checkpoint.read(tmp_path / "pipe")
    whole = (tmp_path / "small.pt").read_bytes()
    for place in range(0, len(whole), 1021):
        (tmp_path / "bad.pt").write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with contextlib.suppress(DataError):
            checkpoint.read(tmp_path / "bad.pt")
