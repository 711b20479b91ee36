"""What only a CUDA device shows: `make gpu-test PYTHON=...` where there is one."""

import json

import numpy as np
import pytest
import torch

from augment.data.recipe import Recipe
from augment.data.universe.cosmology import Cosmology
from augment.data.universe.simulate import simulate
from saih import records
from saih.peaks import DATASHEETS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]


def sweep(saih, status=0, **changes):
    """Sweep CosmoFlow on one GPU; records by edge."""
    base = {
        "schema": 1,
        "name": "gpu",
        "app": "cosmoflow",
        "data": {"recipe": {"universes": 12, "edge": 32}},
        "size": {"edge": [32, 64]},
        "run": {"batch": 4, "precision": "bf16"},
        "measure": {"target_percent": 5, "max_s": 3},
        "limits": {"point_timeout_s": 120},
        "launch": {"device": "cuda"},
    }
    saih.write("gpu.yaml", base | changes)
    saih("sweep", "gpu.yaml", status=status)
    return {r.point["size"]["edge"]: r for r in records.read_all(saih.folder / "runs" / "gpu" / "points")}


def test_points_on_a_gpu_know_their_device_peaks_and_copies(saih):
    found = sweep(saih)
    name = torch.cuda.get_device_name()
    for record in found.values():
        assert record.status == "ok"
        assert record.system["ranks"][0]["device"] == "cuda:0"
        assert record.system["machine"]["device"] == name
        assert record.value("h2d_s") > 0
        assert 2**20 < record.value("peak_mem_bytes") < torch.cuda.get_device_properties(0).total_memory
        assert 0 < record.value("percent_of_measured_peak") < 100
        assert (record.value("percent_of_peak") is not None) == (name in DATASHEETS)
    assert found[64].value("percent_of_measured_peak") > found[32].value("percent_of_measured_peak")
    system = json.loads((saih.folder / "runs" / "gpu" / "system.json").read_text())
    assert system["software"]["driver"]


def test_a_point_beyond_the_memory_is_oom_and_the_next_one_runs(saih):
    found = sweep(
        saih,
        size={"edge": [128, 32], "width": 4},
        run={"batch": 8, "precision": "bf16", "input": "synthetic"},
        limits={"point_timeout_s": 120, "memory_gib": 2},
    )
    assert found[128].status == "oom"
    assert "out of memory" in found[128].error["message"]
    assert found[32].status == "ok"


def test_a_cuda_context_that_dies_takes_no_other_point_with_it(saih):
    """Activations of more than 2^31 elements: whatever the library makes of them ends in a record."""
    found = sweep(
        saih,
        status=None,
        size={"edge": [512, 32]},
        run={"batch": 1, "precision": "bf16", "input": "synthetic"},
        limits={"point_timeout_s": 240},
    )
    assert found[512].status in records.STATUSES
    assert found[512].status == "ok" or found[512].error["message"]
    assert found[32].status == "ok"


def test_universes_of_the_gpu_are_those_of_the_cpu_but_for_rounding():
    recipe = Recipe(universes=2, edge=32)
    cosmology = Cosmology.from_labels(recipe.labels(0))
    made = [
        simulate(cosmology, 32, recipe.box_mpc_h, recipe.redshifts, recipe.noise_seed(0), device)
        for device in ("cpu", "cuda", "cuda")
    ]
    assert np.array_equal(made[1], made[2])
    assert np.mean(made[0] != made[1]) < 1e-3
