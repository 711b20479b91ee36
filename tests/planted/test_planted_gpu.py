"""The same on a GPU, one strong plant each; benchmarks/planted.py --device cuda asks more of them."""

import pytest
import torch

from tests.planted import scoring
from tests.planted.cosmoflow import EXPECTED, cosmoflow
from tests.planted.on_a_gpu import FEW
from tests.planted.plants import cause_of
from tests.planted.sweeps import costs, sweep

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.planted,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]


def test_plants_are_found_on_a_gpu(tmp_path):
    files = tmp_path / "files"
    found = scoring.judged(sweep(FEW.config(str(files), "cuda", 1.5), tmp_path), costs(files))
    print(*(each.told for each in found), sep="\n")
    assert len(found) == len(FEW.points)
    assert all(any(f.matters for f in each.plants) for each in found[1:])
    assert not scoring.complaints(found)


@pytest.mark.parametrize("config", cosmoflow("cuda", 1.5), ids=lambda config: config["name"])
def test_a_tiny_batch_waits_for_launches_and_a_wide_network_computes(config, tmp_path):
    (record,) = sweep(config, tmp_path)
    assert EXPECTED[config["name"]] in [cause_of(cause) for cause in record.diagnosis["causes"]]
