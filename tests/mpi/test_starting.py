"""Sweeps whose ranks come late, never, or behind a wrapper that talks."""

import subprocess
import time

import pytest

from saih import records
from tests.conftest import toy_config

pytestmark = pytest.mark.mpi


def wrapper(saih, lines):
    path = saih.folder / "wrapper.sh"
    path.write_text(f'#!/bin/sh\n{lines}\nexec "$@"\n')
    path.chmod(0o755)
    saih.write("toy.yaml", toy_config(size={"n": [8]}, launch={"device": "cpu", "wrapper": [str(path)]},
                                      run={"ranks": [2]}, limits={"point_timeout_s": 90}))  # fmt: skip


TALK = r"""
for line in 42 true '[]' '{"x": 1}' null '"text"' NaN '{"ready": 1}' '{"progress": 3}' '{"answers": 3}'; do
  echo "$line"
done
printf '{"progress": ["'
echo '{"answers": "describe"' >&2
printf 'half a line '
"""


def test_a_wrapper_may_print_what_it_likes(saih):
    wrapper(saih, TALK)
    saih("sweep", "toy.yaml")
    (record,) = records.read_all(saih.folder / "runs" / "toy" / "points")
    assert record.status == "ok"


def test_a_rank_that_never_comes_is_named_within_seconds(saih):
    wrapper(saih, '[ "$PMI_RANK" != 1 ] || exec sleep 1000')
    saih.write("one.yaml", toy_config(size={"n": [8]}, launch={"device": "cpu"}, run={"ranks": [1]}))
    saih.measure_ceilings = True
    process = saih.start("sweep", "toy.yaml")
    told, deadline_s = [], time.monotonic() + 90
    begun_s = None
    try:
        for line in process.stdout:
            told.append(line)
            if "measuring what 2 ranks can reach" in line and begun_s is None:
                begun_s = time.monotonic()
            if "nothing was heard of the others: rank 1" in line or time.monotonic() > deadline_s:
                break
        assert begun_s, told
        assert "1 of 2 ranks have begun, nothing was heard of the others: rank 1" in told[-1]
        assert time.monotonic() - begun_s < 12
    finally:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
