"""`saih augment data` under srun: the ranks of a job step over two nodes share the work."""

import subprocess
import sys

import numpy as np
import pytest

from augment.data.reading.verify import verify
from augment.data.storage.data_set import UniverseSet
from tests.conftest import ROOT
from tests.sets import random_set

pytestmark = pytest.mark.mpi


def test_the_ranks_of_a_step_share_the_work(cluster, tmp_path):
    source = random_set(tmp_path / "source", universes=6)
    saih = [sys.executable, "-m", "saih", "augment", "data"]
    srun = ["srun", "--mpi=pmi2", "--nodes=2", "--ntasks-per-node=2", *saih]
    env = cluster.env | {"PYTHONPATH": str(ROOT)}

    def run(*words):
        return subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100, check=False)

    words = ["symmetries", "source", "--views", "3"]
    done = run(*srun, *words, "--out", "made", "--verify")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("made: ") == 2  # said once, not by every rank
    assert run(*saih, *words, "--out", "alone").returncode == 0
    np.testing.assert_array_equal(UniverseSet(tmp_path / "made").crc32c, UniverseSet(tmp_path / "alone").crc32c)
    assert verify(tmp_path / "made") == []

    source.files[4].unlink()
    done = run(*srun, *words, "--out", "other")
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if line.startswith("saih")]
    assert len(said) == 1
    assert "universe-00004.h5: no such file" in said[0]
