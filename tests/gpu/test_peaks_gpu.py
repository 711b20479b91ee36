"""`saih peaks` on a CUDA device: everything has a figure there, and the figures fit one another."""

import json

import pytest
import torch

from saih.peaks import DATASHEETS, PARTS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    from tests.conftest import Cli

    saih = Cli(tmp_path_factory.mktemp("peaks"))
    saih("peaks", "--quick", "--device", "cuda", "--storage", ".", "--out", "peaks.json")
    return json.loads((saih.folder / "peaks.json").read_text())


def test_every_precision_is_measured_and_beside_its_datasheet(kept):
    rates = {peak["precision"]: peak["flop_per_s"] for peak in kept["peaks"]}
    assert list(rates) == ["fp32", "tf32", "bf16", "fp16"]
    for precision, rate in rates.items():
        quoted = kept["datasheet"][precision].get("flop_per_s")
        assert quoted is None or 0.1 * quoted < rate < 1.05 * quoted
    name = torch.cuda.get_device_name()
    assert ("memory_bytes_per_s" in kept["datasheet"]["memory"]) == (name in DATASHEETS)


def test_nothing_must_be_disbelieved(kept):
    assert kept["doubts"] == []


def test_every_ceiling_has_a_figure(kept):
    (ceiling,) = kept["ceilings"]
    assert set(ceiling) == {"ranks", *PARTS}
    assert ceiling["ranks"] == torch.cuda.device_count()
    assert ceiling["memory"]["array_bytes"] >= 4 * ceiling["memory"]["cache_bytes"] > 0
    copies = ceiling["copies"]["entries"]
    assert {(entry["direction"], entry["pinned"]) for entry in copies} == {
        (way, pinned) for way in ("h2d", "d2h") for pinned in (True, False)
    }
    assert ceiling["copies"]["h2d_bytes_per_s"] < ceiling["memory"]["memory_bytes_per_s"]
    launches = ceiling["launches"]
    assert 0 < launches["graph_launch_s"] < launches["round_trip_s"]
    assert launches["launch_s"] < launches["round_trip_s"]
    assert (ceiling["allreduce"]["bus_bytes_per_s"] is None) == (ceiling["ranks"] == 1)
    assert ceiling["storage"]["read_bytes_per_s"] > 0
