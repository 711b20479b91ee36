"""The environment of real ranks: one rank of its own is told, another run's is refused."""

import pytest

from saih import records
from tests.conftest import toy_config

pytestmark = pytest.mark.mpi

WRAPPER = """#!/bin/sh
[ "$PMI_RANK" != 1 ] || export NCCL_ALGO=Ring MALLOC_PERTURB_=7
[ "$PMI_SIZE" != 2 ] || export OMP_SCHEDULE=static
exec "$@"
"""


def test_a_rank_of_its_own_is_told_and_another_run_refused(saih):
    wrapper = saih.folder / "wrapper"
    wrapper.write_text(WRAPPER)
    wrapper.chmod(0o755)
    launch = {"device": "cpu", "wrapper": [str(wrapper)]}
    saih.write("toy.yaml", toy_config(size={"n": [8]}, run={"ranks": [2]}, launch=launch))
    saih.env |= {"OMP_WAIT_POLICY": "passive"}
    saih("sweep", "toy.yaml")
    (record,) = records.read_all(saih.folder / "runs" / "toy" / "points")
    assert record.system["environment"]["OMP_WAIT_POLICY"] == "passive"
    assert [rank["environment"] for rank in record.system["ranks"]] == [
        {"OMP_SCHEDULE": "static"},
        {"MALLOC_PERTURB_": "7", "NCCL_ALGO": "Ring", "OMP_SCHEDULE": "static"},
    ]
    told = " ".join(each["words"] for each in record.diagnosis["suspect"] if each["cause"] == "environment")
    assert "NCCL_ALGO is Ring, the sweep's is not set" in told
    assert "all 2 ranks: OMP_SCHEDULE is static, the sweep's is not set" in told
    assert "MALLOC_PERTURB_ = 7 was set" in told

    saih("sweep", "toy.yaml", "--retry", "ok")
    saih.env |= {"ONEDNN_MAX_CPU_ISA": "SSE41"}
    refused = saih("sweep", "toy.yaml", "--retry", "ok", status=2)
    assert "no environment.ONEDNN_MAX_CPU_ISA, but this one has SSE41" in refused.stderr
